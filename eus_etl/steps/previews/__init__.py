"""Small masked pictures for people."""
