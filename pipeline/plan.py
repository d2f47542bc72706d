"""Plans a run, stage by stage, before it does anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from soundseam.annotators.base import AnyBackend
from soundseam.annotators.grammar.engine import GRAMMAR_REVISION
from soundseam.pipeline.config import RunConfig
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.commits import shard_of
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.work import CAPTIONS_STAGE, SEGMENTS_STAGE, ShardTask, StageTask
from soundseam.schemas.record import Record, content_key, key_content
from soundseam.schemas.recording import Source

SEGMENTS_REVISION = "1"
"""Raise it whenever decoding, cutting or routing may give other rows for the same configuration."""
CAPTIONS_REVISION = "3"
"""Raise it whenever merge or check may give other rows for the same configuration."""


def annotation_stage(backend: AnyBackend) -> str:
    return f"annotations/{backend.branch}/{backend.backend}"


def stage_keys(config: RunConfig) -> dict[str, str]:
    """The key of every stage of `config`, in the order in which they run."""
    keys = {
        SEGMENTS_STAGE: content_key(
            [
                SEGMENTS_REVISION,
                key_content(config.decode),
                [detector.config_key for detector in config.detectors],
                key_content(config.segmentation),
            ]
        )
    }
    for backends in config.branches.by_branch().values():
        before: list[str] = []
        for backend in backends:
            upstream = before if backend.reads_annotations else []
            key = content_key([keys[SEGMENTS_STAGE], backend.config_key, upstream])
            keys[annotation_stage(backend)] = key
            before.append(key)
    keys[CAPTIONS_STAGE] = content_key([CAPTIONS_REVISION, GRAMMAR_REVISION, config.captions.key, list(keys.items())])
    return keys


def stages_with_language(config: RunConfig) -> frozenset[str]:
    """The stages whose rows depend on the language that a manifest states, by themselves or by rows before them."""
    stages = {CAPTIONS_STAGE}
    for backends in config.branches.by_branch().values():
        reads = False
        for backend in backends:
            if backend.reads_language or (backend.reads_annotations and reads):
                stages.add(annotation_stage(backend))
                reads = True
    return frozenset(stages)


def stages_with_columns(config: RunConfig) -> Mapping[str, frozenset[str]]:
    """Stage → the manifest's free columns on which its rows depend, by themselves or by rows before them."""
    stages: dict[str, frozenset[str]] = {}
    every: frozenset[str] = frozenset()
    for backends in config.branches.by_branch().values():
        before: frozenset[str] = frozenset()
        for backend in backends:
            reads = frozenset(backend.columns) | (before if backend.reads_annotations else frozenset())
            stages[annotation_stage(backend)] = reads
            before |= reads
        every |= before
    return {**stages, CAPTIONS_STAGE: every}


def recording_keys(config: RunConfig, stage: str, sources: Iterable[Source]) -> dict[str, str]:
    """recording_id → the key of its rows at `stage` in their commit.

    Keys of `segments` include a file's location and its manifest values; others only the audio, and for recognisers and
    stages that depend on them the stated language and transcript.
    """
    return dict(_wanted_keys(config, [stage], sources)[stage])


def wanted_keys(config: RunConfig, sources: Iterable[Source]) -> Mapping[str, Mapping[str, str]]:
    """stage → recording_id → key, for every stage of `config`."""
    return _wanted_keys(config, stage_keys(config), sources)


def _wanted_keys(config: RunConfig, stages: Iterable[str], sources: Iterable[Source]) -> dict[str, Mapping[str, str]]:
    keys, with_language, columns = stage_keys(config), stages_with_language(config), stages_with_columns(config)
    wanted: dict[str, dict[str, str]] = {stage: {} for stage in stages}
    for source in sources:
        content, spoken = source.content_key, source.spoken_key
        for stage, found in wanted.items():
            if stage == SEGMENTS_STAGE:
                said: list[object] = [source.row_key]
            else:
                # The audio, and what the manifest says of it on which the stage depends.
                stated = source.stated(columns[stage])
                said = [spoken if stage in with_language else content, *([stated] if stated else [])]
            found[source.recording_id] = content_key([keys[stage], *said])
    return dict(wanted)


BYTES_A_SECOND: Mapping[str, float] = {
    ".wav": 96_000,
    ".aif": 96_000,
    ".aiff": 96_000,
    ".flac": 40_000,
    ".mp3": 16_000,
    ".m4a": 16_000,
    ".aac": 16_000,
    ".ogg": 12_000,
    ".oga": 12_000,
    ".opus": 6_000,
    ".mp4": 250_000,
    ".mkv": 250_000,
    ".webm": 150_000,
    ".mov": 500_000,
}
"""Typical sizes of files by type; only for those whose headers are not read here."""
UNKNOWN_BYTES_A_SECOND = 32_000.0
FEWEST_BYTES_A_SECOND = 250.0
"""2 kbit/s: a header that implies a lower rate is not trusted."""
MAX_HEADERS = 32


