"""The small corpus in `recordings/`, its truth, and the programs that made both."""
