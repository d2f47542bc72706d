"""Runs DiariZen in its own Python: WAV files in, turns out, as lines of JSON.

Started by `diarizen.py` as a script in another environment, so it imports nothing from this package and is compatible
with Python 3.10. DiariZen needs its own pyannote.audio and numpy, which cannot be installed beside ours.
"""

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any, TextIO


def main(weights: str, embedding: str, max_speakers: str) -> None:
    # A script's own folder comes first in the path: its modules must not shadow DiariZen's.
    sys.path.pop(0)
    # DiariZen prints its progress to standard output: redirect it to standard error, so that only answers remain.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    pipeline = open_pipeline(weights, embedding)
    if max_speakers:
        pipeline.max_speakers = int(max_speakers)
    say(answers, {"ready": True})
    for line in sys.stdin:
        found = pipeline(json.loads(line)["wav"])
        turns = [[turn.start, turn.end, str(speaker)] for turn, _, speaker in found.itertracks(yield_label=True)]
        say(answers, {"turns": turns})


def open_pipeline(weights: str, embedding: str) -> Any:
    """The pipeline from a folder and the file of its embedding model, or from the hub."""
    found = importlib.import_module("diarizen.pipelines.inference").DiariZenPipeline
    if Path(weights).is_dir():
        return found(diarizen_hub=Path(weights).absolute(), embedding_model=embedding)
    return found.from_pretrained(weights)


def say(answers: TextIO, answer: dict[str, Any]) -> None:
    print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
