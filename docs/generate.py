"""Writes the generated parts of the documentation: `python -m docs.generate`; with `--check` it only looks.

With `--corpus out`, what a run over `samples/recordings` made, it also writes the parts that show such a run.
A generated part stands between `<!-- generated: NAME -->` and `<!-- end of NAME -->`; everything around it is written
by hand.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from docs import capacity, caption_parts, files, reference, sample_run, training

ROOT = Path(__file__).parents[1]
PARTS: Mapping[str, Callable[[], str]] = {
    "configuration": reference.configuration,
    "backends": reference.backends,
    "profile": reference.profile,
    "laptop profile": partial(reference.profile, "laptop"),
    "local profile": partial(reference.profile, "local"),
    "cluster profile": partial(reference.profile, "cluster"),
    "tables": reference.tables,
    "long options": reference.long_options,
    "command line": reference.command_line,
    "training tasks": training.tasks,
    "sample columns": training.columns,
    "export formats": training.formats,
    "pretraining options": training.pretraining_options,
    "duplicate columns": training.duplicate_columns,
    "fingerprint columns": training.fingerprint_columns,
    "verdicts": caption_parts.verdicts,
    "caption prompts": caption_parts.prompts,
    "filter options": caption_parts.filter_options,
    "files": files.files,
    "expected hours": capacity.expected,
    "worked hours": capacity.worked,
}
SAMPLE_PARTS: Mapping[str, Callable[[Path], str]] = {
    "sample summary": sample_run.summary,
    "sample captions": sample_run.captions,
    "sample conversation": sample_run.conversation,
    "sample claim": sample_run.claim,
    "sample tasks": training.sample_tasks,
    "sample caption": caption_parts.worked,
    "sample writer input": caption_parts.writer_input,
}
_PART = re.compile(r"(<!-- generated: ([a-z ]+) -->\n).*?(\n<!-- end of \2 -->)", re.DOTALL)


def regenerated(text: str, corpus: Path | None = None) -> str:
    """`text` with its generated parts as the code has them now; those that show a run only where there is a `corpus`.

    Raises KeyError for a part that nothing makes.
    """

    def part(match: re.Match[str]) -> str:
        name = match[2]
        if name in SAMPLE_PARTS:
            return match[0] if corpus is None else f"{match[1]}\n{SAMPLE_PARTS[name](corpus)}\n{match[3]}"
        return f"{match[1]}\n{PARTS[name]()}\n{match[3]}"

    return _PART.sub(part, text)


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def stale_pages(corpus: Path | None = None) -> dict[Path, str]:
    """page → what it should hold, for each that holds something else."""
    wanted = {page: regenerated(page.read_text(encoding="utf-8"), corpus) for page in pages()}
    return {page: text for page, text in wanted.items() if text != page.read_text(encoding="utf-8")}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m docs.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 where something is stale")
    parser.add_argument("--corpus", type=Path, help="what a run over samples/recordings made")
    arguments = parser.parse_args()
    stale = stale_pages(arguments.corpus)
    for page, text in stale.items():
        print(f"{'stale' if arguments.check else 'written'}: {page.relative_to(ROOT)}")
        if not arguments.check:
            page.write_text(text, encoding="utf-8")
    return 1 if arguments.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
