"""Every answer is computed once more from the rows, and what they say otherwise is found."""

from __future__ import annotations

import pytest

from soundseam.pipeline.sft.read import Tables
from soundseam.pipeline.sft.recompute import key_degree, table_contradictions
from soundseam.schemas.music import PITCH_CLASSES, Mode, key_name
from soundseam.schemas.sample import AnswerSpan, Sample, Scoring
from soundseam.schemas.tables import Table, annotation_table
from tests.pipeline.sft.builders import CHINESE, ENGLISH, SHORT, a_rich_recording, samples

RICH = [*samples(a_rich_recording(), ENGLISH), *samples(a_rich_recording(), CHINESE)]


def rows_of_a_rich_recording() -> Tables:
    rows = {}
    for one in a_rich_recording().segments:
        rows[str(Table.SEGMENTS), one.segment_id, None] = one.segment.model_dump(mode="json")
        for row in one.annotations:
            rows[str(annotation_table(row.branch)), one.segment_id, row.backend] = row.model_dump(mode="json")
        if one.caption is not None:
            rows[str(Table.CAPTIONS), one.segment_id, None] = one.caption.model_dump(mode="json")
    return Tables(rows)


TABLES = rows_of_a_rich_recording()


def test_what_is_built_from_rows_agrees_with_them() -> None:
    assert {one.task for one in RICH} == {task.task for task in SHORT.tasks}
    found = {one.sample_id: list(table_contradictions(one, TABLES)) for one in RICH}
    assert found == {key: [] for key in found}


def altered(sample: Sample) -> Sample:
    """The same question with a wrong answer."""
    spec = sample.answer_spec
    if spec.spans:
        moved = [AnswerSpan(**{**span.model_dump(), "text": f"{span.text}x"}) for span in spec.spans]
        late = [AnswerSpan(**{**span.model_dump(), "segment_end_ms": span.segment_end_ms + 700}) for span in spec.spans]
        spans = late if sample.task in ("structure", "event_when", "event_list", "chords") else moved
        return sample.model_copy(update={"answer_spec": spec.model_copy(update={"spans": tuple(spans)})})
    rivals = [choice for choice in spec.choices if choice != spec.reference]
    also: dict[str, object] = {"accepted": ("x",)} if spec.scoring is Scoring.LABELS else {}
    wrong = rivals[0] if rivals else "9999" if spec.value is not None else "C minor"
    return sample.model_copy(update={"answer_spec": spec.model_copy(update={"reference": wrong, **also})})


def test_a_wrong_answer_contradicts_the_rows() -> None:
    by_evidence_alone = {"refusal", "voice_description"}
    wrong = [
        one for one in RICH if one.task not in by_evidence_alone and "pace" not in (one.kind, *one.topic.split("/"))
    ]
    missed = [(one.task, one.kind, one.topic) for one in wrong if not list(table_contradictions(altered(one), TABLES))]
    assert missed == []
    assert len({one.task for one in wrong}) > 20


def test_a_row_that_changed_since_contradicts_its_samples() -> None:
    tempo = next(one for one in RICH if one.task == "tempo")
    place = ("annotations/music", tempo.segment_ids[0], "mir")
    rhythm = {**TABLES.rows[place]["rhythm"], "tempo_bpm": 90.0}
    changed = Tables({**TABLES.rows, place: {**TABLES.rows[place], "rhythm": rhythm}})
    assert len(list(table_contradictions(tempo, changed))) == 2
    gone = Tables({key: row for key, row in TABLES.rows.items() if key != place})
    assert list(table_contradictions(tempo, gone))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_all_keys_are_spelt_as_musicians_spell_them(language: str) -> None:
    for degree, tonic in enumerate(PITCH_CLASSES):
        for mode in Mode:
            assert key_degree(key_name(tonic, mode, language)) == (degree, mode is Mode.MINOR)


@pytest.mark.parametrize(
    "name", ["A sharp major", "D sharp major", "G sharp major", "升A大调", "升D大调", "D flat minor"]
)
def test_keys_in_theory_only_are_no_answers(name: str) -> None:
    assert key_degree(name) is None


def test_the_usual_spelling_has_flats_in_both_languages() -> None:
    assert [key_name("A#", Mode.MAJOR, language) for language in ("en", "zh")] == ["B flat major", "降B大调"]
