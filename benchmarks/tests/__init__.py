"""The arithmetic of the benchmark, tested."""
