"""MOSS-Audio on vLLM: starting a server, and comparing it with its checkpoint."""
