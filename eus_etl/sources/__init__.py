"""The outside world: one small Protocol per kind of source, and its implementations."""
