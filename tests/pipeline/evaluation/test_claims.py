"""Claims of captions, held against labels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from soundseam.annotators.grammar.composer import RULES
from soundseam.annotators.grammar.engine import CHINESE
from soundseam.pipeline.evaluation.claim_checks import at_odds, contradictions, reserved
from soundseam.pipeline.evaluation.claim_statement import Statement, stated_seconds
from soundseam.pipeline.evaluation.claim_truth import Truth, TruthEvent, read_truths
from soundseam.pipeline.evaluation.claims import (
    LabelledCaption,
    commonest_opening,
    distinct_openings,
    evaluate_claims,
    score_claims,
)
from soundseam.pipeline.evaluation.labelled import LabelledFolderError
from soundseam.schemas.claim import Claim, Evidence
from soundseam.schemas.event import Branch
from soundseam.schemas.timespan import TimeSpan
from tests.support.builders import a_caption, a_segment

SPAN = TimeSpan(0, 20_000)
SPEECH, MUSIC, SOUND = (Truth(events=(TruthEvent(branch),)) for branch in (Branch.SPEECH, Branch.MUSIC, Branch.GENERAL))
DOG = Truth(events=(TruthEvent(Branch.GENERAL, labels=frozenset({"Bark"})),))
D_MAJOR = Truth(events=(TruthEvent(Branch.MUSIC),), key="D major", tempo_bpm=116.0)
NOISY = Truth(events=(TruthEvent(Branch.SPEECH, SPAN),), is_timed=True, bed="noise")


def turns(*spans: tuple[str, int, int]) -> Truth:
    events = (TruthEvent(Branch.SPEECH, TimeSpan(start, end), speaker=name) for name, start, end in spans)
    return Truth(tuple(events), is_timed=True, is_complete=False)


def scene(*spans: tuple[Branch, int, int]) -> Truth:
    return Truth(tuple(TruthEvent(branch, TimeSpan(start, end)) for branch, start, end in spans), is_timed=True)


def said(text: str, rule: str, labels: tuple[str, ...] = ()) -> Claim:
    value = json.dumps(list(labels))
    evidence = Evidence(table="annotations/general", segment_id="s", backend="events", field="events", value=value)
    return Claim(text=text, rule=rule, evidence=(evidence,))


def kinds(
    text: str, truth: Truth, rule: str = "writer", labels: tuple[str, ...] = (), span: TimeSpan = SPAN
) -> set[str]:
    """What of the sentence is false."""
    return {kind for kind, _ in contradictions(Statement(said(text, rule, labels), span, truth.part(span)))[1]}


TWO_PEOPLE = turns(("a", 0, 9_000), ("b", 9_500, 20_000))
LATE_MUSIC = scene((Branch.SPEECH, 0, 8_000), (Branch.MUSIC, 8_000, 20_000))
GREETING = Truth(events=(TruthEvent(Branch.SPEECH),), text="good morning to you all")
FALSE = {
    "speech.opening": ("Someone speaks briskly.", MUSIC, {"speech"}),
    "speech.manner": ("The voice is low in pitch.", TWO_PEOPLE, {"one voice"}),
    "speech.speakers": ("Three people take turns speaking.", TWO_PEOPLE, {"speakers"}),
    "speech.long_pause": ("At one point the speaking stops for about three seconds.", TWO_PEOPLE, {"pause"}),
    "speech.melody": ("The intonation is lively.", SOUND, {"speech"}),
    "speech.background": ("The background is quiet.", NOISY, {"quiet"}),
    "speech.words": ("The words are \u201csee you tomorrow\u201d.", GREETING, {"quotation"}),
    "speech.level": ("The speech is loud.", SOUND, {"speech"}),
    "music.opening": ("Fast music in E minor plays.", D_MAJOR, {"key", "tempo"}),
    "music.character": ("The music is in a minor key.", D_MAJOR, {"key"}),
    "music.dynamics": ("The loudness stays even.", SPEECH, {"music"}),
    "music.timbre": ("Held notes carry the music.", SOUND, {"music"}),
    "music.density": ("Long gaps lie between the notes.", SOUND, {"music"}),
    "music.doubtful": ("What may be music is heard, and then music plays.", SOUND, {"music"}),
    "scene.streams": ("First music plays, then someone speaks.", LATE_MUSIC, {"order"}),
    "scene.stream": ("Music is heard throughout.", LATE_MUSIC, {"throughout"}),
    "scene.extent": ("The music only starts towards the end.", LATE_MUSIC, {"when"}),
    "scene.named_streams": ("Rain falls while someone speaks.", DOG, {"speech", "name"}),
    "scene.named_stream": ("Rain falls throughout.", DOG, {"name"}),
    "sounds.opening": ("While music plays, two sounds are heard.", SPEECH, {"music"}),
    "sounds.plain_opening": ("As someone speaks, a sound is heard.", MUSIC, {"speech"}),
    "sounds.measured": ("A sound lasting about half a minute is heard.", SOUND, {"duration"}),
    "sounds.plain": ("There are two vocal sounds.", DOG, {"kind of sound"}),
    "sounds.named_opening": ("Someone sings while rain falls.", DOG, {"singing", "name"}),
    "sounds.named": ("Rain falls near the start.", DOG, {"name"}),
    "general.repetition": ("A sound returns at even intervals, about half a minute apart.", SOUND, {"duration"}),
    "general.quiet": ("Otherwise it is quiet.", NOISY, {"quiet"}),
}
"""Rule → a sentence of its kind, labels that contradict it, and what is then false."""
BEYOND_LABELS = {"sounds.steady", "general.steady", "general.decay", "general.dull", "general.level"}
"""Rules of how a sound is, of which no label speaks; their measures have tests of their own."""


def test_every_rule_is_held_against_labels_or_known_to_be_beyond_them() -> None:
    in_english = {rule for rule in RULES if CHINESE not in rule}
    assert {*FALSE, *BEYOND_LABELS} == in_english
    assert {rule for rule in RULES if CHINESE in rule} == {f"{rule}{CHINESE}" for rule in in_english}


@pytest.mark.parametrize("rule", sorted(FALSE))
def test_a_claim_that_labels_contradict_is_false(rule: str) -> None:
    text, truth, wrong = FALSE[rule]
    assert kinds(text, truth, rule, ("Rain",)) == wrong


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("Someone speaks briskly in a low-pitched voice.", SPEECH),
        ("Music in D major plays at a moderate tempo.", D_MAJOR),
        ("The music is in a major key.", D_MAJOR),
        ("Two people take turns speaking.", TWO_PEOPLE),
        ("First someone speaks, then music plays.", LATE_MUSIC),
        ("The music begins about a third of the way through.", LATE_MUSIC),
        ("Music plays throughout.", Truth(scene((Branch.SPEECH, 0, 9_000)).events, is_timed=True, bed="music")),
        ("A dog barks twice.", DOG),
        ("Animal sounds are heard.", DOG),
        ("A sound lasting about a quarter of a minute is heard.", SOUND),
        ("What may be music is heard.", SOUND),
        ("Otherwise it is quiet.", Truth(SPEECH.events, bed="quiet")),
        ('Someone says "press one".', Truth(SPEECH.events, text="To speak, press one.")),
        ("Someone speaks in English.", Truth(SPEECH.events, language="en")),
    ],
)
def test_a_claim_that_labels_bear_out_is_not(text: str, truth: Truth) -> None:
    assert kinds(text, truth, "scene.extent" if "begins" in text else "writer", ("Bark",)) == set()


def test_words_and_languages_that_a_writer_made_up_are_false() -> None:
    truth = Truth(SPEECH.events, text="To speak, press one.", language="en")
    assert kinds('Someone says in French: "press two".', truth) == {"quotation", "language"}


def test_what_is_said_with_reserve_is_counted_apart() -> None:
    statement = Statement(said("There is what may be music throughout.", "music.doubtful"), SPAN, SOUND)
    assert contradictions(statement)[1] == []
    assert reserved(statement) == ["there is no music"]


def test_what_goes_on_throughout_does_not_begin_in_the_same_caption() -> None:
    claims = [
        said("Music plays throughout.", "scene.stream"),
        said("The music only starts near the start.", "scene.extent"),
    ]
    assert [claim for claim, _ in at_odds(claims)] == claims[1:]
    assert not list(at_odds([said("Rain falls throughout.", "scene.named_stream"), claims[1]]))


def test_durations_are_read_in_words_too() -> None:
    assert stated_seconds("about half a minute") == [30.0]
    assert stated_seconds("lasting about three seconds") == [3.0]
    assert stated_seconds("about a second") == [1.0]


def labelled(start_ms: int, text: str, truth: Truth = MUSIC) -> LabelledCaption:
    segment = a_segment(start_ms=start_ms, end_ms=start_ms + 10_000)
    caption = a_caption(segment, text).model_copy(update={"claims": (said(text, "music.opening"),)})
    return LabelledCaption(caption, segment.span, "a.wav", truth)


def test_one_piece_has_one_key() -> None:
    piece = [labelled(at * 10_000, text) for at, text in enumerate(["Music in D major plays."] * 2)]
    other = labelled(20_000, "Music in A minor plays.")
    scores = score_claims([*piece, other])
    assert [claim.segment_id for claim in scores.false] == [other.caption.segment_id]
    assert scores.false_share == pytest.approx(1 / 3)
    assert score_claims([*piece, labelled(20_000, "Music in a major key plays.")]).false == ()


def test_labels_of_one_recording_in_several_lists_are_joined(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"one")
    (tmp_path / "b.wav").write_bytes(b"one")
    event = {"cls": "music", "onset": 1.0, "offset": 2.0}
    lists = {
        "clips.jsonl": [{"file": "a.wav", "label": "music"}],
        "scenes.jsonl": [{"file": "b.wav", "duration": 3.0, "bed": "quiet", "events": [event]}],
        "pieces.jsonl": [{"file": "a.wav", "key": "D major"}],
    }
    for name, rows in lists.items():
        (tmp_path / name).write_text("\n".join(map(json.dumps, rows)))
    (truth,) = read_truths(tmp_path).values()
    assert (truth.is_timed, truth.key, truth.bed) == (True, "D major", "quiet")
    assert truth.spans(Branch.MUSIC) == [TimeSpan(1_000, 2_000)]


def test_a_folder_without_lists_or_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabelledFolderError, match=r"has none of clips\.jsonl"):
        read_truths(tmp_path)
    (tmp_path / "clips.jsonl").write_text('{"file": "away.wav", "label": "music"}')
    with pytest.raises(LabelledFolderError, match=r"away\.wav is listed, but does not exist"):
        read_truths(tmp_path)


def test_no_caption_of_the_samples_says_what_their_labels_contradict(sample_corpus: Path) -> None:
    scores = evaluate_claims(str(sample_corpus), Path("samples/truth"))
    assert scores.judged > 20
    assert [(claim.text, claim.why) for claim in scores.false] == []


def test_openings_are_counted_without_case_and_punctuation() -> None:
    texts = ["A dog barks, and howls.", "A dog barks and runs.", "Rain.", "A dog sleeps."]
    captions = [a_caption(a_segment(), text) for text in texts]
    assert (distinct_openings(captions), commonest_opening(captions)) == (0.75, 0.5)
    assert (distinct_openings([]), commonest_opening([])) == (None, None)


def test_of_many_captions_openings_are_counted_per_sample() -> None:
    captions = [a_caption(a_segment(), f"Sound {number % 100} is heard") for number in range(400)]
    assert distinct_openings(captions) == 0.5
