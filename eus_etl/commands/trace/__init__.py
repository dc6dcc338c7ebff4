"""From a picture or a frame all the way back to the upload, and whether each link still holds."""
