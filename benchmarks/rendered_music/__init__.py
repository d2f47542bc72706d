"""Test pieces with a known truth: scores drawn from a seed, rendered with fluidsynth."""
