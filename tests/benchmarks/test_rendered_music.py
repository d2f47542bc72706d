from __future__ import annotations

import itertools
import shutil
import struct
from pathlib import Path

import mir_eval
import numpy as np
import pytest
import soundfile

from benchmarks.rendered_music.arrangement import DRUMS, arrange
from benchmarks.rendered_music.midi import midi_bytes
from benchmarks.rendered_music.render import SOUNDFONT, render_piece, truth_of
from benchmarks.rendered_music.score import Score, draw_score

SEEDS = range(40)

needs_fluidsynth = pytest.mark.skipif(
    shutil.which("fluidsynth") is None or not SOUNDFONT.exists(), reason="needs fluidsynth and its soundfont"
)


def score(seed: int) -> Score:
    return draw_score(np.random.default_rng(seed))


def test_a_seed_gives_one_score_and_one_arrangement() -> None:
    one, again = np.random.default_rng(7), np.random.default_rng(7)
    first, second = draw_score(one), draw_score(again)
    assert truth_of("a", first) == truth_of("a", second)
    assert arrange(first, one) == arrange(second, again)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_truth_is_whole(seed: int) -> None:
    truth = truth_of("a", score(seed))
    assert truth.tempo_bpm is not None
    assert 55 < truth.tempo_bpm < 195
    assert set(truth.downbeats_ms) <= set(truth.beats_ms)
    assert truth.chords[0].start_ms == truth.beats_ms[0]
    for spans in (truth.chords, truth.sections):
        assert all(left.end_ms == right.start_ms for left, right in itertools.pairwise(spans))
        assert all(span.end_ms > span.start_ms for span in spans)
    for chord in truth.chords:
        mir_eval.chord.validate_chord_label(chord.label)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_chord_sounds_on_its_own_bass(seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = draw_score(rng)
    notes, _ = arrange(drawn, rng)
    for placed in drawn.chords:
        starting = [n for n in notes if n.start_beat == placed.start_beat and n.channel != DRUMS]
        assert min(starting, key=lambda note: note.pitch).pitch % 12 == placed.chord.bass


def test_forty_pieces_differ_in_key_meter_tempo_and_form() -> None:
    truths = [truth_of("a", score(seed)) for seed in SEEDS]
    assert len({truth.key for truth in truths}) >= 12
    assert {truth.beats_per_bar for truth in truths} == {2, 3, 4}
    assert len({tuple(one.label for one in truth.sections) for truth in truths}) >= 4
    assert any("/" in chord.label for truth in truths for chord in truth.chords)
    assert any(chord.label.endswith("7") for truth in truths for chord in truth.chords)


def test_a_midi_file_has_one_track_that_fills_it() -> None:
    rng = np.random.default_rng(3)
    drawn = draw_score(rng)
    notes, programs = arrange(drawn, rng)
    data = midi_bytes(drawn, notes, programs, [0.0] * len(notes))
    assert data[:14] == b"MThd" + struct.pack(">IHHH", 6, 0, 1, 500)
    assert data[14:18] == b"MTrk"
    assert struct.unpack(">I", data[18:22])[0] == len(data) - 22
    assert data.endswith(b"\xff\x2f\x00")


@needs_fluidsynth
def test_a_rendered_piece_lasts_as_long_as_its_score(tmp_path: Path) -> None:
    truth = render_piece(seed=5, index=1, folder=tmp_path)
    info = soundfile.info(tmp_path / truth.file)
    assert truth.sections[-1].end_ms / 1000 < info.duration < truth.sections[-1].end_ms / 1000 + 10
