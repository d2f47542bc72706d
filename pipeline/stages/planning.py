"""Plans the shards of a job on a runner before its tasks, and sweeps and counts them afterwards, as Beam transforms.

A shard is planned and swept against its own markers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import AsSingleton, TaggedOutput

from soundseam.pipeline.config import RunConfig
from soundseam.pipeline.input.sources import Found, in_order, join_found
from soundseam.pipeline.inspection import Counts
from soundseam.pipeline.plan import stage_keys
from soundseam.pipeline.stages.listing import REJECTED, Batch, Batches, FindFiles, as_pairs, elements_of
from soundseam.pipeline.stages.shard import (
    Committed,
    DoneCounts,
    Job,
    PlanCounts,
    ShardNote,
    finish_shard,
    plan_shard,
)
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.commits import (
    LIST_SHARD,
    commit_listing,
    list_markers,
    place_of_marker,
    read_markers,
)
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.storage.files import FileStat
from soundseam.pipeline.storage.sweep import SWEPT
from soundseam.pipeline.storage.tables import is_table_file, shard_in_name
from soundseam.pipeline.work import LIST_STAGE, ShardTask
from soundseam.schemas.recording import Rejected

NOTES, COUNTS = "notes", "counts"
MARKERS = "markers"
NO_SHARD = -1
"""Files of tables whose name is of no shard: unfinished ones of killed runs."""


class MarkerFile(NamedTuple):
    stat: FileStat


class ListingNote(NamedTuple):
    """The keys of what the listing committed."""

    wanted: Mapping[str, str]


class Planned(NamedTuple):
    tasks: beam.PCollection[ShardTask]
    notes: beam.PCollection[tuple[int, Batch]]
    rejected: beam.PCollection[Rejected]


class ListCommitted(beam.PTransform):
    """The markers and the files of tables by shard, listed when the input has its one element."""

    def __init__(self, output: str) -> None:
        super().__init__()
        self._output = output

    def expand(self, begin: beam.PCollection[object]) -> beam.PCollection[tuple[int, Batch]]:
        output, places = self._output, [MARKERS, *map(str, SWEPT)]
        return (
            begin
            | "Folders" >> beam.FlatMap(lambda _: places)
            | beam.Reshuffle()
            | "ListFiles"
            >> beam.FlatMap(lambda place: files_by_shard(output, place)).with_output_types(tuple[int, Any])
        )


def files_by_shard(output: str, place: str) -> Iterator[tuple[int, Batch]]:
    """The markers, or the files of a table, in batches."""
    batches = Batches()
    if place == MARKERS:
        for stat in list_markers(output):
            yield from batches.add(place_of_marker(output, stat.uri)[1], MarkerFile(stat))
    else:
        for stat in files.walk_files(files.join(output, place)):
            name = files.name_of(stat.uri)
            if is_table_file(name):
                shard = shard_in_name(name)
                yield from batches.add(NO_SHARD if shard is None else shard, stat)
    yield from batches.rest()


def _committed(output: str, elements: Sequence[object]) -> Committed:
    markers = [element.stat for element in elements if isinstance(element, MarkerFile)]
    stats = [element for element in elements if isinstance(element, FileStat)]
    return Corpus(output, read_markers(output, markers)), stats


class PlanShards(beam.DoFn):
    """The tasks of a shard; what the end of the job has to know of it; what is to be done; and rejects."""

    def __init__(self, job: Job, config: RunConfig) -> None:
        self._job, self._config = job, config

    def process(self, grouped: tuple[int, Iterable[Batch]]) -> Iterator[Any]:
        shard, elements = grouped[0], list(elements_of(grouped[1]))
        if shard == NO_SHARD:
            return
        listing = join_found(element for element in elements if isinstance(element, Found))
        planned = plan_shard(self._job, self._config, shard, listing, _committed(self._job.output, elements))
        yield from planned.tasks
        yield TaggedOutput(NOTES, (shard, Batch([planned.note])))
        yield TaggedOutput(COUNTS, planned.counts)
        for row in listing.rejected:
            yield TaggedOutput(REJECTED, row)


class PlanInputs(beam.PTransform):
    """From the inputs as they were typed to the tasks of all shards."""

    def __init__(self, job: Job, config: RunConfig) -> None:
        super().__init__()
        self._job, self._config = job, config

    def expand(self, pipeline: beam.Pipeline) -> Planned:
        job, output = self._job, self._job.output
        found = pipeline | "List" >> FindFiles(job)
        committed = pipeline | "Now" >> beam.Create([None]) | "Committed" >> ListCommitted(output)
        planned = (
            (found.by_shard, committed)
            | "FoundAndCommitted" >> beam.Flatten()
            | "Shards" >> beam.GroupByKey()
            | beam.ParDo(PlanShards(job, self._config)).with_outputs(NOTES, COUNTS, REJECTED, main="tasks")
        )
        reported = planned[COUNTS] | "ReportPlan" >> Report(PlanCounts, job.report_uri("planned"))
        return Planned(
            tasks=planned.tasks
            | "Tasks" >> beam.Reshuffle()
            | "WhenReported" >> beam.Map(lambda task, _: task, AsSingleton(reported)),
            notes=as_pairs(planned[NOTES], "Notes"),
            rejected=(found.rejected, planned[REJECTED]) | "Rejected" >> beam.Flatten(),
        )


class Report(beam.PTransform):
    """Adds up what shards count and writes it to a file; gives one element when it is written."""

    def __init__(self, kind: type[Counts], uri: str) -> None:
        super().__init__()
        self._kind, self._uri = kind, uri

    def expand(self, counts: beam.PCollection[Counts]) -> beam.PCollection[None]:
        kind, uri = self._kind, self._uri

        def add(parts: Iterable[Counts]) -> Counts:
            return sum(parts, kind())

        def write(whole: Counts) -> None:
            files.write_atomically(uri, whole.model_dump_json().encode())

        return counts | beam.CombineGlobally(add) | beam.Map(write)


class CommitListing(beam.DoFn):
    """Commits the rejects of the listing, and gives the keys of their commit as a note about its shard."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def process(self, grouped: tuple[int, Iterable[Rejected | None]]) -> Iterator[tuple[int, Batch]]:
        rejected = in_order(row for row in grouped[1] if row is not None)
        yield LIST_SHARD, Batch([ListingNote(commit_listing(self._job.output, self._job.inputs, rejected))])


