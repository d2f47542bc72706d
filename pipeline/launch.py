"""A run from its inputs to its summary: configure, list, plan, do the work, clean up."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from soundseam.pipeline.config import RunConfig, SetupError, available, load_config, server_settings
from soundseam.pipeline.doctor import fitting_workers, usable_cores, usable_gpus
from soundseam.pipeline.input.index import INDEX_FOLDER, SourceIndex, index_folder, index_uri
from soundseam.pipeline.input.sources import Listing, Part, list_sources
from soundseam.pipeline.inspection import (
    PartSummary,
    RunSummary,
    RunTotals,
    count_with_segments,
    inspect_corpus,
    write_configuration,
    write_summary,
)
from soundseam.pipeline.local.division import Division
from soundseam.pipeline.local.meter import START_UP_S, Meter
from soundseam.pipeline.local.pool import LOCAL_RUNNERS
from soundseam.pipeline.local.progress import (
    ProgressLog,
    read_metrics,
    stage_costs,
    write_metrics,
)
from soundseam.pipeline.local.supervisor import LocalJob, run_local
from soundseam.pipeline.local.watcher import Display, RunWatcher
from soundseam.pipeline.plan import Plan, estimate_durations, plan_run, stage_keys, wanted_keys
from soundseam.pipeline.retries import MAX_RETRIES, Lost, begin_retries, end_retries, find_lost
from soundseam.pipeline.serving.reachable import ServerUse, check_servers, server_uses
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.check import set_aside, without_altered
from soundseam.pipeline.storage.commits import (
    LAYOUT_FILE,
    RUN_FOLDER,
    commit_listing,
    prepare_output,
    read_layout,
)
from soundseam.pipeline.storage.corpus import Corpus, Damaged
from soundseam.pipeline.storage.ownership import check_output
from soundseam.pipeline.storage.sweep import sweep
from soundseam.pipeline.work import LIST_STAGE, ShardTask
from soundseam.schemas.record import Record

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

_LOGGER = logging.getLogger(__name__)


class RunRequest(Record):
    """The options of a run."""

    inputs: tuple[str, ...]
    output: str
    profile: str = "embedded"
    overrides: tuple[str, ...] = ()
    workers: int | None = 1
    """Local processes; None for as many as fit this machine and the configuration."""
    stall_timeout_s: float = 300.0
    max_retries: int = MAX_RETRIES
    """How often recordings that were lost to temporary faults are tried again."""
    runner: str = "DirectRunner"
    part: Part | None = None
    """Only this part of the inputs; None for all of them."""

    @property
    def is_local(self) -> bool:
        return self.runner in LOCAL_RUNNERS


@dataclass(frozen=True)
class Prepared:
    """A run that has been planned, but not started."""

    config: RunConfig
    unavailable: tuple[str, ...]
    listing: Listing
    index: SourceIndex
    plan: Plan
    durations_ms: Mapping[str, int]
    costs: Mapping[str, float]
    workers: int
    lost: Lost
    damaged: tuple[Damaged, ...]
    """Committed files that are missing, truncated or altered; rebuilt if their recordings are among the inputs."""

    @property
    def audio_ms(self) -> int:
        """Estimated length of the recordings with something left to do."""
        return sum(self.durations_ms[source.recording_id] for work in self.plan.tasks for source in work.sources)

    @property
    def recording_ids(self) -> frozenset[str]:
        """The ids of all listed recordings, with or without something left to do."""
        return frozenset(source.recording_id for source in self.listing.sources)

    def expected_seconds(self) -> float:
        """Expected duration of the run, with the start of its workers; 0 if there is nothing to do."""
        return START_UP_S + sum(self.stage_seconds().values()) / self.workers if self.plan.tasks else 0.0

    def stage_seconds(self) -> dict[str, float]:
        """stage → expected seconds on one core."""
        seconds = dict.fromkeys(self.costs, 0.0)
        for work in self.plan.tasks:
            for stage in work.stages:
                for recording_id, _ in stage.keys:
                    seconds[stage.stage] += self.durations_ms[recording_id] / 1000 * self.costs[stage.stage]
        return seconds


def prepare_run(request: RunRequest) -> Prepared:
    """Lists and plans without changing OUT. Raises SetupError if the run could not start."""
    config, unavailable = available(load_config(request.profile, request.overrides))
    return prepare_with(config, request, unavailable)


def prepare_with(config: RunConfig, request: RunRequest, unavailable: tuple[str, ...] = ()) -> Prepared:
    """The same with a given configuration, whatever the profile of the request."""
    check_output(request.output)
    shards = read_layout(request.output).shards
    index = _index_of(request)
    listing = list_sources(request.inputs, index, request.output, request.part)
    corpus = without_altered(Corpus.load_present(request.output, list(stage_keys(config))))
    # What is lost stays so in a part: only the whole run may rewrite commits.
    retries = 0 if request.part else request.max_retries
    lost = find_lost(corpus, {source.recording_id for source in listing.sources}, retries)
    plan = plan_run(listing.sources, config, corpus.without(lost.again), shards)
    if request.part:
        plan = plan.model_copy(update={"kept": 0})  # other recordings in OUT are those of the other parts
    durations = estimate_durations(listing.sources)
    costs = stage_costs(config, read_metrics(request.output))
    workers = request.workers or fitting_workers(config, usable_cores(), usable_gpus())
    return Prepared(config, unavailable, listing, index, plan, durations, costs, workers, lost, corpus.damaged)


def _index_of(request: RunRequest) -> SourceIndex:
    """A part writes an index of its own; the whole run takes in those of all parts and jobs."""
    own = index_uri(request.output)
    if request.part:
        name = f"{request.part.number}-of-{request.part.total}.parquet"
        return SourceIndex(files.join(index_folder(request.output), name), [own])
    return SourceIndex(own, [stat.uri for stat in files.list_files(index_folder(request.output))])


@contextmanager
def output_in_use(output: str, *, is_part: bool = False) -> Iterator[None]:
    """Locks a local OUT against a second run on this machine: each would delete what the other is writing.

    Parts of one run, which delete nothing, may write at the same time.
    """
    if not files.is_local(output):
        yield
        return
    import fcntl

    path = files.local_path(files.join(output, RUN_FOLDER, "lock"))
    made = _make_folders(path.parent)
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if is_part else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SetupError(
                f"another run is writing to {output}: wait for it, stop it, or choose another --output"
            ) from error
        try:
            yield
        finally:
            if not (path.parent / LAYOUT_FILE).exists():
                _remove_lock(path, made)


def _make_folders(folder: Path) -> list[Path]:
    """Creates a folder with its parents; returns the new ones, the innermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(f"{folder.parent} cannot be written to: {error.strerror}. Choose another --output") from error
    return missing


