"""Keys and chords from pitch classes that are set by hand: the limits, the way back to time, and turning to any key."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseam.annotators.music.harmony import (
    LABELS,
    NO_CHORD,
    PITCH_CLASSES,
    ChordPath,
    Key,
    KeyEstimate,
    chord_scores,
    find_chords,
    find_key,
    key_evidence,
    merged,
    step_edges_ms,
    step_features,
)
from soundseam.annotators.music.spectra import FRAME_MS, SLOW_FRAME_MS, Array, Chroma
from soundseam.schemas.music import Mode

STEPS = {"maj": (0, 4, 7), "min": (0, 3, 7)}
CADENCE = ["C:maj", "F:maj", "G:maj", "C:maj", "A:min", "D:min", "G:maj", "C:maj"]
MINOR_CADENCE = ["A:min", "D:min", "E:maj", "A:min", "F:maj", "D:min", "E:maj", "A:min"]
CHANGE_COST = 2.0


def chroma_of(labels: list[str], each_ms: float = 2_000.0) -> Chroma:
    """Each chord for `each_ms`: its notes above, its root in the bass; nothing for N."""
    count = round(len(labels) * each_ms / SLOW_FRAME_MS)
    treble, bass = np.zeros((count, 12)), np.zeros((count, 12))
    for frame in range(count):
        label = labels[min(len(labels) - 1, int(frame * SLOW_FRAME_MS // each_ms))]
        if label != "N":
            name, _, quality = label.partition(":")
            root = PITCH_CLASSES.index(name)
            bass[frame, root] = 1.0
            treble[frame, [(root + step) % 12 for step in STEPS[quality]]] = 1.0
    return Chroma(treble=treble, bass=bass, tuning_cents=None, notes=np.zeros((count, 1)))


def path_of(labels: list[str], each_ms: float = 2_000.0) -> ChordPath:
    return find_chords(chroma_of(labels, each_ms), None, len(labels) * each_ms)


def turned(label: str, semitones: int) -> str:
    name, _, quality = label.partition(":")
    return f"{PITCH_CLASSES[(PITCH_CLASSES.index(name) + semitones) % 12]}:{quality}"


def shares_of(**shares: float) -> Array:
    """Of chords by name, `C` for C:maj; what is left is no chord."""
    found = np.zeros(len(LABELS))
    for name, share in shares.items():
        found[LABELS.index(f"{name}:maj")] = share
    found[NO_CHORD] = 1 - found.sum()
    return found


def features_of(treble: dict[str, float], bass: dict[str, float] | None = None) -> Array:
    found = np.zeros(24)
    for offset, half in ((0, treble), (12, bass or {})):
        for name, strength in half.items():
            found[offset + PITCH_CLASSES.index(name)] = strength
    return found


TRIAD = features_of({"C": 1.0, "E": 0.8, "G": 0.9})
THIRDS = shares_of(C=0.4, F=0.3, G=0.3)


def key_of(features: Array = TRIAD, shares: Array = THIRDS, duration_ms: float = 8_000.0) -> str | None:
    found = find_key(features, shares, duration_ms)
    return found.best.text if found else None


@pytest.mark.parametrize("semitones", range(12))
@pytest.mark.parametrize(("cadence", "tonic", "mode"), [(CADENCE, 0, Mode.MAJOR), (MINOR_CADENCE, 9, Mode.MINOR)])
def test_a_cadence_turned_to_any_key_has_its_chords_and_its_key_there(
    semitones: int, cadence: list[str], tonic: int, mode: Mode
) -> None:
    plain, path = path_of(cadence), path_of([turned(label, semitones) for label in cadence])
    names = [label for *_, label, _ in merged(path)]
    assert names == [turned(label, semitones) for label in cadence]
    here, there = (find_key(one.mean_features, one.shares, 16_000) for one in (plain, path))
    assert here is not None
    assert there == KeyEstimate(
        Key((tonic + semitones) % 12, mode),
        Key((here.runner_up.tonic + semitones) % 12, here.runner_up.mode),
        here.confidence,
    )
    assert there.best.text == f"{PITCH_CLASSES[(tonic + semitones) % 12]} {mode}"
    assert 0.2 < there.confidence <= 1


def test_what_fits_two_keys_alike_has_little_confidence() -> None:
    clear = find_key(path_of(CADENCE).mean_features, path_of(CADENCE).shares, 16_000)
    torn = path_of(["C:maj", "A:min"] * 3 + ["D:min", "E:min"])
    between = find_key(torn.mean_features, torn.shares, 16_000)
    assert clear is not None
    assert between is not None
    assert between.confidence < clear.confidence
    assert between.best != between.runner_up


def test_a_key_takes_eight_seconds() -> None:
    assert (key_of(duration_ms=7_999), key_of(duration_ms=8_000)) == (None, "C major")


def test_a_key_takes_three_chords_of_a_twenty_fifth_of_the_time_each() -> None:
    assert key_of(shares=shares_of(C=0.92, F=0.04, G=0.04)) == "C major"
    assert key_of(shares=shares_of(C=0.93, F=0.04, G=0.03)) is None
    assert key_of(shares=shares_of(C=0.5, F=0.4)) is None


def test_a_key_takes_chords_half_of_the_time() -> None:
    assert key_of(shares=shares_of(C=0.25, F=0.125, G=0.125)) == "C major"
    assert key_of(shares=shares_of(C=0.25, F=0.125, G=0.124)) is None


def test_a_key_takes_three_pitches_that_sound_above_or_in_the_bass() -> None:
    two = {"C": 1.0, "G": 1.0}
    assert key_of(features_of(two)) is None
    assert key_of(features_of({**two, "E": 0.33})) == key_of(features_of(two, {"E": 0.33})) == "C major"
    assert key_of(features_of({**two, "E": 0.31})) is None
    assert key_of(features_of({**two, "E": 0.24}, {"E": 0.24})) == "C major"


def test_pitches_that_fit_no_scale_have_no_key() -> None:
    every = dict.fromkeys(PITCH_CLASSES, 1.0)
    assert key_of(features_of(every)) is None
    assert key_of(features_of({"C": 1.0, "C#": 1.0, "D": 1.0, "D#": 1.0, "E": 1.0, "F": 1.0, "F#": 1.0})) is None
    assert key_of(np.zeros(24)) is None


@given(st.integers(0, 11), st.integers(0, 10**6))
def test_evidence_of_turned_music_is_turned(semitones: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    features, shares = random.uniform(0, 1, 24), random.uniform(0, 1, len(LABELS))

    def turn(values: Array) -> Array:
        return np.roll(values.reshape(-1, 12), semitones, axis=1).reshape(-1)

    plain = key_evidence(features, shares)
    there = key_evidence(turn(features), np.append(turn(shares[:-1]), shares[-1]))
    assert np.allclose(there, np.roll(plain, semitones, axis=0))
    assert plain.shape == (12, 60)
    assert np.allclose(plain[:, :12].mean(axis=1), 0)
    assert np.allclose(plain[:, 12:24].mean(axis=1), 0)
    assert np.allclose(plain[0, 24:], shares[:-1])


def beats_at(*times_ms: float) -> Array:
    return np.array(times_ms) / FRAME_MS


@pytest.mark.parametrize(
    ("beats", "duration_ms", "edges"),
    [
        (None, 2_000, [0, 400, 800, 1_200, 1_600, 2_000]),
        (None, 1_690, [0, 400, 800, 1_200, 1_690]),
        (beats_at(500), 1_000, [0, 400, 800, 1_000]),
        (beats_at(600, 1_000), 1_150, [0, 200, 600, 1_000, 1_150]),
        (beats_at(1_000, 1_500, 2_000), 3_200, [0, 500, 1_000, 1_500, 2_000, 2_500, 3_000, 3_200]),
        (beats_at(650, 1_150), 1_160, [0, 150, 650, 1_160]),
        (beats_at(590, 1_090), 1_190, [0, 590, 1_190]),
        (beats_at(1_000, 1_700), 2_600, [0, 300, 1_000, 1_700, 2_400, 2_600]),
        (beats_at(1_000, 1_800, 2_600), 3_450, [0, 200, 600, 1_000, 1_400, 1_800, 2_200, 2_600, 3_000, 3_450]),
        (beats_at(500, 1_000, 1_600), 1_650, [0, 500, 1_000, 1_650]),
    ],
)
def test_steps_are_beats_carried_on_to_both_ends(beats: Array | None, duration_ms: float, edges: list[float]) -> None:
    found = step_edges_ms(beats, duration_ms)
    assert found.tolist() == pytest.approx(edges)


def test_features_are_of_what_sounds_in_a_step_and_each_half_has_unit_length() -> None:
    chroma = chroma_of(["C:maj", "N", "G:maj"], 1_000)
    features = step_features(chroma, np.array([0.0, 500.0, 1_000.0, 1_900.0, 2_100.0, 3_000.0]))
    root = 1 / np.sqrt(3)
    assert features[0] == pytest.approx(features_of({"C": root, "E": root, "G": root}, {"C": 1.0}))
    assert np.allclose(features[1], features[0])
    assert not features[2].any()
    assert features[4] == pytest.approx(features_of({"G": root, "B": root, "D": root}, {"G": 1.0}))


def test_a_step_shorter_than_a_frame_has_a_frame_and_the_softest_sound_is_not_blown_up() -> None:
    chroma = chroma_of(["C:maj", "G:maj"], 1_000)
    features = step_features(chroma, np.array([0.0, 500.0, 501.0, 2_000.0]))
    assert np.allclose(features[0], features[1])
    assert features[0].any()
    soft = Chroma(chroma.treble * 1e-6, chroma.bass * 1e-6, None, chroma.notes)
    lengths = np.linalg.norm(step_features(soft, np.array([0.0, 2_000.0])).reshape(2, 12), axis=1)
    assert lengths[1] == pytest.approx(np.hypot(*np.sqrt([0.5e-6] * 2)) / 0.05, rel=0.02)


def test_a_step_weighs_its_frames_alike_whatever_their_number() -> None:
    features = step_features(chroma_of(["C:maj", "G:maj"], 2_000), np.array([0.0, 4_000.0]))
    bass = features[0, 12:]
    assert bass[PITCH_CLASSES.index("C")] == pytest.approx(bass[PITCH_CLASSES.index("G")], rel=0.04)


def test_every_triad_is_its_own_best_fit_and_silence_is_none() -> None:
    for index, label in enumerate(LABELS[:24]):
        scores = chord_scores(step_features(chroma_of([label]), np.array([0.0, 2_000.0])))
        assert scores.shape == (1, len(LABELS))
        assert scores.argmax() == index
        assert scores[0, NO_CHORD] == 2.0
    assert chord_scores(np.zeros((1, 24))).argmax() == NO_CHORD


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_the_path_of_chords_is_the_likeliest_of_all(seed: int, steps: int) -> None:
    path = random_path(seed, steps)
    scores = chord_scores(path.features)
    best = scores[0]
    for row in scores[1:]:
        best = (best[:, None] - CHANGE_COST * (1 - np.eye(len(LABELS)))).max(axis=0) + row
    changes = sum(one != other for one, other in pairwise(path.labels))
    reached = scores[np.arange(steps), path.labels].sum() - CHANGE_COST * changes
    assert reached == pytest.approx(best.max())


def test_a_chords_probability_is_over_all_paths_through_the_clip() -> None:
    for seed in range(20):
        path = random_path(seed, 3)
        first, second, third = np.exp(chord_scores(path.features))
        turn = np.where(np.eye(len(LABELS)), 1.0, np.exp(-CHANGE_COST))
        paths = np.einsum("a,ab,b,bc,c->abc", first, turn, second, turn, third)
        shares = [paths.sum(axis=axes) / paths.sum() for axes in ((1, 2), (0, 2), (0, 1))]
        assert path.probabilities == pytest.approx([one[label] for one, label in zip(shares, path.labels, strict=True)])


def random_path(seed: int, steps: int) -> ChordPath:
    """Chords of which one follows the other out of nothing, some of them hardly heard."""
    random = np.random.default_rng(seed)
    treble, bass = random.uniform(0, 1, (2, steps * 20, 12)) ** 4
    edges = np.arange(steps + 1) * 400.0
    chroma = Chroma(treble, bass, None, np.zeros((steps * 20, 1)))
    return find_chords(chroma, None, float(edges[-1]))


PATH = ChordPath(
    edges_ms=np.array([0.0, 400.0, 1_000.0, 1_500.0, 2_000.0]),
    labels=np.array([0, 0, NO_CHORD, 0]),
    probabilities=np.array([1.0, 0.5, 0.7, 0.9]),
    features=np.arange(96.0).reshape(4, 24),
)


def test_steps_of_one_chord_are_joined_with_the_mean_of_their_probabilities_over_time() -> None:
    assert [(start, end, label, pytest.approx(p)) for start, end, label, p in merged(PATH)] == [
        (0.0, 1_000.0, "C:maj", 0.7),
        (1_000.0, 1_500.0, "N", 0.7),
        (1_500.0, 2_000.0, "C:maj", 0.9),
    ]


def test_shares_and_mean_features_are_over_time() -> None:
    assert {LABELS[index]: PATH.shares[index] for index in np.flatnonzero(PATH.shares)} == {"C:maj": 0.75, "N": 0.25}
    assert PATH.mean_features[0] == pytest.approx(0.2 * 0 + 0.3 * 24 + 0.25 * 48 + 0.25 * 72)
