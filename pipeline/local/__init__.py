"""Runs on one machine: workers, their watching, their progress."""
