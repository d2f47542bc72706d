from __future__ import annotations

from collections.abc import Sequence

import pytest

from soundseam.annotators.base import AnnotationError, Clip
from soundseam.annotators.onnx import in_halves
from tests.annotators.speech.builders import a_clip, silence

CLIPS = [a_clip(silence(100 * (index + 1)), recording=str(index)) for index in range(7)]


class SmallDevice:
    """Remembers the sizes it was asked for, and holds `room` clips."""

    def __init__(self, room: int, failure: Exception | None = None) -> None:
        self.room = room
        self.failure = failure or RuntimeError("CUDA failed with error out of memory")
        self.asked: list[int] = []

    def lengths(self, clips: Sequence[Clip]) -> list[int]:
        self.asked.append(len(clips))
        if len(clips) > self.room:
            raise self.failure
        return [len(clip.samples) for clip in clips]


def test_a_batch_that_fits_is_run_at_once() -> None:
    device = SmallDevice(room=7)
    in_halves(device.lengths, CLIPS)
    assert device.asked == [7]


@pytest.mark.parametrize("room", [1, 2, 3, 6])
def test_a_batch_that_does_not_fit_is_halved_until_it_does_and_stays_in_order(room: int) -> None:
    device = SmallDevice(room)
    assert in_halves(device.lengths, CLIPS) == [len(clip.samples) for clip in CLIPS]


def test_a_clip_that_does_not_fit_alone_is_rejected() -> None:
    with pytest.raises(AnnotationError) as rejection:
        in_halves(SmallDevice(room=0).lengths, CLIPS)
    assert rejection.value.reason == "out_of_memory"


@pytest.mark.parametrize(
    "failure",
    [
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
        RuntimeError("cuBLAS failed with status CUBLAS_STATUS_ALLOC_FAILED"),
        MemoryError("std::bad_alloc"),
        MemoryError(),
    ],
    ids=["torch GPU", "torch CPU", "torch Windows", "cuBLAS", "C++", "Python"],
)
def test_however_it_is_said_less_is_tried(failure: Exception) -> None:
    device = SmallDevice(3, failure)
    in_halves(device.lengths, CLIPS)
    assert device.asked == [7, 3, 4, 2, 2]


def test_any_other_failure_rises() -> None:
    def broken(clips: Sequence[Clip]) -> list[int]:
        raise RuntimeError("device-side assert triggered")

    with pytest.raises(RuntimeError, match="assert"):
        in_halves(broken, CLIPS)