class FinishShards(beam.DoFn):
    """Sweeps and counts a shard."""

    def __init__(self, job: Job, config: RunConfig) -> None:
        self._job, self._config = job, config

    def process(self, grouped: tuple[int, Iterable[Batch]]) -> Iterator[DoneCounts]:
        shard, elements = grouped[0], list(elements_of(grouped[1]))
        note = next((element for element in elements if isinstance(element, ShardNote)), ShardNote())
        for element in elements:
            if isinstance(element, ListingNote):
                note = note.model_copy(update={"wanted": {**note.wanted, LIST_STAGE: element.wanted}})
        committed = _committed(self._job.output, elements)
        yield finish_shard(self._job, list(stage_keys(self._config)), shard, note, committed)


class FinishJob(beam.PTransform):
    """Commits the rejects of the listing; then, when all tasks are finished, sweeps and counts all shards."""

    def __init__(self, job: Job, config: RunConfig) -> None:
        super().__init__()
        self._job, self._config = job, config

    def expand(self, before: tuple[Planned, beam.PCollection[ShardTask]]) -> beam.PCollection[None]:
        planned, finished = before
        listing = (
            (planned.rejected, planned.rejected.pipeline | "NoReject" >> beam.Create([None]))
            | "Rejects" >> beam.Flatten()
            | "Together" >> beam.Map(lambda row: (LIST_SHARD, row)).with_output_types(tuple[int, Any])
            | "Listing" >> beam.GroupByKey()
            | beam.ParDo(CommitListing(self._job)).with_output_types(tuple[int, Any])
        )
        committed = (
            (finished | "Finished" >> beam.Map(lambda _: 1), listing | "Listed" >> beam.Map(lambda _: 1))
            | "AllTasks" >> beam.Flatten()
            | beam.combiners.Count.Globally()
            | ListCommitted(self._job.output)
        )
        return (
            (planned.notes, listing, committed)
            | "NotesAndCommitted" >> beam.Flatten()
            | "FinishedShards" >> beam.GroupByKey()
            | beam.ParDo(FinishShards(self._job, self._config))
            | Report(DoneCounts, self._job.report_uri("done"))
        )
