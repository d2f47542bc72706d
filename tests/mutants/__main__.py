"""Changes the code in small ways, one at a time, and says which changes no test notices.

    pip install -e '.[mutation]'
    python -m tests.mutants                                   # every module of tests/mutants/modules.toml
    python -m tests.mutants pipeline/cutting/cut.py           # one module
    python -m tests.mutants pipeline/cutting/cut.py --line 41 # one line, every change of it

Cosmic Ray makes the changes: it swaps operators and comparisons, shifts numbers, negates conditions, empties loops. Its
own executor starts Python for each change, and importing Beam costs more than the tests do; so here one process imports
everything once, and each change is tried in a fork of it. Nothing is written into the source tree.

A module's places are sampled with a fixed seed, one change at each. Left out are places that decide nothing
(annotations, `if TYPE_CHECKING`, log messages) and `Field(...)`, whose defaults and bounds the test of
docs/configuration.md holds. Hypothesis draws the same examples every time.
"""

from __future__ import annotations

import argparse
import difflib
import os
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import Phase, settings

from tests.mutants.changes import Change, changes_of_line, sample
from tests.mutants.trials import NOTICED, ROOT, Functions, outcome_of, reach_of, with_tests

TABLE = Path(__file__).with_name("modules.toml")


def difference(source: str, change: Change) -> str:
    """The changed lines, as a diff without its head."""
    before, after = source.splitlines(), change.source.splitlines()
    lines = list(difflib.unified_diff(before, after, lineterm="", n=0))[3:]
    return "\n".join(f"    {line}" for line in lines)


def judge(path: Path, source: str, tests: Sequence[str], changes: Sequence[Change]) -> int:
    """Tries changes, prints those that nothing notices, and returns how many were noticed."""
    outcomes: list[str] = []

    def try_all(session: pytest.Session) -> None:
        reach, functions = reach_of(path, tests), Functions(path)
        for change in changes:
            outcomes.append(outcome_of(path, change, session.items, reach, functions))
            if outcomes[-1] != NOTICED:
                print(f"  {path.relative_to(ROOT)}:{change.line} {outcomes[-1]} ({change.operator})")
                print(difference(source, change), flush=True)

    with_tests(tests, try_all)
    return outcomes.count(NOTICED)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "modules", nargs="*", help="files of tests/mutants/modules.toml, or folders of them; all if none"
    )
    parser.add_argument("--places", type=int, default=40, help="how many places of a module are changed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--line", type=int, help="only this line, and every change of it")
    options = parser.parse_args()
    settings.register_profile(
        "mutants", derandomize=True, database=None, max_examples=50, phases=[Phase.explicit, Phase.generate]
    )
    settings.load_profile("mutants")
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    names = [name for name in table if not options.modules or name.startswith(tuple(options.modules))]
    os.chdir(ROOT)
    figures = []
    for name in names:
        source = (ROOT / name).read_text(encoding="utf-8")
        line = options.line
        chosen = changes_of_line(source, line) if line else sample(source, options.places, options.seed)
        noticed = judge(ROOT / name, source, table[name], chosen)
        figures.append((name, len(chosen), noticed))
        print(f"{name}: {noticed} of {len(chosen)} noticed", flush=True)
    print("\n| module | changes | noticed | share |\n| --- | --- | --- | --- |")
    for name, sampled, noticed in figures:
        print(f"| {name} | {sampled} | {noticed} | {noticed / max(1, sampled):.0%} |")


if __name__ == "__main__":
    main()
