"""Is separating harmonic from percussive sound worth its time? `python -m benchmarks.music_hpss FOLDER [--pieces 12]`.

FOLDER holds rendered pieces (`python -m benchmarks.rendered_music FOLDER`). Measures `mir` on the pieces as they are,
and on what librosa's hpss leaves: its harmonic part for key and chords, its percussive part for beats and tempo.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import librosa
import numpy as np
import soundfile
from numpy.typing import NDArray

from soundseam.annotators.music.mir import Mir
from soundseam.annotators.music.structure import Structure
from soundseam.pipeline.evaluation.labelled import read_list, read_mono
from soundseam.pipeline.evaluation.music import LIST, MusicTruth, evaluate_music

Samples = NDArray[np.float32]
_HARMONY = ("key", "chords_root", "chords_majmin", "chords_sevenths")
_RHYTHM = ("beat_f", "downbeat_f", "tempo_exact", "tempo_octave", "meter")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pieces", type=int, default=12)
    options = parser.parse_args()
    truths = list(read_list(options.folder / LIST, MusicTruth))[: options.pieces]
    plain = _measured(options.folder, truths, lambda samples: samples)
    harmonic = _measured(options.folder, truths, lambda samples: librosa.effects.hpss(samples)[0])
    percussive = _measured(options.folder, truths, lambda samples: librosa.effects.hpss(samples)[1])
    print(f"{'measure':18}{'as it is':>10}{'with hpss':>10}")
    for measure in (*_HARMONY, *_RHYTHM):
        separated = harmonic if measure in _HARMONY else percussive
        print(f"{measure:18}{plain[measure]:10.3f}{separated[measure]:10.3f}")


def _measured(folder: Path, truths: Sequence[MusicTruth], change: Callable[[Samples], Samples]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as place:
        started, seconds = time.process_time(), 0.0
        for truth in truths:
            samples, rate_hz = read_mono(folder / truth.file)
            seconds += samples.size / rate_hz
            soundfile.write(Path(place) / truth.file, change(samples), rate_hz, subtype="PCM_16")
        spent = time.process_time() - started
        lines = (truth.model_dump_json() for truth in truths)
        (Path(place) / LIST).write_text("\n".join(lines) + "\n")
        print(f"prepared at {seconds / max(spent, 1e-6):.0f} times real time of one core")
        scored = evaluate_music(Path(place), [Mir(), Structure()]).backends
        return {measure: mean for scores in scored for measure, mean, _ in scores.means}


if __name__ == "__main__":
    main()
