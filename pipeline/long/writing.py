"""Captions of recordings in a language model's words: each text is checked against the grammar's, which else stays."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import Field, ValidationError

from soundseam.annotators.base import AnnotationError
from soundseam.annotators.chat.questions import Answer, ChatClient, Question
from soundseam.annotators.chat.served import schema_of, unfenced
from soundseam.annotators.prompts import CAPTIONS
from soundseam.annotators.wording.names import names_in
from soundseam.annotators.wording.numbers import numbers_in
from soundseam.pipeline.captions.caption_config import WriterConfig
from soundseam.pipeline.captions.grounding import ground_words
from soundseam.pipeline.captions.plainness import wording_problems
from soundseam.pipeline.captions.writing import MAX_CHARACTERS, whole_sentence
from soundseam.pipeline.long.caption import summary_of
from soundseam.schemas.caption import ResultKind, ToolResult
from soundseam.schemas.long import Chapter, RecordingCaption, RecordingClaim
from soundseam.schemas.record import Record
from soundseam.schemas.tables import Table

AT_ONCE = 20
"""Texts per question."""


class WrittenText(Record):
    """One text, and the id of what it replaces."""

    id: str = Field(max_length=12)
    text: str = Field(min_length=1, max_length=400)


class WrittenTexts(Record):
    """What a writer answers."""

    texts: tuple[WrittenText, ...] = Field(max_length=4 * AT_ONCE)


@dataclass(frozen=True)
class _Asked:
    """A grammar's text to replace, and the statements that the new one may rest on."""

    claim: RecordingClaim
    cited: tuple[RecordingClaim, ...]


def write_captions(
    captions: Iterable[RecordingCaption], writer: WriterConfig, client: ChatClient
) -> Iterator[RecordingCaption]:
    """Each caption with the writer's texts where they say no more than the grammar's."""

    def groups() -> Iterator[tuple[tuple[RecordingCaption, list[_Asked]], list[Question]]]:
        for caption in captions:
            asked = list(_asked_of(caption))
            parts = [asked[start : start + AT_ONCE] for start in range(0, len(asked), AT_ONCE)]
            yield (
                (caption, asked),
                [_question(caption, part, start * AT_ONCE, writer) for start, part in enumerate(parts)],
            )

    name = f"{writer.server.model}@{writer.server.revision}"
    for (caption, asked), replies in client.ask(groups()):
        written: dict[str, str] = {}
        for reply in replies:
            if not isinstance(reply, AnnotationError):
                written |= _read(reply)
        yield _rewritten(caption, asked, written, name)


def text_problems(text: str, cited: Sequence[RecordingClaim]) -> Iterator[str]:
    """What a text says that the statements do not."""
    held = "\n".join(claim.text for claim in cited)
    known = list(numbers_in(held))
    for number in numbers_in(text):
        if not any(one.is_seconds == number.is_seconds and number.is_near(one.value) for one in known):
            yield f"{number.text!r} is in none of its statements"
    yield from (f"{name!r} is in none of its statements" for name in names_in(text, "en") if name not in held)
    lowered = f"{text[:1].lower()}{text[1:]}"
    yield from (problem.detail for problem in ground_words(lowered, [_as_result(claim) for claim in cited], "en"))
    yield from (problem.detail for problem in wording_problems(text, "en"))


def _as_result(claim: RecordingClaim) -> ToolResult:
    return ToolResult(
        kind=ResultKind.STATEMENT,
        branch=None,
        table=Table.SEGMENTS,
        backend=None,
        field=claim.rule,
        start_ms=claim.start_ms,
        end_ms=claim.end_ms,
        content=claim.text,
        confidence=None,
        evidence=(),
    )


def _asked_of(caption: RecordingCaption) -> Iterator[_Asked]:
    for chapter in caption.chapters:
        yield from (_Asked(claim, chapter.claims) for claim in chapter.claims)
    for claim in dict.fromkeys((*caption.summary.claims, *caption.long_summary.claims)):
        yield _Asked(claim, (claim,))


def _question(caption: RecordingCaption, part: Sequence[_Asked], first: int, writer: WriterConfig) -> Question:
    statements: dict[RecordingClaim, str] = {}
    for asked in part:
        for claim in asked.cited:
            statements.setdefault(claim, f"s{len(statements) + 1}")
    content = {
        "statements": [{"id": name, "says": claim.text} for claim, name in statements.items()],
        "write": [
            {
                "id": f"t{first + index}",
                "what": "title" if asked.claim.rule == "title" else "sentence",
                "from": [statements[claim] for claim in asked.cited],
            }
            for index, asked in enumerate(part)
        ],
    }
    return Question(
        text=json.dumps(content, ensure_ascii=False, indent=1),
        system=CAPTIONS.text("recording", "en"),
        sampling=writer.sampling,
        json_schema=schema_of(WrittenTexts),
        about=caption.recording_id,
    )


def _read(answer: Answer) -> dict[str, str]:
    """id → text; nothing of an answer that is not in the form."""
    try:
        found = WrittenTexts.model_validate_json(unfenced(answer.text[:MAX_CHARACTERS]))
    except ValidationError:
        return {}
    return {one.id: " ".join(one.text.split()) for one in found.texts}


def _rewritten(
    caption: RecordingCaption, asked: Sequence[_Asked], written: Mapping[str, str], name: str
) -> RecordingCaption:
    new: dict[RecordingClaim, RecordingClaim] = {}
    for index, one in enumerate(asked):
        text = written.get(f"t{index}", "")
        text = text.rstrip(" .") if one.claim.rule == "title" else whole_sentence(text, "en") if text else ""
        if text and not any(text_problems(text, one.cited)):
            evidence = tuple(dict.fromkeys(row for claim in one.cited for row in claim.evidence))
            new[one.claim] = one.claim.model_copy(update={"text": text, "rule": name, "evidence": evidence})
    if not new:
        return caption
    return caption.model_copy(
        update={
            "composer": name,
            "chapters": tuple(_chapter(chapter, new) for chapter in caption.chapters),
            "summary": summary_of(new.get(claim, claim) for claim in caption.summary.claims),
            "long_summary": summary_of(new.get(claim, claim) for claim in caption.long_summary.claims),
        }
    )


def _chapter(chapter: Chapter, new: Mapping[RecordingClaim, RecordingClaim]) -> Chapter:
    claims = [(claim.rule, new.get(claim, claim)) for claim in chapter.claims]
    texts = {rule: claim.text for rule, claim in claims}
    return chapter.model_copy(
        update={
            "title": texts.get("title", ""),
            "sentence": texts.get("sentence", ""),
            "claims": tuple(claim for _, claim in claims),
        }
    )
