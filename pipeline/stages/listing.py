"""From the inputs of a job on a runner to identified files, as Beam transforms over references."""

from __future__ import annotations

import pickle
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from soundseam.pipeline.input.index import (
    IndexedSource,
    SourceIndex,
    bucket_of,
    bucket_uri,
    other_indexes,
    read_index,
    uri_key,
)
from soundseam.pipeline.input.inputs import Manifest, list_input, read_listed
from soundseam.pipeline.input.manifest import Entry
from soundseam.pipeline.input.manifest_rows import Piece, split_manifest
from soundseam.pipeline.input.sources import identify, normal_uri
from soundseam.pipeline.stages.shard import Job
from soundseam.pipeline.storage.commits import shard_of
from soundseam.pipeline.storage.ownership import OwnFiles
from soundseam.schemas.recording import Rejected

SAVE_S = 60.0
"""How often what is known of files is written while they are read: the most that a killed worker reads again."""
MAX_BATCHED = 5_000
"""Elements that a worker holds back to send them together."""
REJECTED, PIECES = "rejected", "pieces"


class Placed(NamedTuple):
    """An entry with its place in the order of all inputs: which of them, which manifest, which line."""

    place: tuple[int, str, int]
    entry: Entry


class ListedPiece(NamedTuple):
    number: int
    manifest: Manifest
    piece: Piece | None


class FoundFiles(NamedTuple):
    by_shard: beam.PCollection[tuple[int, Batch]]
    """Of `Found`."""
    rejected: beam.PCollection[Rejected]


class ListInputs(beam.DoFn):
    """The entries of an input in batches by bucket, the pieces of its manifests, and its rejects."""

    def __init__(self, output: str) -> None:
        self._output = output

    def process(self, numbered: tuple[int, str]) -> Iterator[Any]:
        number, item = numbered
        batches = Batches()
        for listed in list_input(item, OwnFiles(self._output)):
            if isinstance(listed, Manifest):
                for piece in split_manifest(listed.uri):
                    yield TaggedOutput(PIECES, ListedPiece(number, listed, piece))
            elif isinstance(listed, Rejected):
                yield TaggedOutput(REJECTED, listed)
            else:
                yield from batches.add(_bucket(listed), Placed((number, "", 0), listed))
        yield from batches.rest()


class ReadManifests(beam.DoFn):
    """The entries of pieces of manifests in batches by bucket, and rejects."""

    def __init__(self, output: str) -> None:
        self._output = output

    def setup(self) -> None:
        self._own = OwnFiles(self._output)

    def process(self, listed: ListedPiece) -> Iterator[Any]:
        batches = Batches()
        for entry in read_listed(listed.manifest, self._own, listed.piece):
            if isinstance(entry, Rejected):
                yield TaggedOutput(REJECTED, entry)
            else:
                place = (listed.number, listed.manifest.uri, entry.line)
                yield from batches.add(_bucket(entry), Placed(place, entry))
        yield from batches.rest()


@dataclass(frozen=True)
class Batch:
    """Elements with the same key. Beam would encode those of a list one by one, with all names: ten times as large."""

    elements: Sequence[Any]

    def __reduce__(self) -> tuple[Callable[[bytes], Batch], tuple[bytes]]:
        return _unpacked, (zlib.compress(pickle.dumps(self.elements), 1),)


def _unpacked(data: bytes) -> Batch:
    return Batch(pickle.loads(zlib.decompress(data)))  # noqa: S301 - what a worker of the same job has packed


def elements_of(batches: Iterable[Batch]) -> Iterator[Any]:
    return chain.from_iterable(batch.elements for batch in batches)


class Batches:
    """Collects elements by key, and gives them as batches."""

    def __init__(self) -> None:
        self._by_key: defaultdict[int, list[object]] = defaultdict(list)
        self._count = 0

    def add(self, key: int, element: object) -> Iterator[tuple[int, Batch]]:
        self._by_key[key].append(element)
        self._count += 1
        if self._count >= MAX_BATCHED:
            yield from self.rest()

    def rest(self) -> Iterator[tuple[int, Batch]]:
        yield from ((key, Batch(elements)) for key, elements in self._by_key.items())
        self._by_key = defaultdict(list)
        self._count = 0


def _bucket(entry: Entry) -> int:
    return bucket_of(uri_key(normal_uri(entry.uri)))


class IdentifyFiles(beam.DoFn):
    """The files of a bucket by shard, each with the hash of its bytes; unchanged ones are not read again."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def process(self, grouped: tuple[int, Iterable[Batch]]) -> Iterator[Any]:
        placed: list[Placed] = []
        index = SourceIndex(bucket_uri(self._job.output, grouped[0]))
        for element in elements_of(grouped[1]):
            if isinstance(element, IndexedSource):
                index.add([element])
            else:
                placed.append(element)
        by_uri: dict[str, list[Entry]] = {}
        for _, entry in sorted(placed, key=lambda one: one.place):
            by_uri.setdefault(normal_uri(entry.uri), []).append(entry)
        batches = Batches()
        saved_s = time.monotonic()
        for found in identify(by_uri, index):
            if isinstance(found, Rejected):
                yield TaggedOutput(REJECTED, found)
            else:
                yield from batches.add(shard_of(found.recording_id, self._job.shards), found)
            if time.monotonic() - saved_s > SAVE_S:
                index.save()
                saved_s = time.monotonic()
        index.save()
        yield from batches.rest()


class FindFiles(beam.PTransform):
    """From the inputs as they were typed to the files of all shards, each with the hash of its bytes."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job = job

    def expand(self, pipeline: beam.Pipeline) -> FoundFiles:
        job, output = self._job, self._job.output
        listed = (
            pipeline
            | "Inputs" >> beam.Create(list(enumerate(job.inputs)), reshuffle=True)
            | beam.ParDo(ListInputs(output)).with_outputs(PIECES, REJECTED, main="entries")
        )
        read = (
            listed[PIECES]
            | "Pieces" >> beam.Reshuffle()
            | beam.ParDo(ReadManifests(output)).with_outputs(REJECTED, main="entries")
        )
        known = (
            pipeline
            | "Output" >> beam.Create([output])
            | "OtherIndexes" >> beam.FlatMap(other_indexes)
            | "Indexes" >> beam.Reshuffle()
            | "ReadIndexes" >> beam.FlatMap(rows_by_bucket)
        )
        entries = [
            as_pairs(part, f"Bucketed{number}") for number, part in enumerate((listed.entries, read.entries, known))
        ]
        identified = (
            entries
            | "Entries" >> beam.Flatten()
            | "Buckets" >> beam.GroupByKey()
            | beam.ParDo(IdentifyFiles(job)).with_outputs(REJECTED, main="found")
        )
        return FoundFiles(
            by_shard=as_pairs(identified.found, "Found"),
            rejected=(listed[REJECTED], read[REJECTED], identified[REJECTED]) | "Rejected" >> beam.Flatten(),
        )


def rows_by_bucket(uri: str) -> Iterator[tuple[int, Batch]]:
    """What an index file knows, in batches."""
    batches = Batches()
    for row in read_index(uri):
        yield from batches.add(bucket_of(row.uri_key), row)
    yield from batches.rest()


def as_pairs(elements: beam.PCollection[Any], name: str) -> beam.PCollection[tuple[int, Any]]:
    """The same elements, which Beam then knows to be pairs."""
    return elements | name >> beam.Map(lambda pair: pair).with_output_types(tuple[int, Any])
