"""Labelled recordings as backends hear them: each as one segment, at whatever rate a backend wants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import soxr
from pydantic import ValidationError

from annotators.base import Backend, BackendUnavailableError, Clip, Samples
from pipeline.audio.channels import mean_channel
from pipeline.audio.open_audio import openers
from pipeline.audio.stream import DecodeError
from pipeline.evaluation.labelled_audio import LabelledFolderError
from schemas.annotation import Facts
from schemas.event import Branch, Event, ProfileEntry
from schemas.record import Record
from schemas.segment import Boundary, Segment, segment_id_of
from schemas.timespan import TimeSpan

_EDGE = Boundary(reason="recording_edge", cost=0.0, before=None, after=None, gap_ms=0, forced=False)

LineT = TypeVar("LineT", bound=Record)
BackendT = TypeVar("BackendT", bound=Backend[Facts])


def read_list(path: Path, record: type[LineT]) -> Iterator[LineT]:
    """One `record` a line. Raises LabelledFolderError where the file is missing or a line does not fit."""
    if not path.is_file():
        raise LabelledFolderError(f"{path.parent} has no {path.name}")
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            if line.strip():
                yield record.model_validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise LabelledFolderError(f"{path}, line {number}: {where}: {first['msg']}") from error


def loadable(backends: Sequence[BackendT]) -> list[BackendT]:
    """`backends` but for optional ones that cannot load here. Raises BackendUnavailableError for the others."""
    found = []
    for backend in backends:
        try:
            backend.check_available()
        except BackendUnavailableError:
            if not backend.optional:
                raise
            continue
        found.append(backend)
    return found


def read_mono(path: Path) -> tuple[Samples, int]:
    """Samples (num_samples,), the mean of all channels, and their rate. Raises LabelledFolderError for no audio."""
    try:
        with openers(path)[-1](path) as reader:
            blocks = [mean_channel(block) for block in reader.blocks()]
            rate_hz = reader.format.sample_rate_hz
    except DecodeError as error:
        raise LabelledFolderError(f"{path} cannot be read ({error.reason}: {error.detail})") from error
    return np.concatenate(blocks), rate_hz


def at_rate(samples: Samples, rate_hz: int, wanted_hz: int) -> Samples:
    if rate_hz == wanted_hz:
        return samples
    resampled: Samples = soxr.resample(samples, rate_hz, wanted_hz).astype(np.float32)
    return resampled


def clip_for(backend: Backend[Facts], segment: Segment, mono: Samples, rate_hz: int) -> Clip:
    """`segment` of a recording, whose samples are `mono`, as `backend` wants to hear it."""
    if backend.sample_rate_hz is None:
        return Clip(segment, np.zeros(0, np.float32), rate_hz)
    part = mono[segment.start_ms * rate_hz // 1000 : segment.end_ms * rate_hz // 1000]
    heard = at_rate(part, rate_hz, backend.sample_rate_hz)
    return Clip(segment, heard if backend.mono else heard[None], backend.sample_rate_hz)


def segment_for(
    file: str, span: TimeSpan, branch: Branch, events: Sequence[Event] = (), profile: Sequence[ProfileEntry] = ()
) -> Segment:
    return Segment(
        segment_id=segment_id_of(file, span),
        recording_id=file,
        source_uri=file,
        start_ms=span.start_ms,
        end_ms=span.end_ms,
        branches=(branch,),
        profile=tuple(profile),
        events=tuple(events),
        start_boundary=_EDGE,
        end_boundary=_EDGE,
        license=None,
        language=None,
        metadata=None,
        config_key="",
    )
