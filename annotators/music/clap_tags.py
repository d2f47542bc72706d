"""Zero-shot instruments, genres and moods by a CLAP model and a list of words: `clap_tags`."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from soundseam.annotators.base import Annotator, Backend, BackendUnavailableError, Clip
from soundseam.annotators.clap import CLAP_RATE_HZ, AudioTextModel, ClapWeights, LabelScorer, embed_whole
from soundseam.annotators.detection.tagging import file_revision
from soundseam.schemas.event import Branch, Tag, TagKind
from soundseam.schemas.music import MusicFacts

NEUTRAL = ("music", "a sound", "silence")


class MusicClapTags(ClapWeights, Backend[MusicFacts]):
    """Words of a list; the score is a CLAP model's probability against texts that fit any music."""

    kind: Literal["clap_tags"] = "clap_tags"
    weights: str = "laion/larger_clap_music"
    """A repository of the model hub, or a folder with a ClapModel and its processor."""
    labels: str | None = None
    """CSV with the columns label and kind (instrument, genre, mood or other), one label per line; null for ours."""
    prompt: str = Field(default="music with {label}", pattern=r"\{label\}")
    """The text that is compared with the audio; {label} is replaced by the label."""
    min_score: float = Field(alias="least_score", default=0.5, ge=0.0, le=1.0)
    """Labels with lower scores are left out."""
    max_tags: int = Field(alias="most_tags", default=8, ge=1, le=100)
    """Maximum number of tags per segment."""

    branch: ClassVar[Branch] = Branch.MUSIC
    sample_rate_hz: ClassVar[int | None] = CLAP_RATE_HZ

    @property
    def revision(self) -> str:
        return f"{super().revision}-{file_revision(_place_of(self.labels))}"

    def check_available(self) -> None:
        if self.labels is not None and not Path(self.labels).is_file():
            raise BackendUnavailableError(f"{self.backend}: {self.labels} is missing; give the path of a local file")
        super().check_available()

    def load(self) -> Annotator[MusicFacts]:
        self.check_available()
        return ClapTagger(self.open_clap(), read_music_labels(self.labels, self.backend), self)


def read_music_labels(path: str | None, backend: str) -> tuple[tuple[str, TagKind], ...]:
    """(label, kind) of each line. Raises BackendUnavailableError if the file has another format."""
    text = _place_of(path).read_text(encoding="utf-8")
    try:
        labels = tuple((row["label"], TagKind(row["kind"])) for row in csv.DictReader(text.splitlines()))
    except (KeyError, ValueError) as error:
        raise BackendUnavailableError(
            f"{backend}: {path} is not a CSV with the columns label and kind ({error}); kinds are {', '.join(TagKind)}"
        ) from error
    if not labels:
        raise BackendUnavailableError(f"{backend}: {path} lists no label; write one per line under label,kind")
    return labels


def _place_of(path: str | None) -> Path:
    return Path(str(files("soundseam.annotators.music").joinpath("music_labels.csv"))) if path is None else Path(path)


class ClapTagger:
    """The annotator of `MusicClapTags`."""

    def __init__(self, model: AudioTextModel, labels: Sequence[tuple[str, TagKind]], backend: MusicClapTags) -> None:
        self._model = model
        self._labels = tuple(labels)
        self._backend = backend
        self._scorer = LabelScorer(model, [label for label, _ in labels], backend.prompt, NEUTRAL)

    def annotate(self, clips: Sequence[Clip]) -> Sequence[MusicFacts]:
        return [MusicFacts(tags=self._tags(clip)) for clip in clips]

    def _tags(self, clip: Clip) -> tuple[Tag, ...]:
        scores = self._scorer.scores(embed_whole(self._model, clip.samples)[None])[0]
        found = []
        for index in np.argsort(-scores, kind="stable")[: self._backend.max_tags]:
            label, kind = self._labels[index]
            if scores[index] >= self._backend.min_score:
                found.append(
                    Tag(label=label, kind=kind, score=round(float(scores[index]), 3), source=self._backend.model)
                )
        return tuple(found)
