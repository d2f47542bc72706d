"""A few samples and their clips, without a corpus, and what a format writes of them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from soundseam.pipeline.export.base import WHOLE, Clip, ExportOptions, Finished, Item, Place
from soundseam.pipeline.export.formats import format_named
from soundseam.schemas.sample import AnswerSpec, Difficulty, Message, MessageKind, Role, Sample, Scoring, Split

QUESTION, ANSWER, CHAIN = "Which one?", "The bell.", "It rings."


def flac_of(length: int, seed: int = 0, rate_hz: int = 16_000) -> bytes:
    samples = np.random.default_rng(seed).integers(-9_000, 9_000, length, dtype=np.int16)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate_hz, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


CLIPS = {name: Clip(name, flac_of(length, length), length // 16) for name, length in (("a-1", 16_008), ("a-2", 32_000))}


def a_sample(
    name: str = "s",
    clips: tuple[str, ...] = ("a-1",),
    task: str = "counting",
    reasoning: str | None = None,
    scoring: Scoring = Scoring.OPEN,
    **changes: object,
) -> Sample:
    audio = [Message(role=Role.USER, kind=MessageKind.AUDIO, content=clip) for clip in clips]
    asked = Message(role=Role.USER, kind=MessageKind.TEXT, content=QUESTION)
    answered = Message(role=Role.ASSISTANT, kind=MessageKind.TEXT, content=ANSWER)
    values = {
        "sample_id": name,
        "recording_id": "a",
        "segment_ids": clips,
        "task": task,
        "kind": "k",
        "topic": "",
        "language": "en",
        "messages": (*audio, asked, answered),
        "reasoning": reasoning,
        "answer_spec": AnswerSpec(scoring=scoring, reference=ANSWER),
        "text_only": None,
        "difficulty": Difficulty.EASY,
        "evidence": (),
        "verdicts": (),
        "event_class": None,
        "audio_ms": 1_000,
        "license": None,
        "split": Split.TRAIN,
        "config_key": "k",
    }
    return Sample.model_validate({**values, **changes})


def an_item(sample: Sample | None = None, key: str | None = None, **changes: Any) -> Item:
    sample = sample or a_sample()
    clips = tuple(CLIPS[name] for name in sample.segment_ids)
    return Item(key or sample.sample_id, sample, clips, changes.pop("answer_prior", 0.25), **changes)


PAIR = an_item(a_sample("pair", ("a-1", "a-2")))
TRANSCRIPT = an_item(a_sample("said", task="asr", scoring=Scoring.WER))
HELD_OUT = an_item(a_sample("held", split=Split.VALIDATION))


def written(folder: Path, to: str, *items: Item, part: str = "p", **options: Any) -> list[str | None]:
    """What the writer of a part says of each item; its files lie in `folder`, which is the target too."""
    window = options.pop("window", WHOLE)
    place = Place(folder, str(folder), part, ExportOptions.model_validate({"to": to, **options}), window)
    writer = format_named(to).writer(place)
    said = [writer.write(item) for item in items]
    writer.close()
    return said


def names_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def lines_in(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def finished(folder: Path, to: str) -> Finished:
    return Finished(str(folder), ExportOptions(to=to), tuple(names_in(folder)))
