"""The bare library call behind each speech backend, as `benchmarks.speech` holds them side by side.

What a backend does beside it is the branch's own: cutting out speech, times in the recording's time, checks, records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from soundseam.annotators.base import Clip
from soundseam.annotators.speech.ctc_alignment import CtcAlignment
from soundseam.annotators.speech.diarization import PyannoteDiarization
from soundseam.annotators.speech.dnsmos import DnsmosAnnotator, DnsmosScores, windows_of
from soundseam.annotators.speech.faster_whisper import FasterWhisper
from soundseam.annotators.speech.pocketsphinx import SEARCH, as_pcm
from soundseam.annotators.speech.sherpa_models import open_folder
from soundseam.annotators.speech.sherpa_onnx import SherpaOnnx, open_recogniser
from soundseam.annotators.speech.text_language import TextLanguage
from soundseam.annotators.speech.transformers_asr import TransformersAsr
from soundseam.schemas.annotation import SpeechAnnotation

BareCall = Callable[[Sequence[Clip]], None]


def texts_of(clip: Clip) -> list[str]:
    rows = (row.transcript for row in clip.annotations if isinstance(row, SpeechAnnotation))
    return [transcript.text for transcript in rows if transcript is not None and transcript.text]


def bare_pocketsphinx() -> BareCall:
    from pocketsphinx import Decoder

    decoder = Decoder(loglevel="FATAL", **SEARCH)

    def run(clips: Sequence[Clip]) -> None:
        for clip in clips:
            decoder.start_utt()
            decoder.process_raw(as_pcm(clip.samples).tobytes(), full_utt=True)
            decoder.end_utt()

    return run


def bare_pocketsphinx_alignment() -> BareCall:
    from pocketsphinx import Decoder

    decoder = Decoder(loglevel="FATAL", lm=None)

    def run(clips: Sequence[Clip]) -> None:
        for clip in clips:
            for text in texts_of(clip)[:1]:
                decoder.set_align_text(text)
                decoder.start_utt()
                decoder.process_raw(as_pcm(clip.samples).tobytes(), full_utt=True)
                decoder.end_utt()

    return run


def bare_text_language() -> BareCall:
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    codes = [getattr(IsoCode639_1, code.upper()) for code in TextLanguage().languages]
    detector = LanguageDetectorBuilder.from_iso_codes_639_1(*codes).build()

    def run(clips: Sequence[Clip]) -> None:
        for clip in clips:
            for text in texts_of(clip)[:1]:
                detector.compute_language_confidence_values(text)

    return run


def bare_dnsmos() -> BareCall:
    annotator = DnsmosScores().load()
    if not isinstance(annotator, DnsmosAnnotator):
        raise TypeError("DnsmosScores.load() gives a DnsmosAnnotator")

    def run(clips: Sequence[Clip]) -> None:
        for clip in clips:
            for window in windows_of(clip.samples):
                annotator.run_models(window)

    return run


def bare_whisper(backend: FasterWhisper, batch_size: int) -> BareCall:
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    pipeline = BatchedInferencePipeline(
        WhisperModel(backend.weights, device="cpu", compute_type="int8", cpu_threads=backend.threads)
    )

    def run(clips: Sequence[Clip]) -> None:
        ends = np.cumsum([len(clip.samples) / clip.sample_rate_hz for clip in clips]).tolist()
        spans = [{"start": start, "end": end} for start, end in zip([0.0, *ends], ends, strict=False)]
        segments, _ = pipeline.transcribe(
            np.concatenate([clip.samples for clip in clips]),
            clip_timestamps=spans,
            batch_size=batch_size,
            beam_size=backend.beam_size,
            language="en",
            temperature=0.0,
            word_timestamps=True,
        )
        list(segments)

    return run


def bare_sherpa(backend: SherpaOnnx) -> BareCall:
    model = open_folder(Path(backend.weights), backend.quantised)
    recogniser = open_recogniser(backend, model)

    def run(clips: Sequence[Clip]) -> None:
        streams = [recogniser.create_stream() for _ in clips]
        for stream, clip in zip(streams, clips, strict=True):
            stream.accept_waveform(clip.sample_rate_hz, clip.samples)
        recogniser.decode_streams(streams)

    return run


def bare_transformers(backend: TransformersAsr) -> BareCall:
    from transformers import pipeline

    recogniser = pipeline("automatic-speech-recognition", model=backend.weights, device="cpu")

    def run(clips: Sequence[Clip]) -> None:
        for clip in clips:
            recogniser({"raw": clip.samples.copy(), "sampling_rate": 16_000}, return_timestamps="word")

    return run


def bare_ctc(backend: CtcAlignment) -> BareCall:
    import torch
    from torchaudio.functional import forced_align
    from transformers import AutoModelForCTC, AutoTokenizer

    model = AutoModelForCTC.from_pretrained(backend.weights).eval()
    tokenizer = AutoTokenizer.from_pretrained(backend.weights)

    def run(clips: Sequence[Clip]) -> None:
        for clip in clips:
            for text in texts_of(clip)[:1]:
                targets = torch.tensor([tokenizer(text.upper()).input_ids], dtype=torch.int32)
                with torch.inference_mode():
                    chances = model(torch.from_numpy(clip.samples.copy())[None]).logits.log_softmax(dim=-1)
                forced_align(chances, targets, blank=tokenizer.pad_token_id)

    return run


def bare_pyannote(backend: PyannoteDiarization) -> BareCall:
    import os

    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    import torch
    from pyannote.audio import Pipeline

    pipeline = Pipeline.from_pretrained(backend.weights)
    if pipeline is None:
        raise ValueError(f"{backend.weights} is no pipeline")
    pipeline.embedding_batch_size = 1

    def run(clips: Sequence[Clip]) -> None:
        for clip in clips:
            pipeline({"waveform": torch.from_numpy(clip.samples.copy())[None], "sample_rate": 16_000})

    return run