def _remove_lock(path: Path, made: Sequence[Path]) -> None:
    """If nothing was started, removes what was only created for the lock."""
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # a folder that is not empty by now
        for folder in made:
            folder.rmdir()


@dataclass
class Launch:
    """Executes a prepared run in local processes."""

    request: RunRequest
    prepared: Prepared
    options: PipelineOptions | None
    display: Display

    def run(self) -> RunSummary:
        """Does everything that is left to do. The caller holds `output_in_use`. Raises SetupError before writing."""
        output, config = self.request.output, self.prepared.config
        self._begin()
        listed = commit_listing(output, self.request.inputs, self.prepared.listing.rejected)
        begin_retries(output, self.prepared.lost)
        totals = self._do_tasks()
        sweep(output, {**wanted_keys(config, self.prepared.listing.sources), LIST_STAGE: listed})
        files.delete([stat.uri for stat in files.list_files(index_folder(output))])
        files.remove_empty_folders(files.join(output, RUN_FOLDER), [INDEX_FOLDER])
        corpus = inspect_corpus(output)
        lost = self._still_lost()
        summary = RunSummary(
            **dict(totals),
            corpus=corpus,
            reject_rate=round(corpus.reject_rate, 4),
            inputs_with_segments=count_with_segments(output, self.prepared.recording_ids),
            recordings_to_retry=len(lost.to_retry),
            recordings_retried_in_vain=len(lost.left),
        )
        write_summary(output, summary)
        return summary

    def run_part(self, part: Part) -> PartSummary:
        """Does what is left to do of a part, beside others that may be at work in OUT, and removes nothing there.

        The rejects of the listing, retries, clean-up and summary are left to the whole run. The caller holds
        `output_in_use`. Raises SetupError before writing.
        """
        self._begin()
        totals = self._do_tasks()
        return PartSummary(**dict(totals), part=str(part), unusable=len(self.prepared.listing.rejected))

    def _begin(self) -> None:
        left = {stage.stage for work in self.prepared.plan.tasks for stage in work.stages}
        ask_servers(self.request, [use for use in server_uses(self.prepared.config) if use.stage in left], self.display)
        prepare_output(self.request.output)
        write_configuration(self.request.output, self.prepared.config)
        self.prepared.index.save()

    def _do_tasks(self) -> RunTotals:
        output, plan = self.request.output, self.prepared.plan
        meter = Meter(plan.tasks, self.prepared.durations_ms, self.prepared.costs, self.prepared.workers)
        watcher = RunWatcher(output, meter, self.display)
        if files.is_local(output):
            # Files that cannot be rebuilt from these inputs stay where they are.
            names = self.prepared.recording_ids
            set_aside(output, (file.uri for file in self.prepared.damaged if file.recording_ids <= names))
        if not plan.is_empty:
            self._run_tasks(watcher)
            measured = meter.stage_metrics()
            for stage in measured:
                _LOGGER.info("%s: %.1f s, %.0f x real time", stage.stage, stage.seconds, stage.speed)
            write_metrics(output, read_metrics(output).updated(measured))
        reading = meter.read()
        return RunTotals(
            recordings_done=reading.recordings - watcher.given_up,
            recordings_up_to_date=len(self.prepared.recording_ids) - reading.recordings,
            recordings_tried_again=len(self.prepared.lost.to_retry),
            stages=tuple(stage.stage for stage in plan.stages if stage.todo),
            all_stages=all(stage.todo for stage in plan.stages),
            recordings_given_up=watcher.given_up,
            audio_ms=reading.audio_ms,
            seconds=round(reading.elapsed_s, 1),
            workers=self.prepared.workers,
            unavailable=self.prepared.unavailable,
            asked=watcher.asked(),
            requests=watcher.requests(),
        )

    def _still_lost(self) -> Lost:
        corpus = Corpus.load_present(self.request.output, list(stage_keys(self.prepared.config)))
        lost = find_lost(corpus, self.prepared.recording_ids, self.request.max_retries)
        end_retries(self.request.output, lost)
        return lost

    def _run_tasks(self, watcher: RunWatcher) -> None:
        tasks = self.prepared.plan.tasks
        group = GraphGroup(self.prepared.config, self.request.output, self.options)
        lengths = {
            source.recording_id: self.prepared.durations_ms[source.recording_id]
            for work in tasks
            for source in work.sources
        }
        division = Division(self.prepared.config, lengths, self.prepared.workers)
        run_local(tasks, LocalJob(group, watcher, self.prepared.workers, self.request.stall_timeout_s, division))


def ask_servers(request: RunRequest, uses: Sequence[ServerUse], display: Display) -> None:
    """Asks the servers one question of each kind, as `check_servers` does, and notes what was found."""
    settings = server_settings(request.profile, request.overrides) if uses else {}
    for notice in check_servers(uses, settings, request.is_local):
        display.note(notice)


@dataclass(frozen=True)
class GraphGroup:
    """Runs the graph over some tasks: those of a local worker."""

    config: RunConfig
    output: str
    options: PipelineOptions | None

    def __call__(self, tasks: Sequence[ShardTask], progress: ProgressLog) -> None:
        from soundseam.pipeline.stages.ahead import annotate_ahead
        from soundseam.pipeline.stages.context import RunContext
        from soundseam.pipeline.stages.graph import run_graph

        files.use_options(self.options)
        context = RunContext(self.output, progress, config=self.config)
        if all(work.portion for work in tasks):
            for work in tasks:
                annotate_ahead(context, work)
        else:
            run_graph(tasks, context, self.options)
