"""Measures the keeper: `make bench` prints the tables of docs/benchmarks.md."""
