"""Accuracy of the music backends on rendered pieces: `python -m benchmarks.music_accuracy FOLDER [FOLDER ...]`.

Each folder is one seed's pieces (`python -m benchmarks.rendered_music FOLDER --seed N`). Prints each measure's mean
over the pieces of each folder, then the mean and the standard deviation of those over the folders.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from annotators.music.mir import Mir
from pipeline.evaluate_music import evaluate_music


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--clip-seconds", type=float, default=30.0, help="length of a clip; 0 takes whole pieces")
    options = parser.parse_args()
    columns = []
    for folder in options.folders:
        evaluation = evaluate_music(folder, [Mir()], options.clip_seconds or None)
        columns.append({name: mean for name, mean, _ in evaluation.means})
    print(f"{'measure':18}" + "".join(f"{folder.name:>10}" for folder in options.folders) + f"{'mean':>10}{'sd':>8}")
    for measure in columns[0]:
        values = [column[measure] for column in columns]
        spread = f"{np.std(values, ddof=1):8.3f}" if len(values) > 1 else ""
        print(f"{measure:18}" + "".join(f"{value:10.3f}" for value in values) + f"{np.mean(values):10.3f}" + spread)


if __name__ == "__main__":
    main()
