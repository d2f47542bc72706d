"""Sections with functions (intro, verse, chorus) by SongFormer, or a model like it: `songformer`.

SongFormer (arXiv 2510.02797; github.com/ASLP-lab/SongFormer) processes 24 kHz mono and returns, about eight times per
second, the probability of a boundary and of each function. It has no package: it is run with its own code from a
folder, or, like any model with this interface, from an exported file with a list of its labels.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from soundseam.annotators.base import Backend, BackendUnavailableError, RecordingAnnotator, Samples, checked_samples
from soundseam.annotators.detection.label_table import read_labels
from soundseam.annotators.detection.tagging import file_revision, open_exported, sigmoid
from soundseam.annotators.music.pieces import AnalysePiece, Part, PieceFacts, SectionAnnotator
from soundseam.annotators.onnx import Floats
from soundseam.annotators.weights import (
    cannot_open,
    folder_key,
    importable,
    licence_of,
    refuse_non_commercial,
    torch_device,
)
from soundseam.schemas.event import Branch
from soundseam.schemas.music import MusicFacts
from soundseam.schemas.record import Record


class BoundaryLimits(Record):
    """What counts as a boundary."""

    threshold: float = Field(default=0.3, gt=0.0, lt=1.0, description="least probability")
    apart_s: float = Field(
        default=4.0, gt=0.0, description="minimum distance between boundaries, and to the piece's ends"
    )


def parts_of_frames(
    boundaries: Floats, functions: Floats, labels: Sequence[str], frame_s: float, limits: BoundaryLimits
) -> list[tuple[float, float, str]]:
    """(start_ms, end_ms, function) of each part, in order, without gaps.

    `boundaries` (num_frames,) and `functions` (num_frames, len(labels)) are probabilities of frames of `frame_s`.

    Neighbours with the same function stay separate if there is a boundary between them.
    """
    count = len(boundaries)
    edges = [0, *_peaks(boundaries, max(1, round(limits.apart_s / frame_s)), limits.threshold), count]
    frame_ms = 1000 * frame_s
    return [
        (frame_ms * first, frame_ms * last, labels[int(functions[first:last].mean(axis=0).argmax())])
        for first, last in pairwise(edges)
        if last > first
    ]


def lettered(parts: Sequence[tuple[float, float, str]]) -> list[Part]:
    """(start_ms, end_ms, function) with a letter for each function, in order of appearance."""
    letters = {name: _letter(index) for index, name in enumerate(dict.fromkeys(name for _, _, name in parts))}
    return [Part(start_ms, end_ms, letters[name], name) for start_ms, end_ms, name in parts]


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else f"A{index - 25}"


def _peaks(probabilities: Floats, apart: int, threshold: float) -> list[int]:
    """Frames of the boundaries, selected by descending probability."""
    taken: list[int] = []
    order: NDArray[np.int64] = np.argsort(-probabilities, kind="stable")
    for frame in order.tolist():
        if probabilities[frame] < threshold:
            break
        if all(abs(frame - other) >= apart for other in (0, len(probabilities), *taken)):
            taken.append(frame)
    return sorted(taken)


RATE_HZ = 24_000
_SHORTEST_S = 10.0
"""Shorter pieces have no sections."""
_LOCAL_DIR = "SONGFORMER_LOCAL_DIR"
"""The variable in which its code looks for its folder."""
_WITH_MUQ = "CC-BY-NC-4.0"
"""SongFormer itself is CC-BY-4.0; its file also contains the weights of its encoder MuQ, which are not."""


class SongFormer(Backend[MusicFacts]):
    """Sections of whole pieces with the model's functions, such as intro, verse, chorus or bridge."""

    kind: Literal["songformer"] = "songformer"
    weights: str = Field(
        alias="path",
        default="SongFormer",
        description="a folder with the files of huggingface.co/ASLP-lab/SongFormer, whose code is run; or an "
        "exported model (.onnx, or TorchScript .pt or .ts): (1, samples) to boundary logits (1, frames) and function "
        "logits (1, frames, labels)",
    )
    labels: str = Field(
        default="labels.txt", description="for an exported model: its functions in order, one per line; else unused"
    )
    frame_ms: float = Field(default=120.0, gt=0.0, description="for an exported model: from one frame to the next")
    limits: BoundaryLimits = Field(
        default=BoundaryLimits(), description="for an exported model: what counts as a boundary"
    )
    longest_piece_s: int = Field(default=420, ge=60, le=3_600, description="maximum length per call")
    weights_licence: str = Field(default="", description="SPDX identifier, if no model card in the folder states it")
    allow_non_commercial: bool = Field(
        default=False, description="if true, weights whose licence forbids commercial use are loaded"
    )
    device: str = Field(
        default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto uses a GPU if there is one"
    )

    branch: ClassVar[Branch] = Branch.MUSIC
    sample_rate_hz: ClassVar[int | None] = RATE_HZ
    takes_recordings: ClassVar[bool] = True
    remedy: ClassVar[str] = "pip install 'soundseam[models]'"
    licence: ClassVar[str] = _WITH_MUQ

    @property
    def model(self) -> str:
        return Path(self.weights).name

    @property
    def revision(self) -> str:
        place = Path(self.weights)
        return f"{folder_key(place) if place.is_dir() else file_revision(place, Path(self.labels))}-1"

    @property
    def weights_terms(self) -> str:
        return self.weights_licence or (
            _WITH_MUQ if _is_songformer(Path(self.weights)) else licence_of(self.weights, "")
        )

    def check_available(self) -> None:
        place = Path(self.weights)
        if not place.exists():
            raise BackendUnavailableError(
                f"{self.backend}: {place} is missing; download huggingface.co/ASLP-lab/SongFormer and set weights to "
                "its folder, or to an exported model"
            )
        if place.is_file() and not Path(self.labels).is_file():
            raise BackendUnavailableError(f"{self.backend}: {self.labels} is missing; list the model's functions there")
        refuse_non_commercial(self.backend, self.weights, self.weights_terms, self.allow_non_commercial)
        super().check_available()

    def load(self) -> RecordingAnnotator[MusicFacts]:
        self.check_available()
        analyse = _own_code(self) if Path(self.weights).is_dir() else _exported(self)
        return SectionAnnotator(analyse, RATE_HZ, 1000 * self.longest_piece_s)


