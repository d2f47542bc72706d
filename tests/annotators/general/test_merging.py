from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from annotators.base import BackendUnavailableError, Clip
from annotators.general.clap_tags import GeneralClapTags
from annotators.general.events import MeasuredEvents
from annotators.general.merging import MergedEvent, merge_events
from annotators.general.tagger import Tagger
from schemas.annotation import GeneralAnnotation
from schemas.event import Branch, Event, EventClass
from tests.annotators.general.tiny import clap_tags, tagger
from tests.builders import a_segment, an_event

ANIMAL, AMBIGUOUS, OBJECT, SPEECH = (
    EventClass.ANIMAL,
    EventClass.SOURCE_AMBIGUOUS,
    EventClass.OBJECT,
    EventClass.SPEECH,
)


def merged(detected: list[Event], tagged: list[tuple[str, Event]]) -> list[MergedEvent]:
    return list(merge_events(detected, tagged, least_score=0.5))


def test_what_two_heard_is_one_event_with_the_finer_name_and_both_sources() -> None:
    (one,) = merged(
        [an_event(ANIMAL, 1_000, 3_000, score=0.6)], [("tagger", an_event(ANIMAL, 1_200, 2_800, "Bark", 0.8))]
    )
    assert (one.event.label, one.event.score) == ("Bark", 0.8)
    assert (one.event.onset_ms, one.event.offset_ms) == (1_000, 3_000), "the detection stage's times stay"
    assert [(source.source, source.label, source.score) for source in one.sources] == [
        ("detection", "animal", 0.6),
        ("tagger", "Bark", 0.8),
    ]


def test_an_event_of_no_sure_source_takes_the_class_of_whoever_names_it() -> None:
    (one,) = merged([an_event(AMBIGUOUS, 0, 2_000)], [("tagger", an_event(ANIMAL, 0, 2_000, "Bark", 0.7))])
    assert one.event.event_class is ANIMAL


def test_classes_that_gainsay_each_other_stay_two_events() -> None:
    found = merged([an_event(SPEECH, 0, 2_000)], [("tagger", an_event(OBJECT, 0, 2_000, "Door", 0.9))])
    assert [one.event.event_class for one in found] == [OBJECT, SPEECH]


def test_the_surest_name_wins_and_every_tagger_is_kept_as_a_source() -> None:
    (one,) = merged(
        [an_event(ANIMAL, 0, 2_000)],
        [
            ("clap_tags", an_event(ANIMAL, 0, 2_000, "a dog", 0.75)),
            ("tagger", an_event(ANIMAL, 0, 1_900, "Animal", 0.6)),
            ("tagger", an_event(ANIMAL, 0, 1_800, "Bark", 0.9)),
        ],
    )
    assert one.event.label == "Bark"
    assert [source.label for source in one.sources] == ["animal", "Bark", "a dog", "Animal"]


def test_what_a_tagger_alone_heard_counts_from_the_least_score_on() -> None:
    found = merged(
        [],
        [
            ("tagger", an_event(OBJECT, 4_000, 5_000, "Door", 0.8)),
            ("tagger", an_event(OBJECT, 4_100, 5_000, "Knock", 0.3)),
            ("tagger", an_event(ANIMAL, 0, 1_000, "Bark", 0.49)),
        ],
    )
    assert [(one.event.label, [source.label for source in one.sources]) for one in found] == [
        ("Door", ["Door", "Knock"])
    ]


def test_little_common_time_makes_two_events() -> None:
    found = merged([an_event(ANIMAL, 0, 2_000)], [("tagger", an_event(ANIMAL, 1_500, 3_500, "Bark", 0.9))])
    assert len(found) == 2


def test_an_event_beside_another_goes_to_the_one_it_shares_most_with() -> None:
    first, second = an_event(ANIMAL, 0, 2_000), an_event(ANIMAL, 2_000, 4_000)
    found = merged([first, second], [("tagger", an_event(ANIMAL, 1_900, 3_900, "Bark", 0.9))])
    assert [len(one.sources) for one in found] == [1, 2]


def a_row(clip: Clip, backend: str, tagged: tuple[Event, ...]) -> GeneralAnnotation:
    return GeneralAnnotation(
        segment_id=clip.segment.segment_id,
        recording_id=clip.segment.recording_id,
        branch=Branch.GENERAL,
        backend=backend,
        model="m",
        revision="1",
        config_key="k",
        tagged=tagged,
    )


def test_the_branchs_events_are_those_of_all_that_listened_each_measured() -> None:
    segment = a_segment("a", 5_000, 9_000, (an_event(AMBIGUOUS, 5_000, 6_000),))
    samples = np.random.default_rng(0).normal(0, 0.1, 64_000).astype(np.float32)
    clip = Clip(segment, samples, 16_000)
    rows = (a_row(clip, "tagger", (an_event(ANIMAL, 5_100, 6_000, "Bark"), an_event(OBJECT, 8_000, 9_000, "Door"))),)
    (facts,) = MeasuredEvents().load().annotate([Clip(segment, samples, 16_000, rows)])
    assert facts.events is not None
    found = [(one.label, [source.source for source in one.sources]) for one in facts.events]
    assert found == [("Bark", ["detection", "tagger"]), ("Door", ["tagger"])]
    assert all(one.level_dbfs is not None for one in facts.events)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


def clip_of(samples: np.ndarray, rate_hz: int) -> Clip:
    end_ms = 3_000 + len(samples) * 1000 // rate_hz
    return Clip(a_segment("a", 3_000, end_ms), samples.astype(np.float32), rate_hz)


def test_a_tagger_tells_labels_that_sound_together_apart(folder: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.2, 8 * 16_000)
    noise[: 2 * 16_000] = 0
    (facts,) = tagger(folder).load().annotate([clip_of(noise, 16_000)])
    assert facts.tagged
    assert len({event.label for event in facts.tagged}) > len({event.event_class for event in facts.tagged})
    assert all(4_500 <= event.onset_ms < event.offset_ms <= 11_000 for event in facts.tagged)


def test_clap_hears_each_label_when_it_sounds(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("Bark\nrain on a tin roof\n")
    backend = clap_tags(folder).model_copy(
        update={
            "labels": str(tmp_path / "labels.txt"),
            "thresholds": GeneralClapTags().thresholds.model_copy(update={"enter": 0.01, "stay": 0.01}),
        }
    )
    (facts,) = backend.load().annotate([clip_of(np.random.default_rng(0).normal(0, 0.1, 9 * 48_000), 48_000)])
    assert facts.tagged is not None
    assert {(event.label, event.event_class) for event in facts.tagged} == {
        ("Bark", ANIMAL),
        ("rain on a tin roof", AMBIGUOUS),
    }
    assert {(event.onset_ms, event.offset_ms) for event in facts.tagged} == {(3_000, 12_000)}


def test_a_missing_label_file_is_named() -> None:
    with pytest.raises(BackendUnavailableError, match=r"none\.txt"):
        GeneralClapTags(labels="none.txt").check_available()


def test_a_tagger_that_cannot_load_says_so_in_its_own_words() -> None:
    backend = Tagger.model_validate({"kind": "tagger", "tagger": {"kind": "frame_sed", "path": "none.onnx"}})
    with pytest.raises(BackendUnavailableError, match=r"none\.onnx"):
        backend.load()
