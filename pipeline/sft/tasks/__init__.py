"""Tasks: one small file each, all named in `AnyTask`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.sft.tasks.asr import AsrTask
from pipeline.sft.tasks.asr_sentences import AsrSentencesTask
from pipeline.sft.tasks.asr_words import AsrWordsTask
from pipeline.sft.tasks.caption import CaptionTask
from pipeline.sft.tasks.choice import ChoiceTask
from pipeline.sft.tasks.chords import ChordsTask
from pipeline.sft.tasks.comparison import ComparisonTask
from pipeline.sft.tasks.counting import CountingTask
from pipeline.sft.tasks.duration import DurationTask
from pipeline.sft.tasks.event_list import EventListTask
from pipeline.sft.tasks.event_when import EventWhenTask
from pipeline.sft.tasks.instruments import InstrumentsTask
from pipeline.sft.tasks.key import KeyTask
from pipeline.sft.tasks.lyrics import LyricsTask
from pipeline.sft.tasks.meter import MeterTask
from pipeline.sft.tasks.order import OrderTask
from pipeline.sft.tasks.presence import PresenceTask
from pipeline.sft.tasks.reasoning import ReasoningTask
from pipeline.sft.tasks.refusal import RefusalTask
from pipeline.sft.tasks.speaker_count import SpeakerCountTask
from pipeline.sft.tasks.speaker_transcript import SpeakerTranscriptTask
from pipeline.sft.tasks.structure import StructureTask
from pipeline.sft.tasks.tempo import TempoTask
from pipeline.sft.tasks.time_qa import TimeQaTask
from pipeline.sft.tasks.voice import VoiceTask
from pipeline.sft.tasks.voice_description import VoiceDescriptionTask
from pipeline.sft.tasks.written_reasoning import WrittenReasoningTask

AnyTask = Annotated[
    CaptionTask
    | AsrTask
    | AsrWordsTask
    | AsrSentencesTask
    | SpeakerTranscriptTask
    | SpeakerCountTask
    | VoiceTask
    | VoiceDescriptionTask
    | EventListTask
    | EventWhenTask
    | CountingTask
    | OrderTask
    | DurationTask
    | TimeQaTask
    | TempoTask
    | KeyTask
    | MeterTask
    | ChordsTask
    | StructureTask
    | LyricsTask
    | InstrumentsTask
    | PresenceTask
    | ChoiceTask
    | ReasoningTask
    | ComparisonTask
    | RefusalTask
    | WrittenReasoningTask,
    Field(discriminator="task"),
]
