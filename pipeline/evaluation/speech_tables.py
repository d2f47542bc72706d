"""What `evaluate speech` prints: recognisers and aligners side by side, then diarization."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from annotators.base import Backend
from annotators.detection.silero_vad import SileroVad
from pipeline.evaluation.evaluate_speakers import SpeakerScores, diarizing, evaluate_speakers
from pipeline.evaluation.evaluate_speech import BackendScores, evaluate_speech, transcribing
from pipeline.evaluation.labelled_audio import LabelledFolderError, read_labelled_folder
from schemas.record import Record
from schemas.speech import SpeechFacts

Rows = list[tuple[str, list[float | None]]]
SpeechTable = tuple[str, list[str], Rows]
"""A title, the backends, and each measure with a figure for each of them."""


def speech_tables(folder: Path, backends: Sequence[Backend[SpeechFacts]]) -> Iterator[SpeechTable]:
    """A table for texts where there is a clips.jsonl, and one for speakers where turns of an ami.jsonl name them.

    Raises LabelledFolderError where there is neither.
    """
    has_texts = (folder / "clips.jsonl").is_file()
    conversations = [
        one
        for one in (read_labelled_folder(folder).conversations if (folder / "ami.jsonl").is_file() else ())
        if one.knows_speakers
    ]
    if not has_texts and not conversations:
        raise LabelledFolderError(f"{folder} has no clips.jsonl, and no ami.jsonl with the speakers of turns")
    if has_texts:
        told = evaluate_speech(folder, transcribing(backends), SileroVad())
        title = f"Speech: {told.recordings} recordings, {told.audio_s:.0f} s"
        yield title, [one.backend for one in told.backends], _rows(BackendScores, told.backends)
    if conversations:
        found = evaluate_speakers(folder, conversations, diarizing(backends), SileroVad())
        title = f"Speakers: {found.conversations} conversations, {found.audio_s:.0f} s"
        yield title, [one.backend for one in found.backends], _rows(SpeakerScores, found.backends)


def _rows(record: type[Record], scores: Sequence[Record]) -> Rows:
    names = [name for name in record.model_fields if name != "backend"]
    return [(name, [getattr(one, name) for one in scores]) for name in names]
