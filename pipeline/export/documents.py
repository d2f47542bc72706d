"""The documents of a pretraining mix: sequences of audio and text, made from samples and from files of text.

A document is a `Sample` whose task is its kind and whose messages, all of the assistant, are its parts in order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.export.recipe import Kind, PretrainRecipe
from soundseam.pipeline.export.tokens import TextCounter, audio_tokens
from soundseam.pipeline.sft.words import language_of
from soundseam.pipeline.storage import files
from soundseam.schemas.record import content_key
from soundseam.schemas.sample import AnswerSpec, Difficulty, Message, MessageKind, Role, Sample, Scoring, Split
from soundseam.schemas.timespan import TimeSpan

TRANSCRIPT = "asr"
"""The task with plain transcripts."""
KIND_OF_TASK: Mapping[str, Kind] = {
    TRANSCRIPT: Kind.ASR,
    "asr_words": Kind.ASR,
    "asr_sentences": Kind.ASR,
    "caption": Kind.CAPTION,
    "long_caption": Kind.CAPTION,
}
MARKS_A_CLIP = 2
"""Tokens that begin and end a clip."""


def document_tokens(document: Sample, clips_ms: Iterable[int], count_text: TextCounter) -> int:
    """The length of a document with clips of these lengths, with what begins and ends a clip and what ends it."""
    audio = sum(audio_tokens(duration_ms) + MARKS_A_CLIP for duration_ms in clips_ms)
    texts = (message.content for message in document.messages if message.kind is MessageKind.TEXT)
    return audio + sum(map(count_text, texts)) + 1


def documents_of(
    samples: Sequence[Sample], spans: Mapping[str, TimeSpan], recipe: PretrainRecipe, count_text: TextCounter
) -> Iterator[Sample]:
    """The documents of one recording's samples. `spans` are those of all its segments, in order of time."""
    yield from map(_instructed, samples)
    by_segment = {sample.segment_ids[0]: sample for sample in samples if sample.task == TRANSCRIPT}
    for run in _runs(by_segment, spans, recipe.max_gap_ms):
        yield from _interleaved(run, spans, recipe.interleaved_ms)
        yield from _texts(run, recipe, count_text)


def _instructed(sample: Sample) -> Sample:
    """A clip, what is asked about it, and the answer."""
    parts = (*map(_audio, sample.audio_ids), _text(f"{sample.question}\n{sample.answer}"))
    return sample.model_copy(update={"task": str(KIND_OF_TASK[sample.task]), "messages": parts})


def _runs(by_segment: Mapping[str, Sample], spans: Mapping[str, TimeSpan], max_gap_ms: int) -> Iterator[list[Sample]]:
    """Transcripts of consecutive segments in one language and under one licence."""
    run: list[Sample] = []
    for segment_id in spans:
        sample = by_segment.get(segment_id)
        if run and (sample is None or not _continues(run[-1], sample, spans, max_gap_ms)):
            yield run
            run = []
        if sample is not None:
            run.append(sample)
    if run:
        yield run


def _continues(one: Sample, other: Sample, spans: Mapping[str, TimeSpan], max_gap_ms: int) -> bool:
    gap_ms = spans[other.segment_ids[0]].start_ms - spans[one.segment_ids[0]].end_ms
    alike = one.license == other.license and language_of(one.answer) == language_of(other.answer)
    return gap_ms <= max_gap_ms and alike


def _interleaved(run: Sequence[Sample], spans: Mapping[str, TimeSpan], max_ms: int) -> Iterator[Sample]:
    """Segments that are audio and text in turn, so that the text continues the audio; the last one is text."""
    members: list[Sample] = []
    for sample in run:
        begun_ms = spans[members[0].segment_ids[0]].start_ms if members else 0
        if members and spans[sample.segment_ids[0]].end_ms - begun_ms > max_ms:
            yield from _in_turn(members)
            members = []
        members.append(sample)
    yield from _in_turn(members)


