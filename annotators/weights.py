"""Weights chosen by the user: their location, licence and device, and the message if they cannot be opened."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from soundseam.annotators.base import BackendUnavailableError, Model
from soundseam.annotators.hub import refuse_unreachable, terms_of

if TYPE_CHECKING:
    from types import ModuleType


def installed_version(package: str) -> str:
    """The version of a distribution; "missing" if it is not installed, so that a plan can be made without it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


_HASHED_BYTES = 1 << 20
_STATED = re.compile(r"^license:\s*[\"']?([\w.-]+)", re.MULTILINE)
_NON_COMMERCIAL = re.compile(r"(^|-)nc(-|$)|non-?commercial", re.IGNORECASE)
UNKNOWN = "unknown"


class NamedWeights(Model):
    """A model whose weights are a repository of the model hub or a local folder."""

    weights: str
    """A repository of the model hub, or a folder with the model."""
    weights_revision: str = "main"
    """Commit of the hub's repository; pin one, so that later rows are made with the same weights."""
    weights_licence: str = ""
    """SPDX identifier, if the model card in the folder does not state it."""
    allow_non_commercial: bool = False
    """If true, weights whose licence forbids commercial use, such as those of MMS, are loaded."""

    runs_on: ClassVar[tuple[str, ...]]
    """Distributions whose version is part of the revision."""
    answers_revision: ClassVar[str] = "1"
    """Raise it whenever the same weights may give other answers."""

    @property
    def model(self) -> str:
        return Path(self.weights).name

    @property
    def revision(self) -> str:
        weights = weights_key(self.weights, self.weights_revision)
        return "-".join((weights, *map(installed_version, self.runs_on), self.answers_revision))

    @property
    def hub_revision(self) -> str | None:
        """The revision for `from_pretrained`: None for a local folder."""
        return None if Path(self.weights).is_dir() else self.weights_revision

    @property
    def repository(self) -> str | None:
        return repository_of(self.weights)

    @property
    def weights_terms(self) -> str:
        return licence_of(self.weights, self.weights_licence)

    def check_available(self) -> None:
        refuse_non_commercial(self.backend, self.weights, self.weights_terms, self.allow_non_commercial)
        super().check_available()
        refuse_unreachable(self.backend, self.weights, "weights")


class TorchWeights(NamedWeights):
    """Weights that run in torch."""

    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """auto uses a GPU if there is one; on a GPU, models that allow it run in float16."""

    requires: ClassVar[tuple[str, ...]] = ("torch", "transformers")
    remedy: ClassVar[str] = "pip install 'soundseam[models]'"
    runs_on: ClassVar[tuple[str, ...]] = ("transformers",)


def licence_of(weights: str, stated: str) -> str:
    """`stated` if given, else the licence in the model card of a local folder, else the known licence of a
    repository.
    """
    if stated:
        return stated
    card = Path(weights) / "README.md"
    if card.is_file() and (found := _STATED.search(card.read_text(encoding="utf-8", errors="replace"))):
        return found[1]
    terms = terms_of(weights)
    return terms.licence if terms else UNKNOWN


def refuse_non_commercial(backend: str, weights: str, licence: str, allowed: bool) -> None:
    """Raises BackendUnavailableError for weights that may not be used commercially, unless that is `allowed`."""
    if _NON_COMMERCIAL.search(licence) and not allowed:
        raise BackendUnavailableError(
            f"{backend} will not load {weights}, licensed {licence}: choose other weights, or set "
            "allow_non_commercial: true if your use is not commercial"
        )


def refuse_incomplete(backend: str, weights: str, files: Iterable[str]) -> None:
    """Raises BackendUnavailableError if `weights` is a folder without one of `files`, paths in it."""
    folder = Path(weights)
    missing = [name for name in files if not (folder / name).exists()] if folder.is_dir() else []
    if missing:
        raise BackendUnavailableError(
            f"{backend} cannot open {weights}: the folder has no {', '.join(missing)} (docs/weights.md lists its files)"
        )


def cannot_open(backend: str, weights: str, error: Exception) -> BackendUnavailableError:
    """The error, in one line, if `weights` are neither a usable folder nor available from the hub."""
    lines = str(error).strip().splitlines()
    return BackendUnavailableError(
        f"{backend} cannot open {weights} ({lines[0] if lines else type(error).__name__}): "
        "set weights to a folder with the model, or let this machine reach the model hub"
    )


def torch_device(device: str) -> str:
    """`device`, with auto replaced by the GPU if torch finds one."""
    import torch

    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


def weights_key(weights: str, revision: str) -> str:
    """Which weights are used: the content of a local folder, else `revision`, the commit on the hub."""
    local = Path(weights)
    return folder_key(local) if local.is_dir() else revision


def repository_of(weights: str) -> str | None:
    """The repository on the hub; None for a local folder."""
    return None if Path(weights).is_dir() else weights


def folder_key(folder: Path) -> str:
    """16 hex digits of a model folder's content: names, sizes, and each file's first and last MiB.

    Reading large weights in full would take seconds each time a key is needed.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return _files_key(tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files), str(folder))


@cache
def _files_key(files: tuple[tuple[str, int, int], ...], folder: str) -> str:
    digest = hashlib.sha256()
    for name, size, _ in files:
        digest.update(f"{Path(name).relative_to(folder)}:{size}:".encode())
        with Path(name).open("rb") as file:
            digest.update(file.read(_HASHED_BYTES))
            file.seek(max(0, size - _HASHED_BYTES))
            digest.update(file.read(_HASHED_BYTES))
    return digest.hexdigest()[:16]


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """A context in which the top-level modules of `folder` can be imported; afterwards they are removed again.

    Their names (models, helpers, config) must not shadow other modules.
    """
    before = set(sys.modules)
    sys.path.insert(0, str(folder.resolve()))
    try:
        yield
    finally:
        sys.path.remove(str(folder.resolve()))
        # Collect all names first: the path of a package without an __init__.py is looked up in its parent.
        theirs = [
            name
            for name in set(sys.modules) - before
            if any(Path(place).is_relative_to(folder.resolve()) for place in _places(sys.modules[name]))
        ]
        for name in theirs:
            del sys.modules[name]


def _places(module: ModuleType) -> list[str]:
    """The locations of a module; folders without an __init__.py have no file."""
    file = getattr(module, "__file__", None)
    return [file] if file is not None else list(getattr(module, "__path__", ()))
