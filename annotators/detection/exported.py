"""Models as one file: ONNX, or TorchScript, which needs torch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from annotators.base import BackendUnavailableError
from annotators.detection.session import Floats, open_session
from annotators.weights import torch_device

Exported = Callable[[Floats], tuple[Floats, ...]]
"""From what a model takes to all that it gives."""


def open_exported(path: Path, device: str) -> Exported:
    """The model at `path`. `device` is for TorchScript; auto is a GPU where there is one.

    Raises BackendUnavailableError where it cannot be opened.
    """
    return _onnx(path) if path.suffix == ".onnx" else _torch_script(path, device)


def file_revision(*paths: Path) -> str:
    """Changes with the bytes of any of `paths`; "missing" where one is not there."""
    digest = hashlib.sha256()
    for path in paths:
        if not path.is_file():
            return "missing"
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _onnx(path: Path) -> Exported:
    session = open_session(path)
    name = session.get_inputs()[0].name

    def run(given: Floats) -> tuple[Floats, ...]:
        return tuple(session.run(None, {name: given}))

    return run


def _torch_script(path: Path, device: str) -> Exported:
    try:
        import torch
    except ImportError as error:
        raise BackendUnavailableError(f"{path} needs torch: pip install 'soundseam[models]'") from error
    device = torch_device(device)
    try:
        model = torch.jit.load(str(path), map_location=device).eval()
    except RuntimeError as error:
        lines = str(error).strip().splitlines()
        raise BackendUnavailableError(
            f"{path} is no TorchScript model: {lines[0] if lines else 'it is empty'}"
        ) from error

    def run(given: Floats) -> tuple[Floats, ...]:
        with torch.inference_mode():
            answer = model(torch.from_numpy(given).to(device))
        answers = answer if isinstance(answer, tuple) else (answer,)
        return tuple(np.asarray(one.float().cpu().numpy(), dtype=np.float32) for one in answers)

    return run
