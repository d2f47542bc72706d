"""Cuts recordings into segments and routes them to branches."""
