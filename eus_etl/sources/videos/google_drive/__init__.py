"""Videos on a Google Drive."""
