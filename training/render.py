"""Plays random pieces with fluidsynth: `python -m training.render FOLDER --pieces 400 --effects 40`."""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from training.midi import Piece, effect_piece, midi_bytes, random_piece

SOUND_FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
"""Debian's fluid-soundfont-gm, MIT."""
RATE_HZ = 16_000


def play(piece: Piece, sound_font: Path) -> np.ndarray:
    """The piece as 16 kHz mono samples (num_samples,), with fluidsynth's own reverberation."""
    with tempfile.TemporaryDirectory() as folder:
        score, audio = Path(folder, "piece.mid"), Path(folder, "piece.wav")
        score.write_bytes(midi_bytes(piece))
        command = [
            "fluidsynth",
            "-ni",
            "-q",
            "-g",
            "0.6",
            "-r",
            str(RATE_HZ),
            "-F",
            str(audio),
            str(sound_font),
            str(score),
        ]
        subprocess.run(command, check=True, capture_output=True)
        samples, _ = soundfile.read(audio, dtype="float32", always_2d=True)
    return samples.mean(axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pieces", type=int, default=400)
    parser.add_argument("--effects", type=int, default=40)
    parser.add_argument("--sound-font", type=Path, default=SOUND_FONT)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(options.seed)
    for index in range(options.pieces + options.effects):
        is_music = index < options.pieces
        seconds = float(rng.choice([rng.uniform(1.0, 5.0), rng.uniform(5.0, 20.0)]))
        piece = random_piece(rng, seconds) if is_music else effect_piece(rng, min(seconds, 6.0))
        samples = play(piece, options.sound_font)[: int((seconds + 1.0) * RATE_HZ)]
        peak = np.abs(samples).max(initial=0.0)
        if peak > 1e-4:
            name = f"{'music' if is_music else 'general'}-{index:04d}.flac"
            soundfile.write(options.folder / name, samples * (0.7 / peak), RATE_HZ)


if __name__ == "__main__":
    main()
