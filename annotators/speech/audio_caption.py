"""The speech branch's caption by a model that hears the audio: `audio_caption`."""

from __future__ import annotations

from typing import ClassVar, Literal

from annotators.captioning.captioner import AudioCaptionBackend, AudioCaptioner
from annotators.captioning.prompts import PromptName
from annotators.chat.served import ServedAnnotator
from schemas.event import Branch
from schemas.speech import SpeechFacts


class SpeechAudioCaption(AudioCaptionBackend[SpeechFacts]):
    """How people speak in the words of a model that hears it: each sentence a claim that only a listener can check."""

    kind: Literal["audio_caption"] = "audio_caption"
    prompt: PromptName = "speech"
    """What it is asked to describe: its branch's kind of sound, or all that is heard (unified)."""

    branch: ClassVar[Branch] = Branch.SPEECH

    def load(self) -> ServedAnnotator[SpeechFacts]:
        self.check_available()
        return AudioCaptioner(self, SpeechFacts)
