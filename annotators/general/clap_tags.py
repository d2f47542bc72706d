"""Zero-shot sound tags by a CLAP model and a list of words: `clap_tags`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from soundseam.annotators.base import Annotator, Backend, BackendUnavailableError, Clip, Samples, checked_samples
from soundseam.annotators.clap import CLAP_RATE_HZ, AudioTextModel, ClapWeights, LabelScorer
from soundseam.annotators.detection.activity import Thresholds, active_runs, events_of, in_order
from soundseam.annotators.detection.label_table import carried_table, classes_of, read_labels
from soundseam.annotators.detection.tagging import file_revision
from soundseam.annotators.general.tagger import in_recording
from soundseam.schemas.event import Branch, Event, EventClass
from soundseam.schemas.general import GeneralFacts

NEUTRAL = ("a sound", "background noise", "silence")


class GeneralClapTags(ClapWeights, Backend[GeneralFacts]):
    """Times of each sound in a list; the score is a CLAP model's probability against texts that fit any sound."""

    kind: Literal["clap_tags"] = "clap_tags"
    labels: str | None = Field(
        default=None,
        description="labels in any words, one per line, or a CSV with a column label; null for those of AudioSet",
    )
    prompt: str = Field(
        default="the sound of {label}", pattern=r"\{label\}", description="the text that is compared with the audio"
    )
    window_ms: int = Field(default=4_000, ge=500, le=10_000, description="length of a window")
    step_ms: int = Field(default=2_000, ge=100, le=10_000, description="from one window to the next")
    thresholds: Thresholds = Field(
        default=Thresholds(enter=0.7, stay=0.6, bridge_ms=0, shortest_ms=0), description="when a label counts"
    )

    branch: ClassVar[Branch] = Branch.GENERAL
    sample_rate_hz: ClassVar[int | None] = CLAP_RATE_HZ

    @property
    def revision(self) -> str:
        labels = "carried-1" if self.labels is None else file_revision(Path(self.labels))
        return f"{super().revision}-{labels}"

    def check_available(self) -> None:
        if self.labels is not None and not Path(self.labels).is_file():
            raise BackendUnavailableError(f"{self.backend}: {self.labels} is missing; give the path of a local file")
        super().check_available()

    def load(self) -> Annotator[GeneralFacts]:
        self.check_available()
        table = carried_table()
        labels = tuple(sorted(table)) if self.labels is None else read_labels(Path(self.labels))
        if not labels:
            raise BackendUnavailableError(f"{self.backend}: {self.labels} lists no label; write one per line")
        return ClapListener(self.open_clap(), labels, table, self)


class ClapListener:
    """The annotator of `GeneralClapTags`."""

    def __init__(
        self, model: AudioTextModel, labels: tuple[str, ...], table: Mapping[str, EventClass], backend: GeneralClapTags
    ) -> None:
        self._model = model
        self._backend = backend
        classes = zip(labels, classes_of(labels, table), strict=True)
        self._labels = [(label, event_class) for label, event_class in classes if event_class is not None]
        self._scorer = LabelScorer(model, [label for label, _ in self._labels], backend.prompt, NEUTRAL)

    def annotate(self, clips: Sequence[Clip]) -> Sequence[GeneralFacts]:
        return [self._listen(clip) for clip in clips]

    def _listen(self, clip: Clip) -> GeneralFacts:
        samples = checked_samples(clip.samples)
        duration_ms = samples.size * 1000 // CLAP_RATE_HZ
        scores = self._step_scores(samples)
        found: list[Event] = []
        for index, (label, event_class) in enumerate(self._labels):
            runs = active_runs(scores[:, index], self._backend.step_ms, self._backend.thresholds)
            found += events_of(scores[:, index], runs, self._backend.step_ms, duration_ms, event_class, label)
        return GeneralFacts(tagged=in_recording(in_order(found), clip.segment))

    def _step_scores(self, samples: Samples) -> NDArray[np.float32]:
        """(num_steps, num_labels): for each step the mean over the windows that contain it."""
        per_ms = CLAP_RATE_HZ // 1000
        window = min(self._backend.window_ms * per_ms, self._model.window)
        step = self._backend.step_ms * per_ms
        last = max(0, samples.size - window)
        starts = [*range(0, last, step), last]
        embeddings = self._model.embed_audio([samples[start : start + window] for start in starts])
        scores = self._scorer.scores(embeddings)
        middles = (np.arange(-(-samples.size // step)) + 0.5) * step
        holds = (middles[:, None] >= np.array(starts)) & (middles[:, None] < np.array(starts) + window)
        holds |= np.abs(middles[:, None] - np.array(starts) - window / 2).argmin(axis=1)[:, None] == np.arange(
            len(starts)
        )
        means: NDArray[np.float32] = (holds @ scores / holds.sum(axis=1, keepdims=True)).astype(np.float32)
        return means
