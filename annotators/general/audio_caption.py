"""The general branch's caption by a model that hears the audio: `audio_caption`."""

from __future__ import annotations

from typing import ClassVar, Literal

from annotators.captioning.captioner import AudioCaptionBackend, AudioCaptioner
from annotators.captioning.prompts import PromptName
from annotators.chat.served import ServedAnnotator
from schemas.event import Branch
from schemas.general import GeneralFacts


class GeneralAudioCaption(AudioCaptionBackend[GeneralFacts]):
    """The sounds in the words of a model that hears it: each sentence a claim that only a listener can check."""

    kind: Literal["audio_caption"] = "audio_caption"
    prompt: PromptName = "general"
    """What it is asked to describe: its branch's kind of sound, or all that is heard (unified)."""

    branch: ClassVar[Branch] = Branch.GENERAL

    def load(self) -> ServedAnnotator[GeneralFacts]:
        self.check_available()
        return AudioCaptioner(self, GeneralFacts)
