"""Writes the generated parts of the documentation: `python -m docs.generate`; with `--check` it only looks.

A generated part stands between `<!-- generated: NAME -->` and `<!-- end of NAME -->`; everything around it is written
by hand.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from docs import reference

ROOT = Path(__file__).parents[1]
PARTS: Mapping[str, Callable[[], str]] = {
    "configuration": reference.configuration,
    "backends": reference.backends,
    "profile": reference.profile,
    "tables": reference.tables,
    "command line": reference.command_line,
}
_PART = re.compile(r"(<!-- generated: ([a-z ]+) -->\n).*?(\n<!-- end of \2 -->)", re.DOTALL)


def regenerated(text: str) -> str:
    """`text` with its generated parts as the code has them now. Raises KeyError for a part that nothing makes."""
    return _PART.sub(lambda match: f"{match[1]}\n{PARTS[match[2]]()}\n{match[3]}", text)


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def stale_pages() -> list[Path]:
    return [
        page for page in pages() if regenerated(page.read_text(encoding="utf-8")) != page.read_text(encoding="utf-8")
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m docs.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 where something is stale")
    arguments = parser.parse_args()
    stale = stale_pages()
    for page in stale:
        print(f"{'stale' if arguments.check else 'written'}: {page.relative_to(ROOT)}")
        if not arguments.check:
            page.write_text(regenerated(page.read_text(encoding="utf-8")), encoding="utf-8")
    return 1 if arguments.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
