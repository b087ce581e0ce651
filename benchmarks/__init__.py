"""Benchmarks: every figure beside that of a peer or a promise, measured in one run on one machine."""
