"""Measures speed, each figure beside a peer or a limit in the same run; see docs/benchmarks.md."""
