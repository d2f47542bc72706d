"""A scene to write captions of, writers that answer as a test says, and what is wrong with what they wrote."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.chat.questions import Question
from soundseam.pipeline.captions.caption_config import CaptionConfig, WriterConfig
from soundseam.pipeline.captions.compose import Composed, Draft, compose_captions
from soundseam.pipeline.captions.grounding import Problem, Reason
from soundseam.pipeline.captions.plan import Planned, plan_caption
from soundseam.schemas.annotation import Annotation
from soundseam.schemas.event import Branch, EventClass
from soundseam.schemas.segment import Segment
from soundseam.schemas.speech import SpeechFacts
from tests.support.caption_rows import event, music, row, segment, transcript, voice
from tests.support.scripted_client import ScriptedClient

SERVER = Endpoint(model="writer", revision="r1")
ENGLISH = CaptionConfig(composer="writer", writer=WriterConfig(server=SERVER, grammar_if_refused=True))
CHINESE = ENGLISH.model_copy(update={"language": "zh"})
SAID = "all the lines are busy so please call again in 20 minutes"
Say = Callable[[Question], str]


def scene() -> tuple[Segment, list[Annotation]]:
    """Speech whose words are agreed on, then music in D major at 128 beats a minute, and two barks."""
    one = segment(
        [
            event(EventClass.SPEECH, 0, 6_000),
            event(EventClass.MUSIC, 6_000, 10_000),
            event(EventClass.ANIMAL, 1_000, 1_400),
            event(EventClass.ANIMAL, 3_000, 3_500),
        ],
        [Branch.SPEECH, Branch.MUSIC, Branch.GENERAL],
    )
    return one, [
        row(one, SpeechFacts(transcript=transcript(SAID, usable=True)), "agreement", Branch.SPEECH),
        row(one, SpeechFacts(voice=voice()), "voice", Branch.SPEECH),
        row(one, music(), "mir", Branch.MUSIC),
    ]


def planned_scene() -> Planned:
    one, rows = scene()
    return plan_caption(one, rows)


def ids_of(planned: Planned, *words: str) -> list[str]:
    """The ids of the facts whose content holds one of `words`."""
    return [f"e{n}" for n, fact in enumerate(planned.facts, 1) if any(word in fact.content for word in words)]


def answer(*claims: tuple[str, Sequence[str]]) -> str:
    return json.dumps({"claims": [{"text": text, "evidence": list(evidence)} for text, evidence in claims]})


def write(planned: Planned, say: Say, config: CaptionConfig = ENGLISH) -> tuple[Composed, ScriptedClient]:
    client = ScriptedClient(say=say)
    ((_, composed),) = compose_captions([(None, planned)], config, "k", client)
    return composed, client


def wrong_with(draft: Draft) -> tuple[Problem, ...]:
    """What is wrong with what was written; the draft itself is then the grammar's."""
    assert bool(draft.refused) == (draft.caption.composer == "grammar") or draft.problems
    return tuple(problem for problem in draft.refused or draft.problems if isinstance(problem, Problem))


def problems_of(*claims: tuple[str, Sequence[str]], config: CaptionConfig = ENGLISH) -> set[Reason]:
    """What is wrong with an answer that is given again when it is given back."""
    composed, client = write(planned_scene(), lambda question: answer(*claims), config)
    assert isinstance(composed, Draft)
    assert len(client.asked) == (2 if wrong_with(composed) else 1)
    return {problem.reason for problem in wrong_with(composed)}


SPOKEN = ids_of(planned_scene(), "lines are busy")
VOICE = ids_of(planned_scene(), "pitch")
MUSIC = ids_of(planned_scene(), "beats a minute", "in D major")
EVENT = next(f"e{n}" for n, fact in enumerate(planned_scene().facts, 1) if fact.content == "music")
BARKS = [one for one in ids_of(planned_scene(), "animal") if one not in ids_of(planned_scene(), "%")]
