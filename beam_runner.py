"""The command line from a checkout: `python beam_runner.py` is `soundseam`."""

from __future__ import annotations

from soundseam.pipeline.commands.cli import main

if __name__ == "__main__":
    main()
