"""From the committed rows of a shard to its captions: plan, compose, check, verify, accept or reject."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter

import soxr

from soundseam.annotators.base import DETECTION_RATE_HZ, AnnotationError, AnyBackend
from soundseam.annotators.chat.client import CachedClient
from soundseam.annotators.chat.questions import ChatClient, Usage
from soundseam.annotators.clap import CLAP_RATE_HZ, AudioTextModel, text_audio_similarity
from soundseam.annotators.flac import decode_flac
from soundseam.pipeline.captions.caption_config import VerifierConfig
from soundseam.pipeline.captions.compose import compose_captions
from soundseam.pipeline.captions.grounding import Reason
from soundseam.pipeline.captions.plan import Planned, plan_caption
from soundseam.pipeline.captions.verify import VerifierInput, dropped_in_words, verify_captions
from soundseam.pipeline.config import RunConfig
from soundseam.pipeline.plan import stage_keys
from soundseam.pipeline.stages.annotate import read_annotations, read_heard_segments, read_segments
from soundseam.pipeline.work import CAPTIONS_STAGE, ShardTask
from soundseam.schemas.caption import Caption
from soundseam.schemas.recording import Rejected
from soundseam.schemas.segment import Segment

Row = Caption | Rejected


@dataclass(frozen=True)
class CaptionClients:
    """The clients to use; None if the configuration has no such server."""

    writer: ChatClient | None = None
    verifier: ChatClient | None = None
    clap: AudioTextModel | None = None

    def usage(self) -> Usage:
        """Use of servers since the last call."""
        keeping = [asker for asker in (self.writer, self.verifier) if isinstance(asker, CachedClient)]
        return sum((asker.tally.take() for asker in keeping), Usage())


def caption_works(
    output: str, works: Iterable[ShardTask], config: RunConfig, askers: CaptionClients | None = None
) -> Iterator[tuple[ShardTask, list[Row]]]:
    """Each task with captions left to do, with a caption for each of its segments or the reasons why there is none, in
    order of segment.

    All tasks are one stream, so that as many questions are in flight at the end of a task as in its middle. The rows of
    tasks in flight, and the audio of their segments, are in memory.
    """
    stream = _Stream(output, config)
    for segment_id, rows in _caption_all(stream.plans(works), stream.audio, config, askers or CaptionClients()):
        stream.settle(segment_id, rows)
        yield from stream.finished()
    yield from stream.finished()


class _Stream:
    """The tasks in flight: which segment belongs to which, and which tasks are done."""

    def __init__(self, output: str, config: RunConfig) -> None:
        self._output, self._config = output, config
        self.audio: dict[str, bytes] = {}
        self._open: dict[str, _OpenWork] = {}
        """work_id → task, in order."""
        self._work_of: dict[str, str] = {}

    def plans(self, works: Iterable[ShardTask]) -> Iterator[Planned]:
        """A plan for each segment, drawn as captions come."""
        for work in works:
            todo = work.at(CAPTIONS_STAGE)
            if todo is None:
                continue
            opened = self._open[work.work_id] = _OpenWork(work)
            mine = work.only(todo.recording_ids)
            annotations = read_annotations(self._output, mine, self._config, self._backends())
            for segment, flac in self._segments(mine):
                self.audio[segment.segment_id] = flac
                self._work_of[segment.segment_id] = work.work_id
                opened.unsettled += 1
                yield plan_caption(segment, annotations.get(segment.segment_id, ()))
            opened.is_whole = True

    def settle(self, segment_id: str, rows: Iterable[Row]) -> None:
        """Adds all rows for one segment."""
        opened = self._open[self._work_of.pop(segment_id)]
        opened.rows.extend(rows)
        opened.unsettled -= 1

    def finished(self) -> Iterator[tuple[ShardTask, list[Row]]]:
        """The finished tasks, each once."""
        for work_id in [name for name, one in self._open.items() if one.is_whole and not one.unsettled]:
            done = self._open.pop(work_id)
            yield done.work, sorted(done.rows, key=attrgetter("segment_id"))

    def _backends(self) -> list[AnyBackend]:
        return [backend for group in self._config.branches.by_branch().values() for backend in group]

    def _segments(self, work: ShardTask) -> Iterable[tuple[Segment, bytes]]:
        if self._config.captions.hears_audio:
            return read_heard_segments(self._output, work, self._config)
        return ((segment, b"") for segment in read_segments(self._output, work, self._config))


@dataclass
class _OpenWork:
    work: ShardTask
    rows: list[Row] = field(default_factory=list)
    unsettled: int = 0
    is_whole: bool = False
    """Whether all of its segments have been drawn."""


def _caption_all(
    plans: Iterable[Planned], audio: dict[str, bytes], config: RunConfig, askers: CaptionClients
) -> Iterator[tuple[str, list[Row]]]:
    """segment_id and its rows, once per plan."""
    key, verifier = stage_keys(config)[CAPTIONS_STAGE], config.captions.verifier
    rejected: deque[tuple[str, list[Row]]] = deque()
    sounds: dict[str, bytes] = {}
    refused: dict[str, list[Row]] = {}

    def kept() -> Iterator[VerifierInput]:
        for planned, draft in compose_captions(plans, config.captions, key, askers.writer):
            segment = planned.segment
            flac = audio.pop(segment.segment_id)
            if isinstance(draft, AnnotationError):
                rejected.append(
                    (segment.segment_id, [Rejected.of_segment(segment, CAPTIONS_STAGE, draft.reason, draft.detail)])
                )
            elif draft.problems:
                reasons: list[Row] = [
                    Rejected.of_segment(segment, CAPTIONS_STAGE, one.reason, one.detail) for one in draft.problems
                ]
                rejected.append((segment.segment_id, reasons))
            else:
                sounds[segment.segment_id] = flac
                refused[segment.segment_id] = [
                    Rejected.of_segment(segment, CAPTIONS_STAGE, one.reason, one.detail) for one in draft.refused
                ]
                yield VerifierInput(segment, draft.caption, flac)

    for segment, caption in _verified(kept(), verifier, askers):
        row, flac = _row(segment, caption), sounds.pop(segment.segment_id)
        row = row if askers.clap is None else _with_similarity(row, flac, askers.clap)
        yield segment.segment_id, [row, *refused.pop(segment.segment_id)]
        while rejected:
            yield rejected.popleft()
    yield from rejected


def _verified(
    captions: Iterable[VerifierInput], verifier: VerifierConfig | None, askers: CaptionClients
) -> Iterable[tuple[Segment, Caption | AnnotationError]]:
    if verifier is None:
        return ((heard.segment, heard.caption) for heard in captions)
    if askers.verifier is None:
        raise ValueError("the verifier has no client")
    return verify_captions(captions, verifier, askers.verifier)


def _row(segment: Segment, caption: Caption | AnnotationError) -> Row:
    if isinstance(caption, AnnotationError):
        return Rejected.of_segment(segment, CAPTIONS_STAGE, caption.reason, caption.detail)
    if not caption.kept:
        return Rejected.of_segment(
            segment, CAPTIONS_STAGE, Reason.NOT_HEARD, f"the verifier dropped every claim: {dropped_in_words(caption)}"
        )
    return caption


def _with_similarity(row: Row, flac: bytes, clap: AudioTextModel) -> Row:
    """A caption with its similarity to the segment's audio, which is resampled to CLAP's rate."""
    if isinstance(row, Rejected):
        return row
    samples = soxr.resample(decode_flac(flac), DETECTION_RATE_HZ, CLAP_RATE_HZ)
    (similarity,) = text_audio_similarity(clap, samples, [row.caption])
    return row.model_copy(update={"clap_similarity": round(float(similarity), 4)})
