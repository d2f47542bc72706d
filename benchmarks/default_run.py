"""The whole default on mixed audio, stage by stage, in processor time of one process.

A stage's time is that of its own work. What lies between (reading clips, writing tables, Beam) is a line of its own.
The bare parts of a stage are the runs of its models and its Fourier transforms, counted inside it.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnxruntime
import scipy.fft

from soundseam.annotators.chat.questions import Usage
from soundseam.pipeline.config import load_config
from soundseam.pipeline.input.sources import list_sources
from soundseam.pipeline.local.progress import ProgressLog, State
from soundseam.pipeline.plan import plan_run
from soundseam.pipeline.stages.context import RunContext
from soundseam.pipeline.stages.graph import run_graph
from soundseam.pipeline.storage.commits import prepare_output
from soundseam.pipeline.storage.corpus import Corpus

BETWEEN = "read, write, Beam"


@dataclass
class Clock:
    """Processor seconds by stage, the part of them in models and transforms, and the audio that each processed."""

    stages: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    bare: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    audio_ms: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    stage: str = BETWEEN
    last_s: float = field(default_factory=time.process_time)
    bare_s: float = 0.0

    def turn_to(self, stage: str) -> None:
        """What was spent up to now belongs to the stage before; what follows, to `stage`."""
        now = time.process_time()
        self.stages[self.stage] += now - self.last_s
        self.bare[self.stage] += self.bare_s
        self.stage, self.last_s, self.bare_s = stage, now, 0.0


_CLOCKS = [Clock()]
"""The last one counts, whoever is at work: Beam pickles what the stages are given, and hands them copies."""


class ClockedLog(ProgressLog):
    """Counts the time of steps instead of writing them."""

    def write(
        self,
        stage: str,
        state: State,
        recording_ids: Sequence[str],  # noqa: ARG002
        audio_ms: int = 0,
        usage: Usage = Usage(),  # noqa: ARG002, B008 - frozen
    ) -> None:
        if state == "start":
            _CLOCKS[-1].turn_to(stage)
        elif state == "done":
            _CLOCKS[-1].audio_ms[stage] += audio_ms
            _CLOCKS[-1].turn_to(BETWEEN)


def counted(work: Callable[..., Any]) -> Callable[..., Any]:
    """`work`, whose time counts as that of a bare part."""

    def run(*arguments: Any, **options: Any) -> Any:
        begun = time.process_time()
        try:
            return work(*arguments, **options)
        finally:
            _CLOCKS[-1].bare_s += time.process_time() - begun

    return run


@contextmanager
def bare_parts_counted() -> Iterator[None]:
    """Inside, the runs of ONNX models and the Fourier transforms of real signals are counted."""
    model, run, transform = onnxruntime.InferenceSession, onnxruntime.InferenceSession.run, scipy.fft.rfft
    model.run, scipy.fft.rfft = counted(run), counted(transform)
    try:
        yield
    finally:
        model.run, scipy.fft.rfft = run, transform


def time_default(recordings: Sequence[Path], output: Path) -> Clock:
    """Runs the embedded profile over `recordings` in this process."""
    config = load_config("embedded")
    prepare_output(str(output))
    sources = list_sources([str(path) for path in recordings]).sources
    plan = plan_run(sources, config, Corpus.load_present(str(output), []), shards=1)
    with bare_parts_counted():
        _CLOCKS.append(Clock())
        run_graph(plan.tasks, RunContext(str(output), ClockedLog(), config=config))
        _CLOCKS[-1].turn_to(BETWEEN)
    return _CLOCKS.pop()


def print_default(clock: Clock, seconds: float) -> None:
    """Each stage: times real time of its own audio and of all audio, its share, and its bare parts beside it."""
    total = sum(clock.stages.values())
    print("the whole default, times real time of one core")
    print(f"  {'':36}{'its audio':>10}{'parts alone':>13}{'parts':>8}{'all audio':>11}{'share':>8}")
    for stage, each in sorted(clock.stages.items(), key=lambda pair: -pair[1]):
        own, bare = clock.audio_ms.get(stage, 0) / 1000, clock.bare[stage]
        speed = f"{own / max(each, 1e-9):.0f} x" if own else ""
        alone = f"{own / bare:.0f} x" if own and bare else ""
        part = f"{bare / max(each, 1e-9):.0%}" if bare else ""
        print(f"  {stage:36}{speed:>10}{alone:>13}{part:>8}{seconds / max(each, 1e-9):9.0f} x{each / total:8.0%}")
    bare = sum(clock.bare.values())
    print(f"  {'the whole default':36}{'':10}{seconds / bare:11.0f} x{bare / total:8.0%}{seconds / total:9.0f} x")
