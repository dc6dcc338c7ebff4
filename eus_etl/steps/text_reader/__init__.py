"""Reads the words on pictures, in processes of its own."""
