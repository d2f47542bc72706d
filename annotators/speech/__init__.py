"""Speech backends: one file each, all named in `AnySpeech`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from soundseam.annotators.audio_caption import SpeechAudioCaption
from soundseam.annotators.clap import SpeechClapAgreement
from soundseam.annotators.grammar.composer import SpeechCaption
from soundseam.annotators.speech.agreement import TranscriptAgreement
from soundseam.annotators.speech.ctc_alignment import CtcAlignment
from soundseam.annotators.speech.diarization import PyannoteDiarization
from soundseam.annotators.speech.diarizen import Diarizen
from soundseam.annotators.speech.dnsmos import DnsmosScores
from soundseam.annotators.speech.faster_whisper import FasterWhisper
from soundseam.annotators.speech.manifest_transcript import ManifestTranscript
from soundseam.annotators.speech.onnx_diarization import OnnxDiarization
from soundseam.annotators.speech.openai_audio import OpenaiAudio
from soundseam.annotators.speech.paralinguistics import ParalinguisticsByModel
from soundseam.annotators.speech.pocketsphinx import Pocketsphinx
from soundseam.annotators.speech.pocketsphinx_alignment import PocketsphinxAlignment
from soundseam.annotators.speech.quality import SpeechQualityMeasures
from soundseam.annotators.speech.sherpa_onnx import SherpaOnnx
from soundseam.annotators.speech.text_language import TextLanguage
from soundseam.annotators.speech.transformers_asr import TransformersAsr
from soundseam.annotators.speech.voice import VoiceMeasures

AnySpeech = Annotated[
    ManifestTranscript
    | Pocketsphinx
    | FasterWhisper
    | SherpaOnnx
    | TransformersAsr
    | OpenaiAudio
    | TextLanguage
    | TranscriptAgreement
    | PocketsphinxAlignment
    | CtcAlignment
    | OnnxDiarization
    | PyannoteDiarization
    | Diarizen
    | VoiceMeasures
    | SpeechQualityMeasures
    | DnsmosScores
    | SpeechAudioCaption
    | ParalinguisticsByModel
    | SpeechCaption
    | SpeechClapAgreement,
    Field(discriminator="kind"),
]
