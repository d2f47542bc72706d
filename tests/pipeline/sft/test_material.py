"""What a verifier dropped or was unsure of is no answer, in whatever task."""

from __future__ import annotations

from pathlib import Path

import pytest

from soundseam.pipeline.sft.material import Material
from soundseam.pipeline.sft.read import read_recordings
from soundseam.pipeline.storage.commits import Commit, new_commit, shard_of
from soundseam.pipeline.storage.sweep import sweep
from soundseam.pipeline.work import CAPTIONS_STAGE
from soundseam.schemas.caption import CaptionPlan, Conflict, Resolution
from soundseam.schemas.claim import Claim, Evidence, Verdict
from soundseam.schemas.sample import Sample
from soundseam.schemas.tables import Table
from tests.pipeline.sft.builders import (
    BELL,
    DOG,
    EVERY,
    MUSIC,
    captioned,
    event,
    heard,
    material,
    musical,
    recording,
    samples,
    spoken,
)
from tests.pipeline.sft.corpora import commit_corpus
from tests.support.builders import a_segment

YARD = a_segment(end_ms=9000, events=(event(DOG, 500, 1500), event(BELL, 5000, 6500)))
PLACE = "annotations/general"


def claim(verdict: Verdict | None, *fields: str, backend: str = "events", table: str = PLACE) -> Claim:
    evidence = tuple(
        Evidence(table=table, segment_id=YARD.segment_id, backend=backend, field=field, value="1") for field in fields
    )
    return Claim(text=f"{verdict} {fields}.", rule="test.rule", evidence=evidence, verdict=verdict, probability=0.5)


def judged(*claims: Claim) -> Material:
    caption = captioned(YARD, "x").model_copy(update={"claims": claims, "verified": False})
    return material(YARD, heard(YARD), caption=caption)


def told_of(label: str, *claims: Claim) -> list[Sample]:
    """Samples whose evidence names a sound."""
    made = samples(recording(judged(*claims)), EVERY)
    return [sample for sample in made if any(one.value == f'"{label}"' for one in sample.evidence)]


@pytest.mark.parametrize("verdict", [Verdict.DROPPED, Verdict.UNSURE])
def test_what_a_claim_that_does_not_hold_rests_on_is_not_asked_about(verdict: Verdict) -> None:
    assert told_of("Bark")
    assert not told_of("Bark", claim(verdict, "events.0.label", "events.0.onset_ms"))
    assert told_of("Bell", claim(verdict, "events.0.label"))


def test_one_value_of_an_item_puts_the_whole_item_in_doubt() -> None:
    assert not told_of("Bark", claim(Verdict.DROPPED, "events.0.level_dbfs"))


def test_a_claim_about_all_items_puts_each_in_doubt() -> None:
    assert not told_of("Bark", claim(Verdict.DROPPED, "events.*.label"))
    assert not told_of("Bell", claim(Verdict.DROPPED, "events.*.label"))


def test_what_a_confirmed_claim_rests_on_too_is_not_in_doubt() -> None:
    both = claim(Verdict.DROPPED, "events.0.label", "events.1.label"), claim(Verdict.CONFIRMED, "events.0.label")
    assert told_of("Bark", *both)
    assert not [sample for sample in told_of("Bell", *both) if sample.task == "event_when"]


@pytest.mark.parametrize(
    "other",
    [
        claim(None, "events.0.label"),
        claim(Verdict.DROPPED, "events.0.label", backend="another"),
        claim(Verdict.DROPPED, "events.0.label", table="segments"),
        claim(Verdict.DROPPED, "acoustics.level_dbfs"),
    ],
    ids=["not judged", "another backend", "another table", "another field"],
)
def test_nothing_else_is_in_doubt(other: Claim) -> None:
    assert told_of("Bark", other) == told_of("Bark")


def test_measures_are_doubted_one_by_one() -> None:
    segment = a_segment(end_ms=9000)
    row = spoken(segment, rate_hz=6.5)
    dropped = Claim(
        text="Fast.",
        rule="test.rule",
        evidence=material(segment, row).cite(row, "voice.syllable_rate_hz"),
        verdict=Verdict.DROPPED,
    )
    caption = captioned(segment, "x").model_copy(update={"claims": (dropped,)})
    kinds = {sample.kind for sample in samples(recording(material(segment, row, caption=caption)), EVERY)}
    assert "longest_pause" in kinds
    assert "pace" not in kinds
    assert "pace" in {sample.kind for sample in samples(recording(material(segment, row)), EVERY)}


def conflict(kept: str | None, *against: str) -> CaptionPlan:
    resolution = Resolution.OPEN if kept is None else Resolution.STRONGER
    return CaptionPlan(
        conflicts=(Conflict(topic="tempo", resolution=resolution, kept=kept, against=against, detail=""),)
    )


def tempi(plan: CaptionPlan) -> set[float | None]:
    """Tempi that are asked for of music that two sources hear differently."""
    song = a_segment(end_ms=9000, events=(event(MUSIC, 0, 9000),))
    rows = musical(song, tempo_bpm=100.0), musical(song, tempo_bpm=150.0).model_copy(update={"backend": "other"})
    caption = captioned(song, "x").model_copy(update={"plan": plan})
    made = samples(recording(material(song, *rows, caption=caption)), EVERY)
    return {sample.answer_spec.value for sample in made if sample.task == "tempo"}


ONE, OTHER = (f"annotations/music/{name}/rhythm.tempo_bpm" for name in ("mir", "other"))


def test_a_source_that_lost_a_conflict_is_not_asked_about() -> None:
    assert tempi(conflict(ONE, OTHER)) == {100.0}
    assert tempi(conflict(OTHER, ONE)) == {150.0}


def test_what_sources_cannot_agree_on_is_not_asked_about() -> None:
    assert tempi(conflict(None, ONE, OTHER)) == set()


def test_events_that_another_source_places_otherwise_are_not_asked_about() -> None:
    caption = captioned(YARD, "x").model_copy(update={"plan": conflict(None, f"{PLACE}/events/events")})
    made = samples(recording(material(YARD, heard(YARD), caption=caption)), EVERY)
    assert not {sample.task for sample in made} & {"event_list", "event_when", "counting", "order", "duration"}
    assert not [sample for sample in made if sample.task == "presence" and sample.answer_spec.reference == "yes"]


def test_what_was_found_against_a_filtered_caption_counts_and_what_it_says_is_not_learnt(tmp_path: Path) -> None:
    of = judged(claim(Verdict.DROPPED, "events.0.label"), claim(Verdict.CONFIRMED, "acoustics.level_dbfs"))
    commit_corpus(tmp_path, [recording(of)])
    assert of.caption is not None
    name = of.segment.recording_id
    commit = Commit(stage=CAPTIONS_STAGE, shard=shard_of(name, 64), covers=((name, "2"),), files=())
    with new_commit(str(tmp_path), commit) as writer:
        writer.append(Table.FILTERED, of.caption)
    sweep(str(tmp_path), {CAPTIONS_STAGE: {name: "2"}})
    (read,) = read_recordings(str(tmp_path), commit.shard, [name])
    made = samples(read, EVERY)
    assert read.segments[0].caption is None
    assert not [sample for sample in made if sample.task == "caption"]
    assert not [sample for sample in made if any(one.value == '"Bark"' for one in sample.evidence)]
    assert [sample for sample in made if any(one.value == '"Bell"' for one in sample.evidence)]
