"""From a recording's rows to one task's samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from annotators.grammar.engine import Pick
from pipeline.drawing import draw
from pipeline.sft.ask import AnyTaskOptions, Ask, Task, Turn
from pipeline.sft.config import SftConfig
from pipeline.sft.doubts import is_doubted
from pipeline.sft.material import RecordingMaterial
from pipeline.sft.words import UnsayableError, Words
from schemas.record import content_key
from schemas.sample import Message, MessageKind, Role, Sample, Split


def samples_of(
    task: Task, recording: RecordingMaterial, config: SftConfig, group: str, config_key: str
) -> Iterator[Sample]:
    """A recording's samples of one task, in order of segment and id.

    `group` stands for all recordings that must lie on the same side of the split: the recording's id, or that of its
    near-duplicates.
    """
    return samples_from(task, task.asks(recording), config, group, config_key)


def samples_from(
    task: AnyTaskOptions, found: Iterable[Ask], config: SftConfig, group: str, config_key: str
) -> Iterator[Sample]:
    """The same of questions that were `found` already, all of one recording."""
    split = split_of(group, config)
    asks = sorted(found, key=lambda ask: ask.materials[0].segment_id)
    for _, members in groupby(asks, key=lambda ask: ask.materials[0].segment_id):
        made = (sample for ask in members if (sample := _sample(task, ask, config, split, config_key)) is not None)
        # By id, which is a hash, so that no kind of question is preferred.
        chosen = sorted(made, key=lambda sample: sample.sample_id)[: task.most_per_segment]
        yield from chosen


def split_of(group: str, config: SftConfig) -> Split:
    """On which side a group of recordings lies."""
    held_out = draw(config.seed, "split", group) < config.validation_share
    return Split.VALIDATION if held_out else Split.TRAIN


def _sample(task: AnyTaskOptions, ask: Ask, config: SftConfig, split: Split, config_key: str) -> Sample | None:
    if any(is_doubted(ask.evidence, material.doubted) for material in ask.materials):
        return None
    segment_ids = tuple(material.segment_id for material in ask.materials)
    identity = content_key([task.task, ask.kind, ask.fact, list(segment_ids)])
    spoken = _say(task, ask, config, identity)
    if spoken is None:
        return None
    language, turn = spoken
    first = ask.materials[0]
    return Sample(
        sample_id=f"{first.segment_id}-{identity}",
        recording_id=first.segment.recording_id,
        segment_ids=segment_ids,
        task=task.task,
        kind=ask.kind,
        topic=ask.topic,
        language=language,
        messages=conversation(segment_ids, turn.question, turn.answer),
        reasoning=turn.reasoning,
        answer_spec=turn.spec,
        text_only=ask.text_only,
        difficulty=ask.difficulty,
        evidence=tuple(dict.fromkeys(ask.evidence)),
        verdicts=ask.verdicts,
        event_class=first.leading_class,
        audio_ms=sum(material.duration_ms for material in ask.materials),
        license=first.segment.license,
        split=split,
        config_key=config_key,
    )


def conversation(segment_ids: Sequence[str], question: str, answer: str) -> tuple[Message, ...]:
    """Audio first: later questions on the same clip then hit a server's prefix cache."""
    audio = [Message(role=Role.USER, kind=MessageKind.AUDIO, content=segment_id) for segment_id in segment_ids]
    asked = Message(role=Role.USER, kind=MessageKind.TEXT, content=question)
    answered = Message(role=Role.ASSISTANT, kind=MessageKind.TEXT, content=answer)
    return (*audio, asked, answered)


def _say(task: AnyTaskOptions, ask: Ask, config: SftConfig, identity: str) -> tuple[str, Turn] | None:
    """The fact in the language drawn for it, or in another one where that has no words for it."""
    for language in config.phrasing.languages_for(identity, ask.languages):
        pick = Pick(str(config.seed), identity, language)
        try:
            turn = ask.turn(Words(task.task, ask.kind, language, pick, config.timestamps))
        except UnsayableError:
            continue
        return language, _capitalised(turn)
    return None


def _capitalised(turn: Turn) -> Turn:
    """Sentences that begin with a sound's name begin with a capital; answers taken over as they are stay so."""
    if turn.answer == turn.spec.reference:
        return turn
    reasoning = None if turn.reasoning is None else _capital(turn.reasoning)
    return Turn(_capital(turn.question), _capital(turn.answer), turn.spec, reasoning, turn.rivals)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
