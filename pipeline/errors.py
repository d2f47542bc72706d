"""Errors of the pipeline that a person can act on."""

from __future__ import annotations


class SetupError(Exception):
    """The run cannot begin as asked. The message is one line and names the remedy; the command line exits with 2."""
