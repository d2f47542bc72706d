"""Which files belong to Soundseam: which folders can be OUT, and which audio is not an input."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from stat import S_ISDIR, S_ISLNK

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.commits import LAYOUT_FILE, RUN_FOLDER, stages_in
from soundseam.pipeline.storage.redact import redact_uri
from soundseam.schemas.tables import DUPLICATES_FOLDER, SAMPLES_FOLDER, THINNED_FOLDER, LongTable, Table

_TABLE_FOLDERS = (*Table, *LongTable, SAMPLES_FOLDER, THINNED_FOLDER, DUPLICATES_FOLDER)
_BEFORE_LAYOUT = ("lock", "scratch")
"""What `_run` may contain before there is a layout."""

_PRODUCTS: dict[str, tuple[str, ...]] = {
    "_export/layout.json": ("_export", "audio"),
    "_export/export.json": ("_export", "audio"),
    "soundseam-report.json": ("",),
}
"""A file that marks a folder as ours → the subfolders with our audio; "" for all of it. Tables have no audio files."""


def check_output(output: str) -> None:
    """Raises SetupError for a folder in which no corpus can be created or continued. Changes nothing.

    An existing corpus may contain other files; a new one must not be mixed with them.
    """
    if not output.strip():
        raise SetupError("--output is empty: give the folder of the corpus, as in --output out")
    _check_folder(output, "--output")
    if files.exists(files.join(output, RUN_FOLDER, LAYOUT_FILE)):
        return
    foreign = next(_in_the_way(output), None)
    if foreign is not None:
        raise SetupError(
            f"{redact_uri(foreign)} is in the way: a new corpus in {redact_uri(output)} would put a table there. "
            f"Choose another --output, such as --output {redact_uri(output).rstrip('/')}/corpus"
        )


def require_corpus(output: str, stage: str | None = None) -> list[str]:
    """The stages that OUT has committed. Raises SetupError for a folder without a corpus, or without `stage`."""
    if not output.strip():
        raise SetupError("the name of the corpus is empty: give the --output of a run")
    name = redact_uri(output)
    if files.is_local(output) and not files.local_path(output).is_dir():
        raise SetupError(f"there is no folder {name}: give the --output of a run")
    stages = stages_in(output)
    if stage is None and files.exists(files.join(output, RUN_FOLDER, LAYOUT_FILE)):
        return stages
    if not stages:
        raise SetupError(f"{name} holds no corpus: make one with soundseam run INPUTS --output {name}")
    if stage is not None and stage not in stages:
        raise SetupError(f"{name} holds no {stage}: make some with soundseam run INPUTS --output {name}")
    return stages


def check_target(target: str, option: str = "--output") -> None:
    """Raises SetupError for the name of a folder that cannot be written to."""
    if not target.strip():
        raise SetupError(f"{option} is empty: give a folder")
    _check_folder(target, option)


def _check_folder(output: str, option: str) -> None:
    if not files.is_local(output):
        return
    path = files.local_path(output).absolute()
    nearest = next(folder for folder in (path, *path.parents) if os.path.lexists(folder))
    if not nearest.is_dir():
        kind = "a file" if nearest.is_file() else "no folder"
        raise SetupError(f"{nearest} is {kind}: choose another {option}")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise SetupError(f"{nearest} cannot be written to: choose another {option}, or change its permissions")


def _in_the_way(output: str) -> Iterator[str]:
    """Files in the places of a new corpus's own; hidden ones do not count."""
    for folder in _TABLE_FOLDERS:
        for stat in files.list_files(files.join(output, folder)):
            if not files.name_of(stat.uri).startswith("."):
                yield stat.uri
    for stat in files.list_files(files.join(output, RUN_FOLDER)):
        first = files.relative_to(stat.uri, files.join(output, RUN_FOLDER)).split("/")[0]
        if first not in _BEFORE_LAYOUT and not first.startswith("."):
            yield stat.uri


class OwnFiles:
    """Recognises inputs that are Soundseam's own files: everything in OUT, and products of other corpora."""

    def __init__(self, output: str | None, exists: Callable[[str], bool] = files.exists) -> None:
        self._real_folder: Callable[[str], str] = cache(os.path.realpath)
        self._output = None if output is None else self._real(output)
        self._exists = exists
        self._products = cache(self._find_products)

    def lies_in_output(self, uri: str) -> bool:
        """Whether `uri` is OUT or inside it, by whatever name."""
        return self._output is not None and f"{self._real(uri)}/".startswith(self._output.rstrip("/") + "/")

    def holds(self, uri: str) -> bool:
        """Whether a file is in OUT, or in a report or an export written by Soundseam."""
        if self.lies_in_output(uri):
            return True
        folder, _, inside = _absolute(uri).rpartition("/")
        while folder and not folder.endswith("/"):
            if any(product == "" or f"{inside}/".startswith(f"{product}/") for product in self._products(folder)):
                return True
            folder, _, name = folder.rpartition("/")
            inside = f"{name}/{inside}"
        return False

    def _real(self, uri: str) -> str:
        if not files.is_local(uri):
            return uri
        path = files.local_path(uri).absolute()
        if path.name in ("", "..") or _may_lead_elsewhere(path):
            return self._real_folder(str(path))
        return f"{self._real_folder(str(path.parent))}/{path.name}"

    def _find_products(self, folder: str) -> tuple[str, ...]:
        marked = (products for mark, products in _PRODUCTS.items() if self._exists(f"{folder}/{mark}"))
        return tuple(product for products in marked for product in products)


def _may_lead_elsewhere(path: Path) -> bool:
    """Whether it is a folder or a link."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return False
    return S_ISDIR(mode) or S_ISLNK(mode)


def _absolute(uri: str) -> str:
    return str(files.local_path(uri).absolute()) if files.is_local(uri) else uri
