"""Questions about windows: right by the rows, and none that a single segment would answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseam.pipeline.sft.answers import score_answer
from soundseam.pipeline.sft.ask import MAX_SEGMENT_MS
from soundseam.pipeline.sft.audit import audit
from soundseam.pipeline.sft.build import SftConfig, load_sft_config, samples_of
from soundseam.pipeline.sft.material import RecordingMaterial
from soundseam.pipeline.sft.read import source_stages, tables_of
from soundseam.pipeline.sft.recompute import table_contradictions
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.schemas.long import RecordingCaption, Stretch
from soundseam.schemas.sample import Sample, Scoring, Split
from soundseam.schemas.tables import LongTable
from tests.pipeline.sft.builders import a_rich_recording
from tests.pipeline.sft.corpora import build_samples, commit_corpus, planned
from tests.pipeline.sft.long_builders import a_long_recording, build_long_corpus, commit_long

LONG = ("long_caption", "long_transcript", "long_qa")
CONFIG = load_sft_config().only((*LONG, "key"))
EVERY = CONFIG.model_copy(
    update={
        "tasks": tuple(task.model_copy(update={"max_per_segment": 99}) for task in CONFIG.tasks),
        "max_guessed": 1.0,
        "validation_share": 0.0,
    }
)
ENGLISH = EVERY.model_copy(update={"languages": {"en": 1.0}})


def made(of: RecordingMaterial, config: SftConfig = ENGLISH) -> list[Sample]:
    return [one for task in config.tasks for one in samples_of(task, of, config, Split.TRAIN, "k")]


def kinds(samples: Sequence[Sample]) -> set[str]:
    return {f"{sample.task}/{sample.kind}" for sample in samples}


def only(samples: Sequence[Sample], kind: str) -> list[Sample]:
    return [sample for sample in samples if sample.kind == kind]


def with_caption(of: RecordingMaterial, **changes: object) -> RecordingMaterial:
    assert of.long_caption is not None
    return replace(of, long_caption=of.long_caption.model_copy(update=changes))


def caption_of(of: RecordingMaterial) -> RecordingCaption:
    assert of.long_caption is not None
    return of.long_caption


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("long")
    build_long_corpus(folder, EVERY)
    return folder


def test_a_recording_gives_every_kind_of_long_question() -> None:
    assert kinds(made(a_long_recording())) == {
        *(f"long_caption/{kind}" for kind in ("timeline", "chapters", "summary", "detailed")),
        "long_transcript/speakers",
        *(
            f"long_qa/{kind}"
            for kind in ("first", "last", "count", "longest", "after", "same_piece", "find", "difference")
        ),
    }
    assert kinds(made(a_rich_recording(), CONFIG.only(LONG))) == set()


def test_the_audio_of_a_sample_is_the_window_with_its_gaps() -> None:
    found = a_long_recording()
    for sample in made(found):
        assert sample.audio_ids == (found.windows[0].window_id,)
        assert sample.segment_ids == found.windows[0].segment_ids
        assert sample.audio_ms == 240_000


def test_answers_are_those_of_the_rows() -> None:
    samples = made(a_long_recording())
    assert only(samples, "first")[0].answer_spec.value == 35
    assert only(samples, "last")[0].answer_spec.value == 205
    assert only(samples, "count")[0].answer_spec.value == 4
    assert only(samples, "longest")[0].answer_spec.reference == "the first speaker"
    assert only(samples, "same_piece")[0].answer_spec.reference == "yes"
    after = {sample.topic: sample.answer_spec.reference for sample in only(samples, "after")}
    assert after == {"Conversation": "Music", "Music": "Talk", "Talk": "Bells", "Bells": "End"}
    (transcript,) = only(samples, "speakers")
    assert [span.text for span in transcript.answer_spec.spans][:2] == [
        "Speaker 1: Good morning to",
        "Speaker 2: all of you.",
    ]
    assert only(samples, "timeline")[0].answer.splitlines()[1] == "60.00 - 120.00: music"


def test_the_audit_finds_nothing_wrong_with_them(corpus: Path) -> None:
    found = {one.task: one for one in audit(str(corpus), EVERY)}
    for task in LONG:
        assert found[task].samples > 0
        assert found[task].problems == ()
    assert "run soundseam long" not in found["key"].missing


def tables_with(corpus: Path, kind: str) -> tuple[Sample, Corpus]:
    stages = [*source_stages(str(corpus)), *LongTable, *(f"sft/{task}" for task in LONG)]
    built = Corpus.load(str(corpus), stages)
    rows = [row for task in LONG for row in built.rows(f"sft/{task}") if row["kind"] == kind]
    return Sample.model_validate(rows[0]), built


@pytest.mark.parametrize(
    ("kind", "reference"),
    [
        ("first", "90.0"),
        ("last", "170.0"),
        ("count", "5"),
        ("longest", "the second speaker"),
        ("after", "Nothing"),
        ("same_piece", "no"),
        ("difference", "Nothing."),
        ("summary", "Nothing."),
        ("detailed", "Nothing."),
    ],
)
def test_another_answer_contradicts_the_tables(corpus: Path, kind: str, reference: str) -> None:
    sample, built = tables_with(corpus, kind)
    tables = tables_of(built)
    assert list(table_contradictions(sample, tables)) == []
    spec = sample.answer_spec.model_copy(update={"reference": reference})
    assert list(table_contradictions(sample.model_copy(update={"answer_spec": spec}), tables))


@pytest.mark.parametrize("kind", ["timeline", "chapters", "find", "speakers"])
def test_another_text_at_a_time_contradicts_the_tables(corpus: Path, kind: str) -> None:
    sample, built = tables_with(corpus, kind)
    assert sample.answer_spec.scoring is Scoring.SPANS
    first, *others = sample.answer_spec.spans
    spans = (first.model_copy(update={"text": "Nothing"}), *others)
    spec = sample.answer_spec.model_copy(update={"spans": spans})
    changed = sample.model_copy(update={"answer_spec": spec})
    assert list(table_contradictions(changed, tables_of(built)))


def test_a_question_that_a_segment_answers_is_a_problem(corpus: Path) -> None:
    sample, built = tables_with(corpus, "first")
    tables = tables_of(built)
    row = tables.rows["windows", sample.audio_ids[0], None]
    near = {**tables.rows, ("windows", sample.audio_ids[0], None): {**row, "start_ms": 20_000}}
    shorter = sample.model_copy(
        update={"audio_ms": 220_000, "answer_spec": sample.answer_spec.model_copy(update={"reference": "15.0"})}
    )
    (problem,) = table_contradictions(shorter, replace(tables, rows=near))
    assert problem == "15.0 s of the audio answer it: no more than a segment"


@given(st.lists(st.integers(0, 2_390), min_size=1, max_size=6, unique=True))
@settings(max_examples=40)
def test_no_question_about_a_sound_needs_a_segment_or_less(tenths: list[int]) -> None:
    found = a_long_recording()
    spans = sorted(tenths)
    occurrences = tuple(Stretch(start_ms=at * 100, end_ms=at * 100 + 50) for at in spans)
    bell = caption_of(found).sounds[0].model_copy(update={"occurrences": occurrences})
    samples = made(with_caption(found, sounds=(bell,)))
    first_ms, last_ms = spans[0] * 100, spans[-1] * 100
    assert bool(only(samples, "first")) == (len(spans) > 1 and first_ms > MAX_SEGMENT_MS)
    assert bool(only(samples, "last")) == (
        len(spans) > 1 and 240_000 - last_ms > MAX_SEGMENT_MS and last_ms > MAX_SEGMENT_MS
    )
    assert bool(only(samples, "count")) == (last_ms - first_ms - 50 > MAX_SEGMENT_MS)


@pytest.mark.parametrize("languages", [{"en": 1.0}, {"zh": 1.0}])
def test_an_answer_gets_full_marks_by_its_own_specification(languages: dict[str, float]) -> None:
    samples = made(a_long_recording(), EVERY.model_copy(update={"languages": languages}))
    for sample in samples:
        assert score_answer(sample.answer_spec, sample.answer, EVERY.timestamps) in {1.0, None}
        if sample.answer_spec.choices:
            others = set(sample.answer_spec.choices) - {sample.answer_spec.reference}
            assert {score_answer(sample.answer_spec, other, EVERY.timestamps) for other in others} == {0.0}
    assert {"count", "longest", "same_piece"} <= {sample.kind for sample in samples}


def test_no_answer_is_inside_another_one() -> None:
    found = a_long_recording()
    chapters = list(caption_of(found).chapters)
    chapters[3] = chapters[3].model_copy(update={"title": "Bells and music"})
    samples = made(with_caption(found, chapters=tuple(chapters)))
    assert {sample.topic for sample in only(samples, "after")} == {"Music", "Talk", "Bells and music"}


def test_a_moment_is_only_asked_for_if_nothing_else_fits_its_description() -> None:
    found = a_long_recording()
    assert [sample.answer_spec.spans[0].text for sample in only(made(found), "find")] == ["music, applause"]

    def asked(*texts: str, name: str = "applause") -> list[str]:
        lines = zip(caption_of(found).timeline, texts, strict=True)
        timeline = tuple(line.model_copy(update={"text": text}) for line, text in lines)
        sound = caption_of(found).sounds[0].model_copy(update={"name": name})
        samples = made(with_caption(found, timeline=timeline, sounds=(sound,)))
        return sorted(sample.answer_spec.spans[0].text for sample in only(samples, "find"))

    # Speech and music may be elsewhere without being certain; who speaks makes no other description.
    assert asked("rain", "music", "speech", "Speaker 1 speaking") == []
    assert asked("rain", "speech, wind", "Speaker 1 speaking, wind", "music (Piece A), wind") == [
        "music (Piece A), wind"
    ]
    assert asked("rain", "music", "applause", "speech") == ["applause"]
    assert asked("rain", "music", "applause", "speech", name="wind") == []
    assert asked("rain", "applause, wind", "applause", "applause, wind, speech") == ["applause, wind, speech"]


def test_differences_between_chapters_are_those_of_the_tables(corpus: Path) -> None:
    stages = [*source_stages(str(corpus)), *LongTable, "sft/long_qa"]
    built = Corpus.load(str(corpus), stages)
    tables = tables_of(built)
    found = [Sample.model_validate(row) for row in built.rows("sft/long_qa") if row["kind"] == "difference"]
    assert len(found) > 1
    assert [one for sample in found for one in table_contradictions(sample, tables)] == []


def test_what_is_unsure_is_not_asked() -> None:
    found = a_long_recording()
    caption = caption_of(found)
    bell = caption.sounds[0].model_copy(update={"countable": False})
    assert not {"first", "last", "count"} & {one.kind for one in made(with_caption(found, sounds=(bell,)))}
    assert not only(made(with_caption(found, all_speakers=False)), "longest")
    first, second = caption.pieces[0].parts
    two = tuple(
        caption.pieces[0].model_copy(update={"name": name, "parts": (part,), "distinct": False})
        for name, part in (("Piece A", first), ("Piece B", second))
    )
    assert not only(made(with_caption(found, pieces=two)), "same_piece")
    others = tuple(piece.model_copy(update={"distinct": True}) for piece in two)
    (other,) = only(made(with_caption(found, pieces=others)), "same_piece")
    assert other.answer_spec.reference == "no"


def test_a_part_of_a_recording_names_no_speaker_by_number() -> None:
    found = a_long_recording()
    (window,) = found.windows
    part = window.model_copy(update={"end_ms": 180_000, "segment_ids": window.segment_ids[:9]})
    lines = tuple(
        line.model_copy(update={"text": f"Speaker {index} speaks"})
        for index, line in enumerate(caption_of(found).timeline, 1)
    )
    numbered = with_caption(found, timeline=lines)
    assert only(made(numbered), "timeline")
    samples = made(replace(numbered, windows=(part,)))
    assert not {"timeline", "find", "summary", "detailed"} & {sample.kind for sample in samples}
    assert only(samples, "chapters")


def test_left_out_segments_and_excluded_stretches_leave_no_window() -> None:
    found = a_long_recording()
    assert not made(found.without({found.segments[4].segment_id}))
    excluded = found.windows[0].model_copy(update={"excluded": (Stretch(start_ms=0, end_ms=9),)})
    assert not made(replace(found, windows=(excluded,)))
    assert not made(replace(found, long_caption=None))


def test_new_windows_rebuild_long_tasks_alone(tmp_path: Path) -> None:
    found = a_long_recording()
    commit_corpus(tmp_path, [found])
    build_samples(tmp_path, EVERY)
    assert planned(tmp_path, EVERY) == []
    commit_long(tmp_path, found)
    assert planned(tmp_path, EVERY) == [(f"sft/{task}", 1) for task in LONG]
    build_samples(tmp_path, EVERY)
    assert planned(tmp_path, EVERY) == []
