"""The house keeps its shape: imports go one way, Beam stays in its files, and importing loads no model library."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
LAYERS = ("schemas", "annotators", "pipeline", "beam_runner")
"""From the ground up: a layer imports itself and those before it."""
BEAM_FILES = {
    "pipeline/storage/beam_files.py",
    "pipeline/storage/files.py",
    "pipeline/stages/graph.py",
    "pipeline/stages/listing.py",
    "pipeline/stages/planning.py",
    "pipeline/sft/graph.py",
    "pipeline/stages/transforms.py",
    "pipeline/commands/run.py",
}
HEAVY = (
    "torch",
    "pyannote",
    "faster_whisper",
    "sherpa_onnx",
    "transformers",
    "vllm",
    "librosa",
    "onnxruntime",
    "pocketsphinx",
)
"""What `load()` may import and nothing may import earlier."""
MAX_LINES = 350
MIN_LINES_OF_A_ROOM = 80
MAX_LOOSE_MODULES = 8
MAX_WEIGHTS_MIB = 20

IMPORT_ALL = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps(sorted(sys.modules)))
"""


@cache
def repository_files() -> tuple[Path, ...]:
    """What is in the repository, or would be if it were committed."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    names = {name.decode() for name in listing.stdout.split(b"\0") if name}
    return tuple(path for name in sorted(names) if (path := ROOT / name).is_file())


def modules() -> dict[str, Path]:
    """Dotted name as it is imported → file, for every module of the product."""
    found = [ROOT / "beam_runner.py", *(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))]
    dotted = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in found if path.exists()}
    return {
        (f"soundseam.{name}" if path.parent != ROOT else name).removesuffix(".__init__"): path
        for path, name in dotted.items()
    }


def layer_of(name: str) -> str:
    """The layer of a dotted name: `pipeline` for `soundseam.pipeline.plan`."""
    return name.removeprefix("soundseam.").partition(".")[0]


def imported_by(path: Path, top_only: bool = False, but_for_types: bool = False) -> Iterator[str]:
    """Dotted names of all that a file imports: `top_only`, as soon as it is itself; `but_for_types`, when it runs."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    left_out = {
        child
        for node in ast.walk(tree)
        if (_is_for_types(node) and (top_only or but_for_types))
        or (isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and top_only)
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in left_out:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path.relative_to(ROOT)} imports relatively: write the whole name"
            yield str(node.module)


def packages_imported_by(path: Path, top_only: bool = False, but_for_types: bool = False) -> set[str]:
    return {layer_of(name) for name in imported_by(path, top_only, but_for_types)}


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def test_imports_go_one_way() -> None:
    beside = {"tests", "docs", "benchmarks", "training", "samples"}
    upward = {
        name: above
        for name, path in modules().items()
        if (above := packages_imported_by(path) & {*LAYERS[LAYERS.index(layer_of(name)) + 1 :], *beside})
    }
    assert not upward


def test_beam_is_imported_by_its_own_files_alone() -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for path in modules().values()
        if "apache_beam" in packages_imported_by(path, but_for_types=True)
    }
    assert users <= BEAM_FILES
    assert "pipeline/stages/graph.py" in users


def test_whatever_is_imported_is_a_requirement() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    required = {re.sub(r"[-.]", "_", re.split(r"[^A-Za-z0-9_.-]", line)[0].lower()) for line in lines}
    named_otherwise = {
        "yaml": "pyyaml",
        "pyannote": "pyannote_audio",
        "lingua": "lingua_language_detector",
        "dcase_util": "sed_eval",
        "pydantic_core": "pydantic",
        "py4j": "pyspark",
    }
    imported = set().union(*(packages_imported_by(path, but_for_types=True) for path in modules().values()))
    others = imported - set(sys.stdlib_module_names) - set(LAYERS)
    assert not {package for package in others if named_otherwise.get(package, package) not in required}


@cache
def loaded_by_importing(*names: str) -> frozenset[str]:
    """All modules of a fresh interpreter after importing `names`."""
    answer = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *names], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    return frozenset(json.loads(answer.stdout))


def test_importing_everything_loads_no_model_library() -> None:
    loaded = {layer_of(name) for name in loaded_by_importing(*sorted(modules()))}
    assert not loaded & set(HEAVY)


def test_the_command_line_is_there_at_once() -> None:
    # Each process of a run imports it anew: what a command needs, it imports when it is called.
    slow = {"numpy", "scipy", "pyarrow", "apache_beam", "annotators"}
    assert not slow & {layer_of(name) for name in loaded_by_importing("beam_runner")}


