"""Real trainers on exports, with tiny random models on a CPU. Run by hand, each in an environment of its own."""
