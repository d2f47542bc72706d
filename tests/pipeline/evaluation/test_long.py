"""What a recording's caption says is held against what is known of the recording."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from soundseam.pipeline.evaluation.labelled import LabelledFolderError
from soundseam.pipeline.evaluation.long import LongScores, read_long_truths, score_long
from soundseam.pipeline.evaluation.long_claims import LongTruth, TrueSpan, false_texts
from soundseam.pipeline.long.caption import caption_recording
from soundseam.pipeline.long.config import LongConfig
from soundseam.schemas.long import RecordingCaption
from soundseam.schemas.timespan import TimeSpan
from tests.pipeline.long.test_caption import DAY

TRUTH = LongTruth(
    turns=(
        TrueSpan("Ann", TimeSpan(0, 12_000)),
        TrueSpan("Ben", TimeSpan(12_000, 30_000)),
        TrueSpan("Ann", TimeSpan(30_000, 40_000)),
        TrueSpan("Ann", TimeSpan(100_000, 130_000)),
    ),
    chapters=(TimeSpan(0, 40_000), TimeSpan(40_500, 70_000), TimeSpan(70_500, 99_000), TimeSpan(100_000, 130_000)),
    pieces=(TrueSpan("waltz", TimeSpan(40_000, 70_000)),),
    sounds=(
        TrueSpan("bell", TimeSpan(70_000, 90_000), frozenset({"Bell"})),
        TrueSpan("bell", TimeSpan(95_000, 99_000), frozenset({"Bell"})),
    ),
    is_complete=True,
)
CAPTION = caption_recording(DAY, LongConfig(), "k")


def scores(truth: LongTruth = TRUTH, caption: RecordingCaption = CAPTION) -> LongScores:
    return score_long([(caption, truth)])


def test_a_caption_that_says_what_is_known_has_no_false_text() -> None:
    found = scores()
    assert found.false == ()
    assert (found.speaker_right, found.speaker_counts_right, found.counts_right, found.order_right) == (1, 1, 1, 1)


def test_boundaries_are_found_within_two_seconds() -> None:
    found = scores()
    assert found.boundary_precision == 1
    assert found.boundary_recall == 1
    moved = tuple(TimeSpan(span.start_ms + 5_000, span.end_ms + 5_000) for span in TRUTH.chapters)
    other = LongTruth(TRUTH.turns, moved, TRUTH.pieces, TRUTH.sounds, is_complete=True)
    assert scores(other).boundary_recall == 0


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"turns": TRUTH.turns[:1]}, "Speaker 1 does not speak"),
        ({"pieces": ()}, "no music plays"),
        ({"sounds": TRUTH.sounds[:1]}, "1 to 1 times"),
        ({"sounds": (TrueSpan("frog", TimeSpan(70_000, 90_000), frozenset({"Frog"})),)}, "there is no a bell"),
        ({"turns": (*TRUTH.turns, TrueSpan("Cleo", TimeSpan(131_000, 140_000)))}, "3 speak"),
        ({"pieces": (TrueSpan("waltz", TimeSpan(40_000, 45_000)),)}, "5 s"),
    ],
)
def test_what_contradicts_the_truth_is_named(changes: dict[str, object], why: str) -> None:
    truth = LongTruth(**{**TRUTH.__dict__, **changes})  # type: ignore[arg-type]
    assert any(why in one.why for one in false_texts(CAPTION, truth))


def test_a_list_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabelledFolderError, match="neither"):
        read_long_truths(tmp_path)


def test_a_list_gives_the_truth_of_each_file(tmp_path: Path) -> None:
    (tmp_path / "a.flac").write_bytes(b"a")
    span = {"onset": 0.5, "offset": 2.0}
    line = {"file": "a.flac", "chapters": [{"kind": "talk", **span}], "turns": [{"speaker": "Ann", **span}]}
    (tmp_path / "long.jsonl").write_text(json.dumps({**line, "pieces": [], "sounds": [{"label": "A cow.", **span}]}))
    (truth,) = read_long_truths(tmp_path).values()
    assert truth.chapters == (TimeSpan(500, 2_000),)
    assert truth.sounds[0].is_called("Animal")
    assert not truth.sounds[0].is_called("Frog")
