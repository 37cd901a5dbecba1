"""Benchmarks: speed and memory as ratios against a peer or a limit within one run."""
