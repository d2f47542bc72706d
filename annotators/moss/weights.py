"""Weights of a checkpoint, read one by one: no more than one layer of a large model is in memory at full precision."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from annotators.base import BackendUnavailableError
from annotators.hub import refuse_unreachable
from annotators.moss.config import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

_REMEDY = "pip install 'soundseam[models]'"
_WANTED = ("*.json", "*.safetensors", "*.jinja")
"""What is fetched from a hub: weights as safetensors alone, whose reading runs no code."""


def find_checkpoint(model: str, revision: str = "main") -> Path:
    """The folder `model`, or where the hub's repository of that name was put. Raises CheckpointError without either."""
    if Path(model).is_dir():
        return Path(model)
    try:
        refuse_unreachable("the check", model, "MODEL")
    except BackendUnavailableError as error:
        raise CheckpointError(str(error)) from error
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise CheckpointError(f"{model} is no folder, and fetching it from a hub needs {_REMEDY}") from error
    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=list(_WANTED)))
    except (OSError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(
            f"cannot fetch {model} ({reason}): name a folder with the checkpoint, or let this machine reach the hub"
        ) from error


class _TensorFile(Protocol):
    """An open safetensors file."""

    def keys(self) -> Iterable[str]: ...

    def get_tensor(self, name: str, /) -> Tensor: ...


class Weights:
    """The tensors of a folder's safetensors files, as float32 on `device`."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        """Raises CheckpointError where there are none, or torch and safetensors are missing."""
        self.device = device
        self._files = _open_files(folder)

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._files:
            raise CheckpointError(f"the checkpoint has no weight {name}: it is incomplete, or no MOSS-Audio")
        return self._files[name].get_tensor(name).to(self.device).float()

    def get(self, name: str) -> Tensor | None:
        if name not in self:
            return None
        return self[name]


def _open_files(folder: Path) -> dict[str, _TensorFile]:
    """Name of each tensor → the open file that holds it."""
    try:
        import torch  # noqa: F401
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise CheckpointError(f"a forward pass needs torch and safetensors: {_REMEDY}") from error
    files: dict[str, _TensorFile] = {}
    for path in _weight_files(folder):
        try:
            opened: _TensorFile = safe_open(str(path), framework="pt")
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"{path} cannot be read ({error}): fetch the checkpoint again") from error
        files.update(dict.fromkeys(opened.keys(), opened))
    return files


def _weight_files(folder: Path) -> list[Path]:
    """Those that the index names, where there is one: a folder may hold leftovers."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        if outside := [name for name in names if Path(name).name != name]:
            raise CheckpointError(f"{index} names a file elsewhere, {outside[0]}: fetch the checkpoint again")
        found = [folder / name for name in names]
    else:
        found = sorted(folder.glob("*.safetensors"))
    if not found:
        raise CheckpointError(f"{folder} has no .safetensors files, the only kind of weights that is read here")
    return found
