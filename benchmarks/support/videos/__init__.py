"""Videos with known contents."""
