from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pytest
import soundfile

from soundseam.annotators.base import Annotator, Backend, Clip
from soundseam.annotators.music.mir import Mir
from soundseam.annotators.music.structure import Structure
from soundseam.pipeline.evaluation.labelled import LabelledFolderError
from soundseam.pipeline.evaluation.music import MusicTruth, TrueSpan, clip_spans, cut_truth, evaluate_music, score_facts
from soundseam.schemas.event import Branch
from soundseam.schemas.music import Chord, Mode, MusicFacts, Rhythm, Section, Tonality
from soundseam.schemas.timespan import TimeSpan

WHOLE = TimeSpan(0, 16_000)
BEATS = tuple(range(500, 16_000, 500))
TRUTH = MusicTruth(
    file="a.wav",
    key="A minor",
    tempo_bpm=120.0,
    beats_per_bar=4,
    beats_ms=BEATS,
    downbeats_ms=BEATS[::4],
    chords=(
        TrueSpan(start_ms=0, end_ms=8_000, label="A:min7/b3"),
        TrueSpan(start_ms=8_000, end_ms=16_000, label="E:7"),
    ),
    sections=(TrueSpan(start_ms=0, end_ms=8_000, label="A"), TrueSpan(start_ms=8_000, end_ms=16_000, label="B")),
)


def rhythm(tempo: float, beats: Sequence[int] = BEATS, alternatives: tuple[float, ...] = ()) -> Rhythm:
    return Rhythm(
        tempo_bpm=tempo,
        tempo_confidence=1.0,
        beats_ms=tuple(beats),
        onset_rate_hz=2.0,
        tempo_alternatives_bpm=alternatives,
        beats_per_bar=4,
        meter_confidence=1.0,
        downbeats_ms=tuple(beats[::4]),
    )


def tonality(tonic: str, mode: Mode) -> Tonality:
    return Tonality(tonic=tonic, mode=mode, confidence=1.0, runner_up="C major", tuning_cents=0.0)


def right_answer() -> MusicFacts:
    return MusicFacts(
        rhythm=rhythm(120.0),
        tonality=tonality("A", Mode.MINOR),
        chords=(
            Chord(start_ms=0, end_ms=8_000, label="A:min", confidence=1.0),
            Chord(start_ms=8_000, end_ms=16_000, label="E:7", confidence=1.0),
        ),
        sections=(
            Section(start_ms=0, end_ms=8_000, label="A"),
            Section(start_ms=8_000, end_ms=16_000, label="B"),
        ),
    )


def test_a_right_answer_has_full_marks() -> None:
    scores = score_facts(right_answer(), TRUTH, WHOLE)
    seventh_missed = scores.pop("chords_sevenths")
    assert set(scores.values()) == {1.0}
    assert seventh_missed == pytest.approx(0.5, abs=0.01)


def test_no_answer_has_no_marks() -> None:
    scores = score_facts(MusicFacts(), TRUTH, WHOLE)
    assert set(scores.values()) == {0.0}


def test_what_the_truth_does_not_say_is_not_measured() -> None:
    assert score_facts(right_answer(), MusicTruth(file="a.wav", key="A minor"), WHOLE) == {"key": 1.0}


def test_half_the_tempo_is_an_octave_off() -> None:
    scores = score_facts(MusicFacts(rhythm=rhythm(60.0)), TRUTH, WHOLE)
    assert (scores["tempo_exact"], scores["tempo_octave"], scores["tempo_p"]) == (0.0, 1.0, 0.0)


def test_the_p_score_counts_the_first_alternative_too() -> None:
    scores = score_facts(MusicFacts(rhythm=rhythm(60.0, alternatives=(120.0,))), TRUTH, WHOLE)
    assert (scores["tempo_exact"], scores["tempo_p"]) == (0.0, 1.0)


def test_a_tempo_two_thirds_as_fast_is_wrong() -> None:
    scores = score_facts(MusicFacts(rhythm=rhythm(80.0)), TRUTH, WHOLE)
    assert (scores["tempo_octave"], scores["tempo_p"]) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("tonic", "mode", "score"),
    [("A", Mode.MINOR, 1.0), ("E", Mode.MINOR, 0.5), ("C", Mode.MAJOR, 0.3), ("A", Mode.MAJOR, 0.2)],
)
def test_near_keys_have_part_of_the_marks(tonic: str, mode: Mode, score: float) -> None:
    assert score_facts(MusicFacts(tonality=tonality(tonic, mode)), TRUTH, WHOLE)["key"] == score


