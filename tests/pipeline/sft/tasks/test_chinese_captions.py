"""Captions in Chinese are composed of the names of sounds and the order of their times."""

from __future__ import annotations

from dataclasses import replace

import pytest

from soundseam.annotators.grammar.engine import Pick
from soundseam.pipeline.captions.caption_config import CaptionConfig
from soundseam.pipeline.captions.merge import merge_segment
from soundseam.pipeline.sft.answers import TimestampFormat
from soundseam.pipeline.sft.tasks.caption import CaptionTask
from soundseam.pipeline.sft.words import AnswerStyle, Words
from soundseam.schemas.event import Event
from tests.pipeline.sft.builders import (
    BELL,
    CHINESE,
    DOG,
    ENGLISH,
    MUSIC,
    SPEECH,
    captioned,
    event,
    heard,
    material,
    of,
    recording,
    samples,
)
from tests.support.builders import a_segment
from tests.support.caption_rows import plausible

HIDDEN = (BELL[0].SOURCE_AMBIGUOUS, "sound")


def captions(*events: Event, config: object = CHINESE) -> list[str]:
    segment = a_segment("a", 0, 10_000, events)
    made = samples(
        recording(material(segment, heard(segment), caption=captioned(segment, "Something sounds."))), config
    )  # type: ignore[arg-type]
    return [sample.answer for sample in of("caption", made) if sample.language == "zh"]


@pytest.mark.parametrize(
    ("events", "texts"),
    [
        ([event(MUSIC, 0, 10_000)], {"从头到尾都是音乐。", "整段录音只有音乐。"}),
        ([event(SPEECH, 1_000, 4_000)], {"能听到说话声。", "录音里有说话声。"}),
        (
            [event(MUSIC, 0, 10_000), event(SPEECH, 2_000, 5_000), event(DOG, 6_000, 7_000)],
            {"音乐贯穿始终，其间有说话声和狗叫声。", "背景一直是音乐，中间出现说话声和狗叫声。"},
        ),
        (
            [event(DOG, 0, 900), event(BELL, 2_000, 4_000), event(SPEECH, 5_000, 9_000)],
            {"先是狗叫声，然后是铃声，再后来是说话声。", "开头是狗叫声，接着是铃声，再后来是说话声。"},
        ),
        ([event(DOG, 0, 3_000), event(SPEECH, 2_000, 5_000)], {"能听到狗叫声和说话声。", "录音里有狗叫声和说话声。"}),
    ],
)
def test_a_summary_says_what_sounds_and_in_which_order(events: list[Event], texts: set[str]) -> None:
    found = captions(*events)
    assert len(found) == 1
    assert found[0] in texts


def test_sounds_without_a_sure_name_are_not_summed_up() -> None:
    assert captions(event(DOG, 0, 3_000), event(HIDDEN, 4_000, 5_000)) == []
    assert captions(event(DOG, 0, 3_000, score=0.4)) == []


def test_where_no_chinese_is_wanted_there_is_none() -> None:
    assert captions(event(MUSIC, 0, 10_000), config=ENGLISH) == []


def test_a_caption_by_the_grammar_is_asked_for_in_both_languages_of_the_same_evidence() -> None:
    one, rows = plausible(3)
    caption = merge_segment(one, rows, CaptionConfig(), "0" * 16)
    drafts = list(CaptionTask().asks_of(replace(material(one, *rows), caption=caption)))
    (whole,) = (draft for draft in drafts if draft.kind in {"plain", "detailed"})
    assert whole.languages == ("en", "zh")
    texts = {
        name: whole.turn(Words("caption", whole.kind, name, Pick(), AnswerStyle(TimestampFormat()))).answer
        for name in ("en", "zh")
    }
    twin = merge_segment(one, rows, CaptionConfig(language="zh"), "0" * 16)
    assert texts["en"] == caption.caption
    assert texts["zh"].count("。") == len(caption.claims) == len(twin.claims)
    assert not [draft for draft in drafts if draft.fact == "zh"], "a summary by templates beside a whole caption"
