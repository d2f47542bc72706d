"""What is wrong with a caption by itself, and with captions that are alike or begin alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.pipeline.captions.caption_config import CaptionConfig
from soundseam.pipeline.captions.merge import merge_segment
from soundseam.pipeline.filters.checks import FilterReason, check_alone, time_coverage
from soundseam.pipeline.filters.config import NOTHING, Collapse, FilterConfig, Lengths, NearDuplicates
from soundseam.pipeline.filters.decide import Openings
from soundseam.pipeline.filters.near_duplicates import NearDuplicateIndex, runs_of
from soundseam.schemas.claim import Claim, Evidence
from soundseam.schemas.event import EventClass
from tests.pipeline.filters.corpora import a_told_caption, a_told_segment
from tests.support.builders import a_segment, an_event
from tests.support.caption_rows import plausible, with_captions

SEGMENT = a_told_segment("a", 0)


def found(text: str, config: FilterConfig, language: str = "en", verified: bool | None = None) -> list[str]:
    caption = a_told_caption(SEGMENT, text, language, verified)
    return [finding.reason.value for finding in check_alone(caption, SEGMENT, config)]


@pytest.mark.parametrize(
    ("text", "language", "reasons"),
    [
        ("A dog barks.", "en", []),
        ("狗在院子里叫了两声。", "zh", []),
        ("The classifier hears a dog.", "en", ["tool_jargon"]),
        ("检测器听到狗叫。", "zh", ["tool_jargon"]),
        ("Someone says \u201cthe classifier\u201d.", "en", []),
        ("一只狗在院子里叫了两声 而且叫得很响。", "en", ["wrong_language"]),
        ("A dog barks in the yard.", "zh", ["wrong_language"]),
        ("A dog barks.", "fr", ["wrong_language"]),
        ("Dog.", "en", ["too_short"]),
        ("狗叫。", "zh", ["too_short"]),
        (f"A dog {'barks and ' * 70}barks.", "en", ["too_long"]),
        ("", "en", ["too_short"]),
    ],
)
def test_words_are_checked(text: str, language: str, reasons: list[str]) -> None:
    assert found(text, FilterConfig(), language) == reasons
    assert found(text, NOTHING, "en" if language == "fr" else language) == []


@pytest.mark.parametrize(
    ("banned", "text", "is_found"),
    [("dog", "A DOG barks.", True), ("dog", "A dogma is told.", False), ("狗", "一只狗在叫。", True)],
)
def test_banned_words_are_whole_words_whatever_their_case(banned: str, text: str, is_found: bool) -> None:
    config = NOTHING.model_copy(update={"banned": (banned,)})
    assert found(text, config) == (["banned_word"] if is_found else [])


@pytest.mark.parametrize(("verified", "reasons"), [(True, []), (False, ["unverified"]), (None, ["unverified"])])
def test_only_what_was_verified_may_be_kept(verified: bool | None, reasons: list[str]) -> None:
    config = NOTHING.model_copy(update={"verified_only": True})
    assert found("A dog barks.", config, verified=verified) == reasons


def claim(*evidence: tuple[str, str, str]) -> Claim:
    return Claim(
        text="It is heard.",
        rule="r",
        evidence=tuple(
            Evidence(table=table, segment_id="s", backend=None, field=field, value=value)
            for table, field, value in evidence
        ),
    )


EVENTS = (an_event(EventClass.SPEECH, 0, 6_000), an_event(EventClass.ANIMAL, 6_000, 10_000))


@pytest.mark.parametrize(
    ("evidence", "share"),
    [
        ([("segments", "events.*.onset_ms", "[0,6000]"), ("segments", "events.*.offset_ms", "[6000,10000]")], 1.0),
        ([("segments", "events.1.onset_ms", "6000"), ("segments", "events.1.offset_ms", "10000")], 0.4),
        ([("annotations/speech", "voice.speech_ms", "6000"), ("segments", "profile.*.class", "[]")], 0.6),
        ([("annotations/music", "rhythm.tempo_bpm", "120.0")], 0.0),
        ([("annotations/general", "acoustics.level_dbfs", "-20.0")], 0.0),
        ([("annotations/general", "caption_claims.0.text", '"A dog barks."')], 1.0),
        ([("annotations/music", "chords.0.start_ms", "1000"), ("annotations/music", "chords.0.end_ms", "3000")], 0.2),
    ],
)
def test_a_caption_covers_what_its_evidence_is_about(evidence: list[tuple[str, str, str]], share: float) -> None:
    assert time_coverage([claim(*evidence)], EVENTS) == pytest.approx(share)


def test_two_claims_cover_their_union_and_nothing_is_covered_where_nothing_happens() -> None:
    first = claim(("segments", "events.0.onset_ms", "0"), ("segments", "events.0.offset_ms", "5000"))
    second = claim(("segments", "events.0.onset_ms", "3000"), ("segments", "events.0.offset_ms", "7000"))
    assert time_coverage([first, second], EVENTS) == pytest.approx(0.7)
    assert time_coverage([], ()) == 1.0
    assert time_coverage([], EVENTS) == 0.0


def test_a_caption_that_leaves_most_of_the_time_out_is_found() -> None:
    segment = a_segment("a", 0, 10_000, EVENTS)
    caption = a_told_caption(segment, "Someone speaks.").model_copy(
        update={
            "claims": (claim(("segments", "events.1.onset_ms", "6000"), ("segments", "events.1.offset_ms", "10000")),)
        }
    )
    (finding,) = check_alone(caption, segment, FilterConfig())
    assert finding.reason is FilterReason.LOW_COVERAGE
    assert "covers 40% of the time with events; the minimum is 50%" in finding.detail


def test_what_the_grammar_writes_passes_with_the_defaults() -> None:
    for seed in range(150):
        one, rows = plausible(seed)
        caption = merge_segment(one, with_captions(one, rows), CaptionConfig(), "k")
        assert list(check_alone(caption, one, FilterConfig())) == []


@pytest.mark.parametrize(
    ("text", "words", "runs"),
    [
        ("A dog barks.", 2, ["a dog", "dog barks"]),
        ("Dog!", 3, ["dog"]),
        ("狗叫了", 2, ["叫 了", "狗 叫"]),
        ("", 3, [""]),
    ],
)
def test_runs_of_words_are_what_is_compared(text: str, words: int, runs: list[str]) -> None:
    assert runs_of(text, words) == [run.encode() for run in sorted(runs)]


@given(st.text(max_size=60))
def test_a_caption_is_alike_to_itself(text: str) -> None:
    index = NearDuplicateIndex(NearDuplicates(permutations=32))
    sketch, alike = index.look_up(text)
    assert alike == []
    index.keep("first", sketch)
    _, again = index.look_up(f" {text.upper()}!" if text.upper().lower() == text.lower() else text)
    assert [(one.name, one.similarity) for one in again] == [("first", 1.0)]


def test_similar_captions_are_found_and_others_are_not() -> None:
    index = NearDuplicateIndex(NearDuplicates(similarity=0.6))
    base = (
        "a dog barks twice in the yard while rain falls on the roof "
        "and the wind blows through the trees near the old house"
    )
    sketch, _ = index.look_up(base)
    index.keep("base", sketch)
    _, near = index.look_up(base.replace("twice", "again"))
    assert [one.name for one in near] == ["base"]
    assert 0.6 <= near[0].similarity < 1.0
    assert index.look_up("someone speaks slowly over soft piano music in a quiet room with some echo")[1] == []


@pytest.mark.parametrize("similarity", [0.05, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("permutations", [32, 64, 256])
def test_any_similarity_and_number_of_permutations_finds_a_copy(similarity: float, permutations: int) -> None:
    index = NearDuplicateIndex(NearDuplicates(similarity=similarity, permutations=permutations))
    sketch, _ = index.look_up("A dog barks twice in the yard.")
    index.keep("base", sketch)
    assert [one.name for one in index.look_up("a dog barks twice in the yard")[1]] == ["base"]


def test_of_a_common_opening_so_many_are_kept_as_are_allowed_and_the_same_each_time() -> None:
    config = Collapse(share=0.1, least=2, words=2)
    captions = {
        f"s{number:03d}": "There is a dog." if number % 2 else f"Sound {number} is heard." for number in range(100)
    }

    def excess() -> list[str]:
        openings = Openings(config)
        for name, text in captions.items():
            openings.count(name, text)
        limits = openings.limits()
        return [name for name, text in captions.items() if limits.excess(name, text)]

    assert len(excess()) == 40
    assert excess() == excess()
    assert all(captions[name] == "There is a dog." for name in excess())


def test_a_small_corpus_may_begin_as_it_likes() -> None:
    openings = Openings(Collapse())
    for number in range(20):
        openings.count(str(number), "There is a sound.")
    assert openings.limits().excess("3", "There is a sound.") is None


def test_lengths_are_told_in_words() -> None:
    config = NOTHING.model_copy(update={"length": Lengths(min_words=3, max_words=5)})
    assert found("One two.", config) == ["too_short"]
    assert found("一二三四五六七八九十一二。", config, "zh") == ["too_long"]
