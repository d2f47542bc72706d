"""Data folders of Kaldi: transcripts with their audio."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from soundseam.pipeline.export.base import SPLITS, Container, Finished, Item, Json, PartWriter, Place, read_target
from soundseam.pipeline.export.lines import LINES, LinesFormat, LinesWriter


class Kaldi(LinesFormat):
    """A data folder a split with `wav.scp`, `text`, `utt2spk` and `spk2utt`, of the plain transcripts alone. Who speaks
    is not known: a recording stands for a speaker."""

    name: ClassVar[str] = "kaldi"
    reader: ClassVar[str] = "Kaldi, ESPnet, icefall's kaldi importer"
    container: ClassVar[Container] = "wav"
    indexes: ClassVar[tuple[str, ...]] = tuple(
        f"{split}/{name}" for split in SPLITS for name in ("wav.scp", "text", "utt2spk", "spk2utt")
    )
    command: ClassVar[str] = "utils/validate_data_dir.sh --no-feats {target}/train"
    max_clips: ClassVar[int | None] = 1
    holds_conversations: ClassVar[bool] = False

    def line(self, item: Item, audio: Sequence[str]) -> Mapping[str, Json]:
        text = " ".join(item.answer.split())
        return {"id": item.clips[0].segment_id, "path": audio[0], "text": text, "speaker": item.sample.recording_id}

    def writer(self, place: Place) -> PartWriter:
        return _TranscriptsWriter(self, place)

    def joined(self, finished: Finished) -> Mapping[str, Sequence[str]]:  # noqa: ARG002 - the folders are sorted
        return {}

    def finish(self, finished: Finished) -> Mapping[str, str]:
        texts: dict[str, str] = {}
        for split in SPLITS:
            members = finished.under(f"{LINES}/", f".{split}.jsonl")
            lines = [json.loads(line) for name in members for line in read_target(finished.target, name).splitlines()]
            if lines:
                texts |= {f"{split}/{name}": text for name, text in _kaldi_files(lines).items()}
        return texts


class _TranscriptsWriter(LinesWriter):
    """Leaves out all but plain transcripts."""

    def write(self, item: Item) -> str | None:
        return super().write(item) if item.sample.task == "asr" else "no_transcript"


def _kaldi_files(lines: Sequence[Mapping[str, str]]) -> Mapping[str, str]:
    """Name → content, in the order of bytes that Kaldi wants."""
    ordered = sorted(lines, key=lambda line: line["id"].encode())
    speakers: dict[str, list[str]] = {}
    for line in ordered:
        speakers.setdefault(line["speaker"], []).append(line["id"])
    return {
        "wav.scp": "".join(f"{line['id']} {line['path']}\n" for line in ordered),
        "text": "".join(f"{line['id']} {line['text']}\n" for line in ordered),
        "utt2spk": "".join(f"{line['id']} {line['speaker']}\n" for line in ordered),
        "spk2utt": "".join(f"{name} {' '.join(ids)}\n" for name, ids in sorted(speakers.items())),
    }
