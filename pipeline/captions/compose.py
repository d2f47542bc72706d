"""From plans to captions, by the configured composer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from soundseam.annotators.base import AnnotationError
from soundseam.annotators.chat.questions import ChatClient, ContextT, Question, Reply
from soundseam.pipeline.captions.caption_config import CaptionConfig, WriterConfig
from soundseam.pipeline.captions.check import check_caption
from soundseam.pipeline.captions.grounding import Problem, Reason
from soundseam.pipeline.captions.merge import caption_of, compose_claims, take_over_claims
from soundseam.pipeline.captions.plan import Planned
from soundseam.pipeline.captions.writing import (
    SHOWN_CHARACTERS,
    Written,
    read_written,
    repair_question,
    writer_question,
)
from soundseam.schemas.caption import Caption


@dataclass(frozen=True)
class Draft:
    """A checked caption with its problems; without any, it can be used."""

    planned: Planned
    caption: Caption
    problems: tuple[Problem, ...]
    refused: tuple[Problem | AnnotationError, ...] = ()
    """Why the writer's caption was refused, with its answer; `caption` and its `composer` are then the grammar's."""


Composed = Draft | AnnotationError
"""A draft, or why a writer could not be asked for one."""


def compose_captions(
    plans: Iterable[tuple[ContextT, Planned]],
    config: CaptionConfig,
    config_key: str,
    writer: ChatClient | None = None,
) -> Iterator[tuple[ContextT, Composed]]:
    """Each plan's context with what was made of the plan, in order. Only the composer writer needs a `writer`."""
    if config.composer == "writer":
        if writer is None or config.writer is None:
            raise ValueError("the composer writer has no client")
        yield from _write_all(plans, config, config_key, config.writer, writer)
        return
    for context, planned in plans:
        yield context, _by_rule(planned, config, config_key)


def _by_rule(planned: Planned, config: CaptionConfig, config_key: str) -> Draft:
    if config.composer == "captioner":
        claims, left_out = take_over_claims(planned, config)
        if not claims:
            detail = f"{config.captioner} has no claims about the segment"
            problems = left_out or (Problem(Reason.NO_CLAIMS, detail),)
            return Draft(planned, caption_of(planned, (), config, config_key), problems)
    else:
        claims = compose_claims(planned, config)
    return _checked(planned, caption_of(planned, claims, config, config_key))


def _checked(planned: Planned, caption: Caption) -> Draft:
    return Draft(planned, caption, check_caption(caption, planned.segment, planned.annotations))


@dataclass(frozen=True)
class _Asked:
    planned: Planned
    composed: Composed
    answer: str = ""


def _write_all(
    plans: Iterable[tuple[ContextT, Planned]],
    config: CaptionConfig,
    config_key: str,
    writer: WriterConfig,
    client: ChatClient,
) -> Iterator[tuple[ContextT, Composed]]:
    """An answer that cannot be used is given back once, with what is wrong with it."""

    def read(planned: Planned, reply: Reply) -> _Asked:
        if isinstance(reply, AnnotationError):
            return _Asked(planned, reply)
        return _Asked(planned, _drafted(planned, read_written(reply, planned, config), config, config_key), reply.text)

    def repairs(asked: _Asked) -> Sequence[Question]:
        if isinstance(asked.composed, AnnotationError) or not asked.composed.problems:
            return []
        question = writer_question(asked.planned, config, writer)
        return [repair_question(question, asked.answer, asked.composed.problems, config)]

    answered = client.ask((pair, [writer_question(pair[1], config, writer)]) for pair in plans)
    first = ((context, read(planned, reply)) for (context, planned), (reply,) in answered)
    for (context, asked), replies in client.ask((pair, repairs(pair[1])) for pair in first):
        last = read(asked.planned, *replies) if replies else asked
        yield context, _or_grammar(last, config, config_key) if writer.grammar_if_refused else last.composed


def _or_grammar(asked: _Asked, config: CaptionConfig, config_key: str) -> Composed:
    """The writer's caption or, if it is refused, the grammar's of the same facts, with the refused answer beside it."""
    draft = asked.composed
    if isinstance(draft, Draft) and not draft.problems:
        return draft
    by_rule = config.model_copy(update={"composer": "grammar"})
    fallen_back = _by_rule(asked.planned, by_rule, config_key)
    if fallen_back.problems:
        return draft
    if isinstance(draft, AnnotationError):
        return replace(fallen_back, refused=(draft,))
    answer = asked.answer[:SHOWN_CHARACTERS]
    refused = tuple(Problem(one.reason, f"{one.detail}; it answered: {answer}") for one in draft.problems[:1])
    return replace(fallen_back, refused=refused + draft.problems[1:])


def _drafted(planned: Planned, found: Written, config: CaptionConfig, config_key: str) -> Draft:
    caption = caption_of(planned, found.claims, config, config_key, found.thinking)
    return Draft(planned, caption, found.problems) if found.problems else _checked(planned, caption)
