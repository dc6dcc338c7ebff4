"""Encoding and decoding of still images."""
