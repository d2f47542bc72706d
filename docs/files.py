"""Every folder and file of the product with one line each: the first line of its docstring."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
LAYERS = ("schemas", "annotators", "pipeline")
OTHERS = {
    "soundseam": "the import name, and the Python API",
    "beam_runner.py": "the command line from a checkout",
    "benchmarks": "commands that measure and print a table",
    "docs": "these pages, and what generates parts of them",
    "samples": "recordings with free licences, their truth, and what makes them",
    "serving": "a plug-in for vLLM's environment, a distribution of its own",
    "tests": "mirror the tree; `tests/support` has what they share",
    "training": "how the weights that the repository carries were made",
}


def files() -> str:
    """The tree as tables: one for each folder of the three layers, one for everything beside them."""
    parts = [_folder(folder) for layer in LAYERS for folder in _folders(ROOT / layer)]
    rows = "\n".join(f"| `{name}` | {line} |" for name, line in OTHERS.items())
    return "\n\n".join([*parts, f"### Beside them\n\n| | |\n| --- | --- |\n{rows}"])


def _folders(top: Path) -> list[Path]:
    return sorted({path.parent for path in _tracked(top)})


def _tracked(top: Path) -> list[Path]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", f"{top}/*.py"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def _folder(folder: Path) -> str:
    name = folder.relative_to(ROOT).as_posix()
    about = first_line(folder / "__init__.py") if (folder / "__init__.py").exists() else ""
    files_here = [path for path in _tracked(folder) if path.parent == folder and path.name != "__init__.py"]
    rows = "\n".join(f"| `{path.name}` | {first_line(path)} |" for path in sorted(files_here))
    table = f"\n\n| file | |\n| --- | --- |\n{rows}" if rows else ""
    return f"### `{name}/`\n\n{about}{table}".rstrip()


def first_line(path: Path) -> str:
    """The first line of a module's docstring; empty if it has none."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.split("\n", 1)[0].replace("|", "\\|")
