"""The speech recognisers that can be nested in another backend: `lyrics` in the music branch uses them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from soundseam.annotators.speech.faster_whisper import FasterWhisper
from soundseam.annotators.speech.openai_audio import OpenaiAudio
from soundseam.annotators.speech.pocketsphinx import Pocketsphinx
from soundseam.annotators.speech.sherpa_onnx import SherpaOnnx
from soundseam.annotators.speech.transformers_asr import TransformersAsr

AnyRecogniser = Annotated[
    FasterWhisper | OpenaiAudio | Pocketsphinx | SherpaOnnx | TransformersAsr, Field(discriminator="kind")
]

RECOGNISERS = (FasterWhisper, OpenaiAudio, Pocketsphinx, SherpaOnnx, TransformersAsr)
