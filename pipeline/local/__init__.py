"""Runs on one machine: workers, supervision and progress."""
