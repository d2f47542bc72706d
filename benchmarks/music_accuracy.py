"""Accuracy of the music backends on rendered pieces: `python -m benchmarks.music_accuracy FOLDER [FOLDER ...]`.

Each folder is one seed's pieces (`python -m benchmarks.rendered_music FOLDER --seed N`). Prints each measure's mean
over the pieces of each folder, then the mean and the standard deviation of those over the folders: `mir` on clips of
`--clip-seconds`, as segments are, then `structure` on whole pieces.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from soundseam.annotators.music.mir import Mir
from soundseam.annotators.music.structure import Structure
from soundseam.pipeline.evaluation.music import evaluate_music


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--clip-seconds", type=float, default=30.0, help="length of a clip; 0 takes whole pieces")
    options = parser.parse_args()
    scored = [evaluate_music(folder, (Mir(), Structure()), options.clip_seconds or None) for folder in options.folders]
    print(f"{'measure':18}" + "".join(f"{folder.name:>10}" for folder in options.folders) + f"{'mean':>10}{'sd':>8}")
    for index, backend in enumerate(scored[0].backends):
        columns = [evaluation.backends[index] for evaluation in scored]
        for measure, _, _ in backend.means:
            values = [column.mean(measure) or 0.0 for column in columns]
            spread = f"{np.std(values, ddof=1):8.3f}" if len(values) > 1 else ""
            print(f"{measure:18}" + "".join(f"{value:10.3f}" for value in values) + f"{np.mean(values):10.3f}" + spread)


if __name__ == "__main__":
    main()