def _is_songformer(place: Path) -> bool:
    return (place / "modeling_songformer.py").is_file()


def _own_code(backend: SongFormer) -> AnalysePiece:
    """SongFormer from its folder: called with a waveform, it returns start, end (s) and label of each part."""
    from transformers import AutoModel

    folder = Path(backend.weights)
    with importable(folder), _environment(_LOCAL_DIR, str(folder.resolve())):
        try:
            net = AutoModel.from_pretrained(backend.weights, trust_remote_code=True)
        except (OSError, ValueError) as error:
            raise cannot_open(backend.backend, backend.weights, error) from error
        except ImportError as error:
            lines = str(error).strip().splitlines()
            raise BackendUnavailableError(
                f"{backend.backend}: {lines[0]}; install what SongFormer's requirements.txt lists"
            ) from error
    net = net.eval().to(torch_device(backend.device))

    def analyse(samples: Samples) -> PieceFacts:
        import torch

        if _is_too_short(samples):
            return PieceFacts(())
        with importable(folder), torch.inference_mode():
            parts = net(np.array(samples, dtype=np.float32))
        return PieceFacts(_several([_checked_part(part) for part in parts]))

    return analyse


def _checked_part(part: Mapping[str, object]) -> tuple[float, float, str]:
    start_s, end_s, label = part["start"], part["end"], part["label"]
    if not isinstance(start_s, int | float) or not isinstance(end_s, int | float):
        raise TypeError(f"SongFormer returned {part!r} instead of a time span")
    return 1000.0 * start_s, 1000.0 * end_s, str(label)


def _exported(backend: SongFormer) -> AnalysePiece:
    labels = read_labels(Path(backend.labels))
    device = "" if backend.weights.endswith(".onnx") else torch_device(backend.device)
    run = open_exported(Path(backend.weights), device)

    def analyse(samples: Samples) -> PieceFacts:
        if _is_too_short(samples):
            return PieceFacts(())
        whole = np.pad(samples, (0, -samples.size % round(backend.frame_ms * RATE_HZ / 1000)))
        boundaries, functions = run(np.array(whole, dtype=np.float32)[None])
        shares = _softmax(functions.reshape(-1, functions.shape[-1]))
        if shares.shape[1] != len(labels):
            raise ValueError(
                f"{backend.weights} gives {shares.shape[1]} functions, {backend.labels} lists {len(labels)}"
            )
        frame_s = backend.frame_ms / 1000
        parts = parts_of_frames(sigmoid(boundaries.reshape(-1)), shares, labels, frame_s, backend.limits)
        return PieceFacts(_several(parts))

    return analyse


def _is_too_short(samples: Samples) -> bool:
    return checked_samples(samples).size < _SHORTEST_S * RATE_HZ


def _several(parts: list[tuple[float, float, str]]) -> list[Part]:
    """`parts` if there are at least two, else none."""
    return lettered(parts) if len(parts) > 1 else []


def _softmax(logits: Floats) -> Floats:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Floats = raised / raised.sum(axis=1, keepdims=True)
    return shares


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
