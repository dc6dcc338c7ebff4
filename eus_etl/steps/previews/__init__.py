"""Small pictures for people to look at, masked."""