def _in_turn(members: Sequence[Sample]) -> Iterator[Sample]:
    chosen = members[: len(members) // 2 * 2]
    if chosen:
        parts = (
            _text(sample.answer.strip()) if number % 2 else _audio(sample.segment_ids[0])
            for number, sample in enumerate(chosen)
        )
        yield _joined(Kind.INTERLEAVED, chosen, tuple(parts))


def _texts(run: Sequence[Sample], recipe: PretrainRecipe, count_text: TextCounter) -> Iterator[Sample]:
    """Transcripts alone, one after the other, in documents of at most a context."""
    members: list[Sample] = []
    tokens = 0
    for sample in run:
        more = count_text(sample.answer) + 1
        if members and tokens + more >= recipe.context:
            yield from _read(members, tokens, recipe)
            members, tokens = [], 0
        members.append(sample)
        tokens += more
    yield from _read(members, tokens, recipe)


def _read(members: Sequence[Sample], tokens: int, recipe: PretrainRecipe) -> Iterator[Sample]:
    if tokens >= recipe.min_text_tokens:
        text = ("" if language_of(members[0].answer) == "zh" else " ").join(one.answer.strip() for one in members)
        yield _joined(Kind.TEXT, members, (_text(text),))


def _joined(kind: Kind, members: Sequence[Sample], parts: tuple[Message, ...]) -> Sample:
    first = members[0]
    return first.model_copy(
        update={
            "sample_id": f"{first.segment_ids[0]}-{kind}",
            "segment_ids": tuple(sample.segment_ids[0] for sample in members),
            "task": str(kind),
            "kind": "transcripts",
            "topic": "",
            "language": language_of(first.answer),
            "messages": parts,
            "evidence": tuple(dict.fromkeys(one for sample in members for one in sample.evidence)),
            "audio_ms": sum(sample.audio_ms for sample in members if _audio(sample.segment_ids[0]) in parts),
        }
    )


def _audio(name: str) -> Message:
    return Message(role=Role.ASSISTANT, kind=MessageKind.AUDIO, content=name)


def _text(text: str) -> Message:
    return Message(role=Role.ASSISTANT, kind=MessageKind.TEXT, content=text)


def documents_in(uri: str, recipe: PretrainRecipe, count_text: TextCounter) -> Iterator[Sample]:
    """The documents in a file of text; a longer one than a context is cut at spaces.

    Raises SetupError if the file cannot be read.
    """
    key = content_key(uri)
    for number, (text, license_name) in enumerate(_read_texts(uri)):
        for piece, part in enumerate(_cut(text.strip(), recipe.context - 1, count_text)):
            if count_text(part) >= recipe.min_text_tokens:
                yield _written(f"{key}-{number:09d}-{piece:04d}", part, license_name)


def _written(name: str, text: str, license_name: str | None) -> Sample:
    return Sample(
        sample_id=name,
        recording_id="",
        segment_ids=(),
        task=Kind.TEXT,
        kind="written",
        topic="",
        language=language_of(text),
        messages=(_text(text),),
        reasoning=None,
        answer_spec=AnswerSpec(scoring=Scoring.OPEN, reference=""),
        difficulty=Difficulty.EASY,
        evidence=(),
        verdicts=(),
        event_class=None,
        audio_ms=0,
        license=license_name,
        split=Split.TRAIN,
        config_key="",
    )


def _cut(text: str, max_tokens: int, count_text: TextCounter) -> Iterator[str]:
    """Pieces of at most `max_tokens`, cut at the last space or, if there is none, anywhere."""
    while text:
        # No text has fewer tokens than one per 16 characters, but for long runs of one character.
        window = text[: max_tokens * 16]
        fits = window if count_text(window) <= max_tokens else _longest(window, max_tokens, count_text)
        cut = len(fits) if len(fits) == len(text) else fits.rfind(" ") + 1 or len(fits)
        yield text[:cut].strip()
        text = text[cut:].lstrip()


def _longest(text: str, max_tokens: int, count_text: TextCounter) -> str:
    """The longest prefix of at most `max_tokens`, by halving."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count_text(text[:middle]) <= max_tokens else (low, middle - 1)
    return text[:low]


Texts = Iterator[tuple[str, str | None]]
"""Texts with their licences."""


def _read_texts(uri: str) -> Texts:
    readers: Mapping[str, Callable[[str], Texts]] = {"txt": _whole, "jsonl": _lines, "parquet": _rows}
    suffix = files.name_of(uri).rpartition(".")[2].lower()
    if suffix not in readers:
        raise SetupError(f"text: {uri} is no .txt, .jsonl or .parquet file")
    try:
        yield from readers[suffix](uri)
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise SetupError(f"text: cannot read {uri}: {error}; each row needs a column text") from error


def _whole(uri: str) -> Texts:
    yield files.read_bytes(uri).decode("utf-8"), None


def _lines(uri: str) -> Texts:
    with files.open_read(uri) as file:
        for line in file:
            if line.strip():
                row = json.loads(line)
                yield str(row["text"]), row.get("license")


def _rows(uri: str) -> Texts:
    with files.local_copy(uri) as path, pq.ParquetFile(path) as parquet:
        licensed = "license" in parquet.schema_arrow.names
        for batch in parquet.iter_batches(batch_size=1000, columns=["text", *(["license"] if licensed else [])]):
            yield from ((str(row["text"]), row.get("license")) for row in batch.to_pylist())
