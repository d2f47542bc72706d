"""What no built sample may break, whatever its task, and that an audit finds it if one does."""

from __future__ import annotations

import re

import pytest

from soundseam.pipeline.sft.audit import contradictions, reason_for_none
from soundseam.pipeline.sft.recompute import key_degree
from soundseam.pipeline.sft.tasks.voice import clear_voice
from soundseam.schemas.sample import Sample, Scoring
from tests.pipeline.sft.builders import (
    BELL,
    CHINESE,
    CONFIG,
    DOG,
    ENGLISH,
    a_rich_recording,
    event,
    heard,
    material,
    musical,
    of,
    recording,
    samples,
    spoken,
)
from tests.support.builders import a_segment

RICH = [*samples(a_rich_recording(), ENGLISH), *samples(a_rich_recording(), CHINESE)]
NAMES = {task.task: task for task in CONFIG.tasks}


def test_no_built_sample_breaks_a_rule() -> None:
    assert [problem for sample in RICH for problem in contradictions(sample)] == []


def test_parts_are_lettered_from_a_and_last_three_seconds() -> None:
    found = of("structure", RICH)
    assert found
    for sample in found:
        spans = sample.answer_spec.spans
        assert spans[0].text == "A"
        assert all(span.segment_end_ms - span.segment_start_ms >= 3_000 for span in spans)


def test_lists_name_every_sound() -> None:
    yard = a_segment("a", 0, 10_000, (event(DOG, 500, 1_000), event((BELL[0].SOURCE_AMBIGUOUS, "sound"), 3_000, 4_000)))
    made = samples(recording(material(yard, heard(yard))), ENGLISH)
    assert not {"event_list", "time_qa"} & {sample.task for sample in made}
    assert of("event_when", made)


def test_pace_is_only_compared_where_both_sides_would_be_asked_alone() -> None:
    one, other = a_segment("a", 0, 8_000), a_segment("a", 8_000, 16_000)
    slow, fast = spoken(one, rate_hz=2.0), spoken(other, rate_hz=6.5)
    brief = fast.model_copy(update={"voice": fast.voice.model_copy(update={"speech_ms": 1_200})})  # type: ignore[union-attr]
    assert clear_voice(material(other, brief), 3_000) is None
    asked = [
        of("comparison", samples(recording(material(one, slow), material(other, row)), ENGLISH))
        for row in (fast, brief)
    ]
    assert [[sample.kind for sample in made] for made in asked] == [["pace"], []]


def test_tempo_is_only_compared_where_both_sides_would_be_asked_alone() -> None:
    one, other = a_segment("a", 0, 8_000), a_segment("a", 8_000, 16_000)
    for confidence in (0.9, 0.2):
        rows = material(one, musical(one)), material(other, musical(other, 150.0, confidence))
        made = samples(recording(*rows), ENGLISH)
        assert bool(of("comparison", made)) == (len(of("tempo", made)) == 2) == (confidence > 0.5)


def wrong(task: str, **changes: object) -> Sample:
    sample = of(task, RICH)[0]
    return sample.model_copy(update={"answer_spec": sample.answer_spec.model_copy(update=changes)})


def said(sample: Sample, answer: str) -> Sample:
    last = sample.messages[-1].model_copy(update={"content": answer})
    return sample.model_copy(update={"messages": (*sample.messages[:-1], last)})


@pytest.mark.parametrize(
    "sample",
    [
        wrong("key", reference="A sharp major"),
        wrong("key", reference="升A大调"),
        wrong("structure", spans=of("structure", RICH)[0].answer_spec.spans[1:]),
        wrong(
            "event_list",
            spans=(of("event_list", RICH)[0].answer_spec.spans[0].model_copy(update={"segment_end_ms": 99_000}),),
        ),
        said(of("event_list", RICH)[0], "0.00 - 1.00: an unidentified sound"),
        said(of("caption", RICH)[0].model_copy(update={"kind": "music"}), "As music plays, someone speaks."),
        said(of("caption", RICH)[0].model_copy(update={"kind": "general"}), "A bell rings over music."),
    ],
    ids=[
        "sharp key",
        "sharp key in Chinese",
        "letters from B",
        "late",
        "nameless",
        "speech in music",
        "music in general",
    ],
)
def test_an_audit_finds_a_broken_rule(sample: Sample) -> None:
    assert len(list(contradictions(sample))) == 1


def test_a_task_without_samples_has_a_reason_and_a_remedy() -> None:
    for name, task in NAMES.items():
        assert re.fullmatch(r"no row has .+: .+|no segment is eligible \(.+\): .+", reason_for_none(task, 0, {})), name
    assert reason_for_none(NAMES["asr"], 0, {}).startswith(
        "no row has annotations/speech:transcript: give the manifest a"
    )
    there = {"annotations/speech:transcript": 3}
    assert reason_for_none(NAMES["asr"], 0, there).startswith("no segment is eligible (a transcript that is usable")
    # Either of two sources is enough.
    assert "no row" not in reason_for_none(NAMES["time_qa"], 0, {"segments:events": 3})
    assert reason_for_none(NAMES["order"], 14, {}).startswith("all 14 could be guessed: ")


def test_every_key_of_a_sample_is_spelt_as_musicians_spell_it() -> None:
    keys = [sample for sample in RICH if sample.task == "key" or sample.topic.startswith("key/")]
    assert keys
    for sample in keys:
        options = (
            sample.answer_spec.choices
            if sample.answer_spec.scoring is Scoring.CHOICE
            else (sample.answer_spec.reference,)
        )
        assert all(key_degree(option) is not None for option in options)
