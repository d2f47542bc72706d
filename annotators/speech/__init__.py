"""Speech backends: one file each, all named in `AnySpeech`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from annotators.clap_agreement import SpeechClapAgreement
from annotators.speech.agreement import TranscriptAgreement
from annotators.speech.audio_caption import SpeechAudioCaption
from annotators.speech.caption import SpeechCaption
from annotators.speech.ctc_alignment import CtcAlignment
from annotators.speech.diarization import PyannoteDiarization
from annotators.speech.diarizen import Diarizen
from annotators.speech.dnsmos import DnsmosScores
from annotators.speech.faster_whisper import FasterWhisper
from annotators.speech.openai_audio import OpenaiAudio
from annotators.speech.paralinguistics import ParalinguisticsByModel
from annotators.speech.pocketsphinx import Pocketsphinx
from annotators.speech.pocketsphinx_alignment import PocketsphinxAlignment
from annotators.speech.quality import SpeechQualityMeasures
from annotators.speech.text_language import TextLanguage
from annotators.speech.transformers_asr import TransformersAsr
from annotators.speech.voice import VoiceMeasures

AnySpeech = Annotated[
    Pocketsphinx
    | FasterWhisper
    | TransformersAsr
    | OpenaiAudio
    | TextLanguage
    | TranscriptAgreement
    | PocketsphinxAlignment
    | CtcAlignment
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
