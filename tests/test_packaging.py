"""What pip installs: one import name, whatever else lies in the working folder or beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("schemas", "annotators", "pipeline", "soundseam")
FOREIGN = ("pipeline.py", "schemas.py", "annotators.py", "beam_runner.py")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what the wheel brings and nothing else."""
    if find_spec("setuptools") is None or find_spec("pip") is None:
        pytest.skip("needs setuptools and pip to build a wheel")
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    source.mkdir()
    for name in OURS:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE", "beam_runner.py"):
        shutil.copy(ROOT / name, source / name)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(place), str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    with zipfile.ZipFile(next(place.glob("*.whl"))) as wheel:
        wheel.extractall(place / "site")
    return place / "site"


def test_the_wheel_has_one_import_name(site: Path) -> None:
    assert {path.name for path in site.iterdir() if not path.name.endswith(".dist-info")} == {"soundseam"}


def test_the_wheel_holds_every_module_and_data_file(site: Path) -> None:
    def files(folder: Path) -> set[str]:
        return {
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }

    for layer in OURS[:-1]:
        assert files(ROOT / layer) == files(site / "soundseam" / layer)


def test_files_of_the_same_names_do_not_get_in_the_way(site: Path, tmp_path: Path) -> None:
    for name in FOREIGN:
        (tmp_path / name).write_text("raise RuntimeError('somebody else wrote this')\n")
    code = "from soundseam.pipeline.commands.cli import app; app(['plan', 'sounds', '--output', 'out'])"
    (tmp_path / "sounds").mkdir()
    shutil.copy(ROOT / "samples" / "recordings" / "sound-bell.flac", tmp_path / "sounds")
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(site)])},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert answer.returncode == 0, answer.stderr
    assert "somebody else" not in answer.stdout + answer.stderr
    assert "segments" in answer.stdout
