"""What is stale, and which runs bring it up to date."""
