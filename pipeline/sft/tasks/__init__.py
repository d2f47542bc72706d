"""Tasks: one file per family, all listed in `AnyTask`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from soundseam.pipeline.sft.tasks.caption import CaptionTask, RefusalTask
from soundseam.pipeline.sft.tasks.comparison import ChoiceTask, ComparisonTask
from soundseam.pipeline.sft.tasks.long import LongCaptionTask, LongTranscriptTask
from soundseam.pipeline.sft.tasks.long_qa import LongQaTask
from soundseam.pipeline.sft.tasks.music import (
    ChordsTask,
    InstrumentsTask,
    KeyTask,
    LyricsTask,
    MeterTask,
    StructureTask,
    TempoTask,
)
from soundseam.pipeline.sft.tasks.presence import PresenceTask
from soundseam.pipeline.sft.tasks.reasoning import ReasoningTask, WrittenReasoningTask
from soundseam.pipeline.sft.tasks.sounds import (
    CountingTask,
    DurationTask,
    EventListTask,
    EventWhenTask,
    OrderTask,
    TimeQaTask,
)
from soundseam.pipeline.sft.tasks.transcripts import (
    AsrSentencesTask,
    AsrTask,
    AsrWordsTask,
    SpeakerCountTask,
    SpeakerTranscriptTask,
)
from soundseam.pipeline.sft.tasks.voice import VoiceDescriptionTask, VoiceTask

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
    | LongCaptionTask
    | LongTranscriptTask
    | LongQaTask
    | WrittenReasoningTask,
    Field(discriminator="task"),
]
