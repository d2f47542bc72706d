"""MOSS-Audio behind vLLM: how it is started, and how a server is held against the checkpoint that it serves."""
