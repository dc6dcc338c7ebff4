"""Small hospitals and studies on disk, made for tests and benchmarks."""