def test_a_chord_that_ends_where_the_truth_begins_does_not_count() -> None:
    truth = MusicTruth(file="a.wav", chords=(TrueSpan(start_ms=882, end_ms=8_000, label="G:min"),))
    answer = MusicFacts(
        chords=(
            Chord(start_ms=0, end_ms=882, label="N", confidence=1.0),
            Chord(start_ms=882, end_ms=8_000, label="G:min", confidence=1.0),
        )
    )
    assert score_facts(answer, truth, WHOLE)["chords_majmin"] == 1.0


def test_beats_between_the_beats_are_wrong() -> None:
    between = [beat + 250 for beat in BEATS]
    assert score_facts(MusicFacts(rhythm=rhythm(120.0, between)), TRUTH, WHOLE)["beat_f"] == 0.0


def test_a_clip_has_the_part_of_the_truth_inside_it() -> None:
    cut = cut_truth(TRUTH, TimeSpan(4_000, 10_000))
    assert (cut.beats_ms[0], cut.beats_ms[-1], cut.tempo_bpm) == (4_000, 9_500, 120.0)
    assert [(one.start_ms, one.end_ms) for one in cut.chords] == [(4_000, 8_000), (8_000, 10_000)]


def test_clips_cover_a_piece_and_the_last_is_no_scrap() -> None:
    assert list(clip_spans(64_000, 30.0)) == [TimeSpan(0, 30_000), TimeSpan(30_000, 64_000)]
    assert list(clip_spans(66_000, 30.0))[-1] == TimeSpan(60_000, 66_000)
    assert list(clip_spans(66_000, None)) == [TimeSpan(0, 66_000)]


class KnowsTheKey(Backend[MusicFacts]):
    kind: Literal["knows_the_key"] = "knows_the_key"
    branch: ClassVar[Branch] = Branch.MUSIC
    licence: ClassVar[str] = "Apache-2.0"

    @property
    def model(self) -> str:
        return "oracle"

    @property
    def revision(self) -> str:
        return "1"

    def load(self) -> Annotator[MusicFacts]:
        return KeyOracle()


class KeyOracle:
    def annotate(self, clips: Sequence[Clip]) -> Sequence[MusicFacts]:
        return [MusicFacts(tonality=tonality("A", Mode.MINOR)) for _ in clips]


def write_piece(folder: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 16 * 22_050)
    soundfile.write(folder / "a.wav", noise, 22_050)
    (folder / "pieces.jsonl").write_text(json.dumps(TRUTH.model_dump(mode="json")) + "\n")


def test_each_backend_is_scored_for_what_it_answers(tmp_path: Path) -> None:
    write_piece(tmp_path)
    found = evaluate_music(tmp_path, [Mir(), KnowsTheKey(), Structure()])
    mir, oracle, structure = found.backends
    assert (found.pieces, found.audio_s) == (1, 16.0)
    assert (mir.mean("key"), oracle.mean("key"), structure.mean("key")) == (None, 1.0, 0.0)
    assert oracle.means == (("key", 1.0, 1),)
    assert mir.mean("beat_f") is not None
    assert [name for name, _, _ in structure.means] == ["key", "sections_f_500ms", "sections_f_3s"]


def test_a_folder_without_truth_says_so(tmp_path: Path) -> None:
    with pytest.raises(LabelledFolderError, match=r"pieces\.jsonl"):
        evaluate_music(tmp_path, [])


def test_a_line_that_does_not_fit_is_named(tmp_path: Path) -> None:
    (tmp_path / "pieces.jsonl").write_text('{"file": "a.wav"}\n{"file": "b.wav", "tempo": 3}\n')
    with pytest.raises(LabelledFolderError, match="line 2: tempo"):
        evaluate_music(tmp_path, [])


def test_a_file_that_is_no_audio_is_named(tmp_path: Path) -> None:
    (tmp_path / "pieces.jsonl").write_text('{"file": "a.wav", "key": "A minor"}\n')
    (tmp_path / "a.wav").write_bytes(b"no sound")
    with pytest.raises(LabelledFolderError, match=r"a\.wav cannot be read"):
        evaluate_music(tmp_path, [KnowsTheKey()])
