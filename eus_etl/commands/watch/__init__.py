"""``eus-etl watch``: looks at a server from outside, and tells of what needs a person."""
