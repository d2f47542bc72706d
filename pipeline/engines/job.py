"""A run as one job of a Beam runner, which lists, plans, works, sweeps and counts: the launcher only follows it."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from soundseam.pipeline.config import RunConfig, available, load_config
from soundseam.pipeline.engines.beam import follow_job
from soundseam.pipeline.input.index import other_indexes
from soundseam.pipeline.input.inputs import check_inputs
from soundseam.pipeline.inspection import RunSummary, inspection_of, write_configuration, write_summary
from soundseam.pipeline.launch import RunRequest, ask_servers
from soundseam.pipeline.local.meter import Reading
from soundseam.pipeline.local.progress import read_metrics, stage_costs
from soundseam.pipeline.local.watcher import Display
from soundseam.pipeline.plan import stage_keys
from soundseam.pipeline.serving.reachable import server_uses
from soundseam.pipeline.stages.shard import DoneCounts, Job, PlanCounts
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.commits import list_markers, place_of_marker, prepare_output
from soundseam.pipeline.storage.redact import redact_uri
from soundseam.pipeline.storage.remote import take_requests
from soundseam.pipeline.storage.sweep import delete_unfinished
from soundseam.pipeline.work import CAPTIONS_STAGE

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

ReportT = TypeVar("ReportT", PlanCounts, DoneCounts)


@dataclass
class JobRun:
    """A run on a Beam runner. The caller holds `output_in_use`."""

    request: RunRequest
    options: PipelineOptions | None
    display: Display

    def run(self) -> RunSummary:
        """Raises SetupError before writing if the run cannot begin, WorkerFailedError if the job fails."""
        output = self.request.output
        config, unavailable = available(load_config(self.request.profile, self.request.overrides))
        for notice in unavailable:
            self.display.note(notice)
        check_inputs(self.request.inputs, output)
        ask_servers(self.request, server_uses(config), self.display)
        job = Job(
            inputs=self.request.inputs,
            output=output,
            shards=prepare_output(output),
            max_retries=self.request.max_retries,
            name=uuid.uuid4().hex[:8],
        )
        write_configuration(output, config)
        begun_s = time.monotonic()
        planned, done = self._followed(job, config)
        files.delete(other_indexes(output))
        delete_unfinished(output)
        corpus = inspection_of(done.corpus)
        summary = RunSummary(
            recordings_done=planned.to_do,
            recordings_up_to_date=planned.recordings - planned.to_do,
            recordings_tried_again=planned.tried_again,
            stages=tuple(stage for stage in stage_keys(config) if planned.stage_to_do.get(stage)),
            all_stages=all(planned.stage_to_do.get(stage) for stage in stage_keys(config)),
            recordings_given_up=0,
            audio_ms=done.audio_ms,
            seconds=round(time.monotonic() - begun_s, 1),
            workers=self.request.workers or 1,
            unavailable=unavailable,
            requests=tuple(take_requests().most_common()),
            corpus=corpus,
            reject_rate=round(corpus.reject_rate, 4),
            inputs_with_segments=done.corpus.listed_with_segments,
            recordings_to_retry=done.to_retry,
            recordings_retried_in_vain=done.retried_in_vain,
        )
        write_summary(output, summary)
        return summary

    def _followed(self, job: Job, config: RunConfig) -> tuple[PlanCounts, DoneCounts]:
        from soundseam.pipeline.stages.context import RunContext
        from soundseam.pipeline.stages.graph import run_job

        self.display.note(f"{self.request.runner} lists the inputs and plans what is to be done")
        progress = JobProgress(job, config, self.display)
        try:
            follow_job(
                lambda: run_job(job, RunContext(job.output, config=config), self.options),
                job.output,
                self.request.runner,
                progress,
            )
            return progress.planned or PlanCounts(), read_report(job, "done", DoneCounts) or DoneCounts()
        finally:
            files.delete([job.report_uri("planned"), job.report_uri("done")])


def read_report(job: Job, when: str, kind: type[ReportT]) -> ReportT | None:
    """What a job has reported; None if it has not come so far."""
    try:
        return kind.model_validate_json(files.read_bytes(job.report_uri(when)))
    except FileNotFoundError:
        return None


class JobProgress:
    """The progress of a job, from the number of its commits: memory does not grow with the corpus."""

    def __init__(self, job: Job, config: RunConfig, display: Display) -> None:
        self._job, self._display = job, display
        self._costs = stage_costs(config, read_metrics(job.output))
        self._begun_s = self._planned_s = time.monotonic()
        self._before = self._markers()
        self._made: Counter[str] = Counter()
        self.planned: PlanCounts | None = None

    def count(self) -> None:
        if self.planned is None:
            self.planned = read_report(self._job, "planned", PlanCounts)
            if self.planned is None:
                return
            self._planned_s = time.monotonic()
            self._note(self.planned)
        if self.planned.to_do:
            self._made = self._markers() - self._before

    def tick(self) -> None:
        if self.planned is not None and self.planned.to_do:
            self._display.show(self.reading(self.planned))

    def done(self) -> str:
        if self.planned is None:
            return "nothing had been planned"
        return self.reading(self.planned).in_words

    def reading(self, planned: PlanCounts) -> Reading:
        passed_s = time.monotonic() - self._planned_s
        total = done = 0.0
        for stage, commits in planned.stage_commits.items():
            seconds = self._costs[stage] * planned.stage_to_do[stage]
            total += seconds
            done += seconds * min(1.0, self._made[stage] / commits)
        share = done / total if total else 1.0
        last = planned.stage_commits.get(CAPTIONS_STAGE, 0)
        return Reading(
            recordings=planned.to_do,
            recordings_done=int(planned.to_do * min(1.0, self._made[CAPTIONS_STAGE] / last)) if last else 0,
            audio_ms=planned.audio_ms,
            audio_ms_done=round(planned.audio_ms * share),
            share=share,
            elapsed_s=passed_s,
            seconds_left=passed_s * (1 - share) / share
            if share
            else sum(self._costs.values()) * planned.audio_ms / 1000,
        )

    def _note(self, planned: PlanCounts) -> None:
        if planned.damaged:
            self._display.note(f"{planned.damaged:,} committed files are missing, truncated or altered: see the log")
        if planned.tried_again:
            self._display.note(f"{planned.tried_again:,} recordings lost to temporary faults are tried again")
        if planned.kept:
            self._display.note(
                f"{planned.kept:,} recordings of earlier runs are not among these inputs; their rows stay"
            )
        if planned.to_do:
            done = planned.recordings - planned.to_do
            self._display.note(f"{planned.to_do:,} recordings have something left to do, {done:,} are up to date")
        elif planned.recordings:
            place = redact_uri(self._job.output)
            self._display.note(f"Nothing to do: {place} is up to date with these inputs and this configuration")

    def _markers(self) -> Counter[str]:
        return Counter(place_of_marker(self._job.output, stat.uri)[0] for stat in list_markers(self._job.output))
