"""Scores of frames, and the status made from them."""
