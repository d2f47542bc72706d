"""Mixes to measure cutting with: the same seed, the same mixes; nothing that training saw."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from training.material import is_held_out
from training.mixes import BEDS, mix_scene, read_clips, through, write_mixes
from training.synthesis import RATE_HZ

SCENE_KINDS = sorted(BEDS)


def sounds(seconds: float, count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(round(10 * seconds))
    return [rng.uniform(-1, 1, int(seconds * RATE_HZ)) for _ in range(count)]


CLIPS = {"speech": sounds(2.0, 3), "music": sounds(6.0, 2), "general": sounds(1.0, 3), "bed": sounds(5.0, 1)}


@pytest.mark.parametrize("kind", SCENE_KINDS)
def test_the_same_seed_gives_the_same_mixes(tmp_path: Path, kind: str) -> None:
    for name in ("first", "second"):
        write_mixes(tmp_path / name, CLIPS, kind, scenes=1, seed=3)
    first, second = (tmp_path / name / "scenes" / f"{kind}-000.flac" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    lines = [(tmp_path / name / "scenes.jsonl").read_text() for name in ("first", "second")]
    assert lines[0] == lines[1]


@pytest.mark.parametrize("kind", SCENE_KINDS)
def test_every_event_lies_in_its_mix_and_sounds_there(kind: str) -> None:
    mix = mix_scene(np.random.default_rng(1), CLIPS, kind, BEDS[kind][0])
    assert mix.events
    for event in mix.events:
        onset, offset = event["onset"], event["offset"]
        assert isinstance(onset, float)
        assert isinstance(offset, float)
        assert 0 <= onset < offset <= mix.seconds
        inside = mix.samples[int(onset * RATE_HZ) : int(offset * RATE_HZ)]
        assert np.sqrt(np.mean(inside**2)) > 10 ** (-45 / 20)


@pytest.mark.parametrize("channel", ["telephone", "mp3", "opus"])
def test_a_channel_keeps_the_length(channel: str) -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (RATE_HZ, 1))
    assert through(channel, samples).shape == samples.shape


def test_clips_of_collections_that_train_are_not_mixed(tmp_path: Path) -> None:
    rows = []
    for index, collection in enumerate(("asterisk-es", "asterisk-fr")):
        name = f"{collection}.flac"
        soundfile.write(tmp_path / name, sounds(1.0, 1)[0], RATE_HZ)
        rows.append({"file": name, "label": "speech", "collection": collection})
        assert is_held_out(rows[-1], 0.25) == bool(index)
    (tmp_path / "clips.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert len(read_clips([tmp_path], everything=False)["speech"]) == 1
    assert len(read_clips([tmp_path], everything=True)["speech"]) == 2
