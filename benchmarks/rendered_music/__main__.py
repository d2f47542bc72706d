"""Renders test pieces: `python -m benchmarks.rendered_music FOLDER --seed 1 --pieces 40`.

Writes FOLDER/piece-SEED-NN.flac and FOLDER/pieces.jsonl, which `soundseam evaluate music FOLDER` reads. Needs
fluidsynth and a General MIDI soundfont: Debian's fluidsynth and fluid-soundfont-gm (MIT).
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.rendered_music.render import SOUNDFONT, render_piece


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pieces", type=int, default=40)
    parser.add_argument("--soundfont", type=Path, default=SOUNDFONT)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(options.workers) as pool:
        truths = list(
            pool.map(
                lambda index: render_piece(options.seed, index, options.folder, options.soundfont),
                range(options.pieces),
            )
        )
    lines = [json.dumps(truth.model_dump(mode="json"), sort_keys=True) for truth in truths]
    (options.folder / "pieces.jsonl").write_text("\n".join(lines) + "\n")
    print(f"{len(truths)} pieces in {options.folder}")


if __name__ == "__main__":
    main()
