"""Screens whose fields and texts are known."""
