"""Filtering loses nothing, depends on the corpus and the options alone, and survives being killed anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import copytree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.filters.config import NOTHING, Collapse, FilterConfig, NearDuplicates, load_filter_config
from soundseam.pipeline.filters.decide import HOLDING
from soundseam.pipeline.filters.launch import FilterRequest, run_filter
from soundseam.pipeline.filters.marks import read_marks
from soundseam.pipeline.sft.read import upstream_keys
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.storage.sweep import sweep
from soundseam.pipeline.work import CAPTIONS_STAGE, SEGMENTS_STAGE
from soundseam.schemas.tables import Table
from tests.pipeline.filters.corpora import commit_corpus, contents_of, filter_corpus, marked_texts, reasons_in, texts_in
from tests.support.builders import recording_id_of
from tests.support.crashes import killed_everywhere

TEXTS = {
    "ant": ["A dog barks in the yard behind the house.", "The detector hears a dog.", "Wind blows."],
    "bee": ["A dog barks in the yard behind the house.", "Rain falls on a tin roof while thunder rolls far away."],
    "cow": ["A dog barks in the yard behind the house.", "Dog."],
    "doe": ["Ein Hund bellt und der Wind ist mit dem Regen auf dem Dach."],
}
ONE_OF_EACH = FilterConfig(near_duplicates=NearDuplicates(keep=1))
STRICT = FilterConfig(near_duplicates=NearDuplicates(keep=1, similarity=0.3), collapse=Collapse(least=1, share=0.01))


@pytest.fixture
def output(tmp_path: Path) -> Path:
    commit_corpus(tmp_path / "out", TEXTS)
    return tmp_path / "out"


def everything(texts: Mapping[str, Sequence[str]] = TEXTS) -> list[str]:
    return sorted(text for captions in texts.values() for text in captions)


def test_what_is_filtered_leaves_the_captions_and_stands_in_rejected_with_its_reason(output: Path) -> None:
    summary, _ = filter_corpus(output, ONE_OF_EACH)
    kept, filtered = texts_in(output, Table.CAPTIONS), texts_in(output, Table.FILTERED)
    assert sorted(kept.values()) == [
        "A dog barks in the yard behind the house.",
        "Rain falls on a tin roof while thunder rolls far away.",
        "Wind blows.",
    ]
    assert reasons_in(output).keys() == filtered.keys()
    by_text = {filtered[name]: sorted(reasons) for name, reasons in reasons_in(output).items()}
    assert by_text == {
        "A dog barks in the yard behind the house.": ["near_duplicate"],
        "The detector hears a dog.": ["tool_jargon"],
        "Dog.": ["too_short"],
        "Ein Hund bellt und der Wind ist mit dem Regen auf dem Dach.": ["wrong_language"],
    }
    assert (summary.captions, summary.filtered) == (8, 5)
    assert dict(summary.reasons) == {"near_duplicate": 2, "tool_jargon": 1, "too_short": 1, "wrong_language": 1}


def test_nothing_is_lost_and_everything_comes_back_as_it_was(output: Path) -> None:
    before = contents_of(output)
    filter_corpus(output, STRICT)
    assert contents_of(output) != before
    assert sorted([*texts_in(output, Table.CAPTIONS).values(), *texts_in(output, Table.FILTERED).values()]) == (
        everything()
    )
    filter_corpus(output, NOTHING)
    assert contents_of(output) == before


def test_a_second_time_there_is_nothing_to_do(output: Path) -> None:
    first, was_due = filter_corpus(output, STRICT)
    assert was_due
    files = {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()}
    again, was_due = filter_corpus(output, STRICT)
    assert not was_due
    assert again == first
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()} == files


def test_without_its_summary_a_filter_finds_that_nothing_changes(output: Path) -> None:
    filter_corpus(output, STRICT)
    before = contents_of(output)
    (output / "_run" / "filter.json").unlink()
    summary, was_due = filter_corpus(output, STRICT)
    assert was_due
    assert summary.changed == 0
    assert contents_of(output) == before


def test_what_was_filtered_before_makes_no_difference(output: Path, tmp_path: Path) -> None:
    fresh = Path(copytree(output, tmp_path / "fresh"))
    filter_corpus(fresh, ONE_OF_EACH)
    for config in (STRICT, NOTHING, STRICT, ONE_OF_EACH):
        filter_corpus(output, config)
    assert contents_of(output) == contents_of(fresh)


def test_a_dry_run_counts_the_same_and_touches_nothing(output: Path) -> None:
    before = contents_of(output)
    counted, _ = filter_corpus(output, STRICT, dry_run=True)
    assert contents_of(output) == before
    assert not (output / "_run" / "filter.json").exists()
    done, _ = filter_corpus(output, STRICT)
    assert (counted.filtered, counted.reasons, counted.changed) == (done.filtered, done.reasons, done.changed)


def test_recordings_that_come_later_are_filtered_with_all_that_was_there(output: Path, tmp_path: Path) -> None:
    more = {"elk": ["A dog barks in the yard behind the house.", "A cat meows twice, then it is quiet."]}
    filter_corpus(output, ONE_OF_EACH)
    commit_corpus(output, more)
    assert len(texts_in(output, Table.CAPTIONS)) == 5
    _, was_due = filter_corpus(output, ONE_OF_EACH)
    assert was_due
    commit_corpus(tmp_path / "fresh", TEXTS)
    commit_corpus(tmp_path / "fresh", more)
    filter_corpus(tmp_path / "fresh", ONE_OF_EACH)
    assert contents_of(output) == contents_of(tmp_path / "fresh")


def test_captions_made_again_come_unfiltered_and_their_old_rows_go(output: Path) -> None:
    filter_corpus(output, ONE_OF_EACH)
    again = {"ant": ["A dog barks in the yard behind the house.", "A bell rings twice.", "Wind blows."]}
    commit_corpus(output, again, key="k2")
    wanted = {
        stage: {recording_id_of(name): "k2" if name == "ant" else "k" for name in TEXTS}
        for stage in (SEGMENTS_STAGE, CAPTIONS_STAGE)
    }
    sweep(str(output), wanted)
    texts = [*texts_in(output, Table.CAPTIONS).values(), *texts_in(output, Table.FILTERED).values()]
    assert sorted(texts) == everything({**TEXTS, **again})
    filter_corpus(output, ONE_OF_EACH)
    assert sorted(texts_in(output, Table.FILTERED).values()) == [
        "A dog barks in the yard behind the house.",
        "A dog barks in the yard behind the house.",
        "Dog.",
        "Ein Hund bellt und der Wind ist mit dem Regen auf dem Dach.",
    ]


def test_what_a_marker_covers_is_what_a_run_wants_whatever_is_filtered(output: Path) -> None:
    before = Corpus.load_present(str(output), [CAPTIONS_STAGE])
    filter_corpus(output, STRICT)
    after = Corpus.load_present(str(output), [CAPTIONS_STAGE])
    assert after.keys(CAPTIONS_STAGE) == before.keys(CAPTIONS_STAGE)
    sweep(str(output), {CAPTIONS_STAGE: {recording_id_of(name): "k" for name in TEXTS}})
    assert sorted(texts_in(output, Table.FILTERED).values()) != []


def test_samples_are_due_again_for_the_recordings_whose_captions_changed(output: Path) -> None:
    def keys() -> dict[str, str]:
        return upstream_keys(Corpus.load_present(str(output), [SEGMENTS_STAGE, CAPTIONS_STAGE]))

    before = keys()
    filter_corpus(output, FilterConfig(near_duplicates=NearDuplicates(enabled=False)))
    changed = {name for name, key in keys().items() if before[name] != key}
    assert changed == {recording_id_of(name) for name in ("ant", "cow", "doe")}
    filter_corpus(output, NOTHING)
    assert keys() == before


def test_killed_anywhere_no_caption_is_lost_and_the_same_command_finishes(tmp_path: Path) -> None:
    few = {"ant": TEXTS["ant"]}
    config = FilterConfig(near_duplicates=NearDuplicates(enabled=False))
    commit_corpus(tmp_path / "whole", few)
    filter_corpus(tmp_path / "whole", config)
    finished = contents_of(tmp_path / "whole")

    def arguments(point: int) -> tuple[object, ...]:
        commit_corpus(tmp_path / f"killed-{point}", few)
        return tmp_path / f"killed-{point}", config

    points = 0
    for point in killed_everywhere(filter_corpus, arguments):
        folder = tmp_path / f"killed-{point}"
        marked = marked_texts(folder)
        assert sorted([*marked[Table.CAPTIONS].values(), *marked[Table.FILTERED].values()]) == everything(few)
        filter_corpus(folder, config)
        assert contents_of(folder) == finished
        points += 1
    assert points > 10


WORDS = st.sampled_from(
    ["a dog barks", "rain falls", "someone speaks", "softly", "in the distance", "and", "twice", "dB"]
)
CAPTIONS = st.lists(WORDS, min_size=1, max_size=6).map(lambda words: f"{' '.join(words)}.")


@given(
    st.dictionaries(st.sampled_from(list("abcdef")), st.lists(CAPTIONS, min_size=1, max_size=3), min_size=1),
    st.integers(1, 3),
    st.floats(0.2, 1.0),
    st.integers(1, 3),
)
@settings(max_examples=12)
def test_every_caption_is_kept_or_filtered_with_a_reason(
    tmp_path_factory: pytest.TempPathFactory,
    texts: dict[str, list[str]],
    keep: int,
    similarity: float,
    least: int,
) -> None:
    output = tmp_path_factory.mktemp("corpus") / "out"
    commit_corpus(output, texts)
    config = FilterConfig(
        near_duplicates=NearDuplicates(keep=keep, similarity=similarity), collapse=Collapse(least=least, share=0.01)
    )
    filter_corpus(output, config)
    kept, filtered = texts_in(output, Table.CAPTIONS), texts_in(output, Table.FILTERED)
    assert not kept.keys() & filtered.keys()
    assert sorted([*kept.values(), *filtered.values()]) == everything(texts)
    assert reasons_in(output).keys() == filtered.keys()
    openings = [" ".join(text.split()[:3]) for text in kept.values()]
    assert all(openings.count(opening) <= least for opening in openings)
    assert all(list(kept.values()).count(text) <= keep for text in kept.values())


def test_a_folder_without_captions_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="there is no folder"):
        filter_corpus(tmp_path / "nowhere", STRICT)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SetupError, match="holds no corpus"):
        filter_corpus(tmp_path / "empty", STRICT)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("near_duplicates.similarity=2", "near_duplicates.similarity: .*less than or equal to 1"),
        ("languages=[de]", "languages.0: .*'en' or 'zh'"),
        ("colapse.share=0.1", "no key colapse; did you mean collapse"),
        ("jargon", "write it as key.path=value"),
    ],
)
def test_an_option_that_is_wrong_is_told_of(override: str, message: str) -> None:
    with pytest.raises(SetupError, match=message):
        load_filter_config(None, [override])


def test_options_come_from_a_file_too(tmp_path: Path) -> None:
    path = tmp_path / "filter.yaml"
    path.write_text("near_duplicates: {keep: 2}\nbanned: [dog]\n")
    config = load_filter_config(str(path), ["length.max_words=30"])
    assert (config.near_duplicates.keep, config.banned, config.length.max_words) == (2, ("dog",), 30)


def test_a_listener_s_mark_counts_more_than_the_filters(output: Path, tmp_path: Path) -> None:
    filter_corpus(output, ONE_OF_EACH)
    ids = {text: name for table in HOLDING for name, text in texts_in(output, table).items()}
    jargon, wind = ids["The detector hears a dog."], ids["Wind blows."]
    (tmp_path / "marks.csv").write_text(
        f'segment_id,mark,comment\r\n"{jargon}","accept",""\r\n"{wind}","reject","no wind, ""only"" rain"\r\nx,,odd\r\n'
    )
    marks = dict(read_marks(str(tmp_path / "marks.csv")))
    request = FilterRequest(output=str(output), config=ONE_OF_EACH, marks=marks)
    run_filter(request, lambda done, of: None)
    assert jargon in texts_in(output, Table.CAPTIONS)
    assert reasons_in(output)[wind] == ["marked"]
    assert not run_filter(request, lambda done, of: None)[1]
    filter_corpus(output, ONE_OF_EACH)
    assert wind in texts_in(output, Table.CAPTIONS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("segment_id,comment\na,b\n", "no column mark"),
        ("segment_id,mark,comment\na,acept,\n", "line 2: no mark acept; did you mean accept"),
    ],
)
def test_marks_that_cannot_be_read_are_a_wrong_set_up(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "marks.csv").write_text(text)
    with pytest.raises(SetupError, match=message):
        read_marks(str(tmp_path / "marks.csv"))
    with pytest.raises(SetupError, match="cannot read the marks"):
        read_marks(str(tmp_path / "missing.csv"))