def test_no_file_imports_a_model_library_at_its_top() -> None:
    # The test above sees what is installed here; this one sees what is written.
    eager = {
        name: heavy for name, path in modules().items() if (heavy := packages_imported_by(path, True) & set(HEAVY))
    }
    assert not eager


def test_records_and_annotators_do_without_beam() -> None:
    below = [name for name in modules() if layer_of(name) in {"schemas", "annotators"}]
    assert "apache_beam" not in loaded_by_importing(*sorted(below))


def test_every_file_fits_in_the_head() -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in repository_files()
        if path.suffix == ".py"
    }
    assert not {name: lines for name, lines in lengths.items() if lines > MAX_LINES}


def test_no_module_is_named_after_what_it_is_not() -> None:
    vague = {"utils", "util", "helpers", "helper", "misc", "common", "manager"}
    assert not [path for path in repository_files() if path.suffix == ".py" and path.stem in vague]


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    # Written in parts, so that this file does not name one itself.
    place = re.compile(
        rb"(?<![\w.:/-])/(?:"
        + b"|".join([b"ho" + b"me", b"Us" + b"ers", b"ro" + b"ot", b"wo" + b"rk"])
        + rb")/\w|[A-Z]:\\Users"
    )
    named = {
        f"{path.relative_to(ROOT)}: {match.group().decode()}"
        for path in repository_files()
        if b"\0" not in (content := path.read_bytes())
        for match in place.finditer(content)
    }
    assert not named


def test_nothing_in_the_repository_is_large() -> None:
    weights = [path for path in repository_files() if path.parent.name == "weights"]
    others = [path for path in repository_files() if path not in weights]
    assert not [path for path in others if path.stat().st_size > 2 * 2**20]
    assert sum(path.stat().st_size for path in weights) < MAX_WEIGHTS_MIB * 2**20


@cache
def importers() -> dict[str, frozenset[str]]:
    """Which modules of the product import each of them, at their top or later."""
    names = modules()
    users: dict[str, set[str]] = {name: set() for name in names}
    for name, path in names.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    imported = inner if inner in names else str(node.module)
                    if imported in names and imported != name:
                        users[imported].add(name)
    return {name: frozenset(found) for name, found in users.items()}


def test_no_modules_import_one_another_in_a_circle() -> None:
    imports: dict[str, set[str]] = {name: set() for name in modules()}
    for imported, users in importers().items():
        for user in users:
            imports[user].add(imported)
    # Whatever imports nothing that is left goes, until nothing is left or a circle is.
    while free := [name for name, others in imports.items() if not others & imports.keys()]:
        for name in free:
            del imports[name]
    assert not imports


def test_a_small_file_with_one_user_beside_it_lies_in_that_user() -> None:
    # Plug-ins are imported by their family's union alone, and a process script by what starts it.
    small = {
        name: users
        for name, users in importers().items()
        if len(users) == 1
        and modules()[name].name != "__init__.py"
        and not name.endswith("_process")
        and len(modules()[name].read_text(encoding="utf-8").splitlines()) < MIN_LINES_OF_A_ROOM
    }
    beside = {
        name: next(iter(users))
        for name, users in small.items()
        if modules()[name].parent == modules()[next(iter(users))].parent
        and modules()[next(iter(users))].name != "__init__.py"
    }
    assert not beside


def test_few_modules_lie_loose_in_the_pipeline() -> None:
    loose = [path.name for path in (ROOT / "pipeline").glob("*.py") if path.name != "__init__.py"]
    assert len(loose) <= MAX_LOOSE_MODULES, loose


def test_measuring_by_default_compiles_nothing() -> None:
    # numba compiles at first use: seconds in every worker before the first answer.
    code = """
import sys
import numpy as np
from soundseam.pipeline.config import load_config
from tests.support.builders import a_segment
from soundseam.annotators.base import Clip
for backend in load_config("embedded").models:
    if getattr(backend, "sample_rate_hz", None) and not getattr(backend, "reads_annotations", False):
        rate = backend.sample_rate_hz
        samples = np.random.default_rng(0).normal(size=2 * rate).astype(np.float32) * np.float32(0.1)
        if hasattr(backend, "branch"):
            backend.load().annotate([Clip(a_segment("a", 0, 2_000), samples, rate)])
sys.exit("numba" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0