def estimate_durations(sources: Sequence[Source]) -> dict[str, int]:
    """recording_id → approximate length to be segmented, in ms."""
    by_suffix: dict[str, list[Source]] = {}
    for source in sources:
        by_suffix.setdefault(PurePosixPath(source.source_uri).suffix.lower(), []).append(source)
    rates = {suffix: _bytes_a_second(suffix, members) for suffix, members in by_suffix.items()}
    return {
        source.recording_id: sum(span.duration_ms for span in source.intervals)
        or round(1000 * source.size_bytes / rates[suffix])
        for suffix, members in by_suffix.items()
        for source in members
    }


def _bytes_a_second(suffix: str, sources: Sequence[Source]) -> float:
    step = max(1, len(sources) // MAX_HEADERS)
    headers = list(_headers(sources[::step][:MAX_HEADERS]))
    seconds = sum(duration_s for _, duration_s in headers)
    if seconds <= 0:
        return BYTES_A_SECOND.get(suffix, UNKNOWN_BYTES_A_SECOND)
    return sum(size_bytes for size_bytes, _ in headers) / seconds


def _headers(sources: Iterable[Source]) -> Iterable[tuple[int, float]]:
    """(bytes, seconds) of the local files among `sources` whose header libsndfile reads."""
    import soundfile

    for source in sources:
        if not files.is_local(source.uri):
            continue
        try:
            # By descriptor: a name may contain bytes that are not text, or end in .raw, which libsndfile handles apart
            with (
                files.local_path(source.uri).open("rb") as file,
                soundfile.SoundFile(file.fileno(), closefd=False) as sound,
            ):
                duration_s = sound.frames / max(1, sound.samplerate)
        except (OSError, ValueError, TypeError, soundfile.SoundFileError):
            continue  # decoding will report the problem
        if 0 < duration_s < source.size_bytes / FEWEST_BYTES_A_SECOND:
            yield source.size_bytes, duration_s


WORK_RECORDINGS = 200
WORK_BYTES = 256 * 2**20
"""A task ends at either limit: the most that a killed worker loses."""


class StagePlan(Record):
    """The remaining work of one stage."""

    stage: str
    todo: int
    """Recordings to do."""
    done: int
    """Recordings whose rows exist already, with the same key."""
    changed: int
    """Recordings among `todo` with rows under another key: the configuration or the manifest has changed."""


class Plan(Record):
    """Everything that is left to do, as tasks, with reasons."""

    stages: tuple[StagePlan, ...]
    tasks: tuple[ShardTask, ...]
    kept: int
    """Recordings in OUT from earlier runs that are not among the inputs; their rows stay."""

    @property
    def recordings(self) -> int:
        return sum(len(work.sources) for work in self.tasks)

    @property
    def is_empty(self) -> bool:
        return not self.tasks


def plan_run(sources: Sequence[Source], config: RunConfig, corpus: Corpus, shards: int) -> Plan:
    """Compares what `config` needs for `sources` with what `corpus` has committed."""
    wanted = wanted_keys(config, sources)
    stages, missing = [], {}
    for stage, keys in wanted.items():
        have = corpus.keys(stage)
        todo = {recording_id for recording_id, key in keys.items() if key not in have.get(recording_id, frozenset())}
        missing[stage] = todo
        stages.append(
            StagePlan(stage=stage, todo=len(todo), done=len(keys) - len(todo), changed=len(todo & have.keys()))
        )
    listed = {source.recording_id for source in sources}
    unlisted = {recording_id for stage in wanted for recording_id in corpus.keys(stage)} - listed
    return Plan(stages=tuple(stages), tasks=_tasks(sources, wanted, missing, shards), kept=len(unlisted))


def _tasks(
    sources: Sequence[Source],
    wanted: Mapping[str, Mapping[str, str]],
    missing: Mapping[str, set[str]],
    shards: int,
) -> tuple[ShardTask, ...]:
    left = set().union(*missing.values())
    by_shard: dict[int, list[Source]] = {}
    for source in sorted(sources, key=lambda source: source.recording_id):
        if source.recording_id in left:
            by_shard.setdefault(shard_of(source.recording_id, shards), []).append(source)
    return tuple(
        ShardTask(
            shard=shard,
            sources=tuple(chunk),
            stages=tuple(
                StageTask(stage=stage, keys=keys)
                for stage in wanted
                if (keys := _keys(chunk, wanted[stage], missing[stage]))
            ),
        )
        for shard, members in sorted(by_shard.items())
        for chunk in _chunks(members)
    )


def _keys(sources: Sequence[Source], keys: Mapping[str, str], missing: set[str]) -> tuple[tuple[str, str], ...]:
    ids = (source.recording_id for source in sources)
    return tuple((recording_id, keys[recording_id]) for recording_id in ids if recording_id in missing)


def _chunks(sources: Sequence[Source]) -> list[list[Source]]:
    chunks: list[list[Source]] = []
    size = 0
    for source in sources:
        if not chunks or len(chunks[-1]) >= WORK_RECORDINGS or size + source.size_bytes > WORK_BYTES:
            chunks.append([])
            size = 0
        chunks[-1].append(source)
        size += source.size_bytes
    return chunks
