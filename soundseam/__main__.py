"""`python -m soundseam` is the command `soundseam`."""

from __future__ import annotations

from soundseam.pipeline.commands.cli import main

main()
