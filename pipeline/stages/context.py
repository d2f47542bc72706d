"""What stages work with on a worker: where they read and commit, and what they load once per process."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Protocol, TypeVar, cast

from soundseam.annotators.base import AnyBackend
from soundseam.annotators.chat.client import CachedClient, ServerClient
from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.chat.questions import Tally
from soundseam.pipeline.config import RunConfig
from soundseam.pipeline.local.progress import ProgressLog, pulse
from soundseam.pipeline.plan import annotation_stage, recording_keys
from soundseam.pipeline.storage.answers import AnswerCacheFiles
from soundseam.pipeline.storage.corpus import Corpus, Wanted
from soundseam.pipeline.work import SEGMENTS_STAGE, ShardTask
from soundseam.schemas.annotation import Annotation
from soundseam.schemas.recording import Recording
from soundseam.schemas.segment import Segment

LoadedT = TypeVar("LoadedT")
LoadedT_co = TypeVar("LoadedT_co", covariant=True)

_LOADING = threading.Lock()
_LOADED: dict[Hashable, object] = {}
_CLIENTS: dict[Endpoint, ServerClient] = {}


class Loadable(Hashable, Protocol[LoadedT_co]):
    """A model as data: a backend of a branch, a detector, a text-audio model."""

    def load(self) -> LoadedT_co: ...


@dataclass(frozen=True)
class StageContext:
    """Where a stage writes: the corpus that it commits to, and the log that shows that it is alive."""

    output: str
    progress: ProgressLog = field(default_factory=ProgressLog)

    def loaded(self, model: Loadable[LoadedT]) -> LoadedT:
        """What `model.load()` returns, loaded once per process: pipelines that run one after another share models.

        Weights may take minutes to arrive from a model hub; meanwhile `progress` shows that the process is alive.
        """
        with _LOADING:
            if model not in _LOADED:
                with self.progress.alive("load"):
                    _LOADED[model] = model.load()
            return cast(LoadedT, _LOADED[model])

    @contextmanager
    def client(self, endpoint: Endpoint, stage: str) -> Iterator[CachedClient]:
        """A client of `endpoint` that stores its answers in OUT, and by whose signs of life `stage` is alive.

        All clients of an endpoint in a process share its connections and its limit.
        """
        with _LOADING:
            client = _CLIENTS.setdefault(endpoint, ServerClient(endpoint))
        with AnswerCacheFiles(self.output) as cache:
            yield CachedClient(client, cache, Tally(pulse(stage, self.progress)))


@dataclass(frozen=True, kw_only=True)
class RunContext(StageContext):
    """The same for the stages of a run, which read what the stages before them have committed for a task."""

    config: RunConfig

    def segments(self, work: ShardTask) -> list[Segment]:
        """The committed segments of `work`'s recordings, without audio, in order of recording and time."""
        return sorted(self._corpus(work).segments(self._wanted(work)), key=attrgetter("segment_id"))

    def segments_with_audio(self, work: ShardTask) -> Iterator[tuple[Segment, bytes]]:
        """The same with each segment's FLAC file, one in memory at a time, in the order in which they are committed."""
        return self._corpus(work).segments_with_audio(self._wanted(work))

    def recordings(self, work: ShardTask) -> Iterator[Recording]:
        """The rows of `work`'s recordings."""
        return self._corpus(work).recordings(self._wanted(work))

    def annotations(self, work: ShardTask, backends: Sequence[AnyBackend]) -> dict[str, tuple[Annotation, ...]]:
        """segment_id → the committed rows of `backends`, in that order, for `work`'s recordings."""
        stages = [annotation_stage(backend) for backend in backends]
        wanted = {stage: recording_keys(self.config, stage, work.sources) for stage in stages}
        return Corpus.load_for(self.output, wanted, work.shard).annotations(wanted)

    def _corpus(self, work: ShardTask) -> Corpus:
        return Corpus.load_for(self.output, {SEGMENTS_STAGE: self._wanted(work)}, work.shard)

    def _wanted(self, work: ShardTask) -> Wanted:
        return recording_keys(self.config, SEGMENTS_STAGE, work.sources)
