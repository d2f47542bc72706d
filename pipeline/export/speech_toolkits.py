"""Formats of toolkits for speech recognition: manifests of NeMo and data folders of Kaldi."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from soundseam.pipeline.export.base import (
    SAMPLE_RATE_HZ,
    SPLITS,
    Container,
    Finished,
    Item,
    Json,
    PartWriter,
    Place,
    num_samples,
    read_target,
)
from soundseam.pipeline.export.lines import LINES, LinesFormat, LinesWriter
from soundseam.pipeline.sft.words import language_of
from soundseam.schemas.sample import MessageKind, Scoring


class Nemo(LinesFormat):
    """`salm-train.jsonl`: `{"id", "conversations": [{"from", "value", "type"}]}`, for SALM; and `train.jsonl` with only
    the plain transcripts, `{"audio_filepath", "duration", "offset", "text"}` in seconds, for NeMo's recognisers."""

    name: ClassVar[str] = "nemo"
    reader: ClassVar[str] = "NeMo: SALM of speechlm2, and its recognisers"
    container: ClassVar[Container] = "flac"
    stems: ClassVar[tuple[str, ...]] = ("", "salm-")
    indexes: ClassVar[tuple[str, ...]] = tuple(f"{stem}{split}.jsonl" for stem in ("", "salm-") for split in SPLITS)
    command: ClassVar[str] = (
        "python NeMo/examples/speechlm2/salm_train.py 'data.train_ds.input_cfg=[{{type: multimodal_conversation, "
        'manifest_filepath: {target}/salm-train.jsonl, audio_locator_tag: "<|audioplaceholder|>"}}]\' '
        "'data.validation_ds.datasets.val_set_0.input_cfg=[{{type: multimodal_conversation, manifest_filepath: "
        '{target}/salm-validation.jsonl, audio_locator_tag: "<|audioplaceholder|>"}}]\''
    )

    def line(self, item: Item, audio: Sequence[str]) -> Mapping[str, Json]:
        return {
            "audio_filepath": audio[0],
            "duration": num_samples(item.clips[0]) / SAMPLE_RATE_HZ,
            "offset": 0.0,
            "text": item.answer,
            "lang": language_of(item.answer),
            "id": item.key,
        }

    def lines(self, item: Item, audio: Sequence[str]) -> Mapping[str, Mapping[str, Json]]:
        is_transcript = item.sample.answer_spec.scoring is Scoring.WER and item.sample.task == "asr"
        salm = {"salm-": self._conversation(item, audio)}
        return {"": self.line(item, audio), **salm} if is_transcript else salm

    def _conversation(self, item: Item, audio: Sequence[str]) -> Mapping[str, Json]:
        clips = iter(zip(audio, item.clips, strict=True))
        turns: list[Json] = []
        for role, kind, content in item.turns():
            turn: dict[str, Json] = {"from": role.capitalize(), "value": content, "type": str(kind)}
            if kind is MessageKind.AUDIO:
                path, clip = next(clips)
                turn |= {"value": path, "duration": num_samples(clip) / SAMPLE_RATE_HZ}
            turns.append(turn)
        return {"id": item.key, "conversations": turns}


class Kaldi(LinesFormat):
    """One data folder per split with `wav.scp`, `text`, `utt2spk` and `spk2utt`, of only the plain transcripts.
    Speakers are unknown: each recording counts as one speaker.
    """

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
        (clip,), (path,) = item.clips, audio
        text = " ".join(item.answer.split())
        return {"id": clip.segment_id, "path": path, "text": text, "speaker": item.sample.recording_id}

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
    """Only writes plain transcripts."""

    def write(self, item: Item) -> str | None:
        return super().write(item) if item.sample.task == "asr" else "no_transcript"


def _kaldi_files(lines: Sequence[Mapping[str, str]]) -> Mapping[str, str]:
    """Name → content, sorted by bytes as Kaldi requires."""
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
