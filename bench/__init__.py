"""Measurements against baselines that run in the same process at the same time; `make bench` prints the table."""
