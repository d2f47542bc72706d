"""Checks that committed files match their markers: presence, size, bytes, rows and columns."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.commits import RUN_FOLDER, Commit, read_layout, read_stages, stages_in
from soundseam.pipeline.storage.corpus import Corpus, Damaged
from soundseam.pipeline.storage.tables import FileEntry
from soundseam.schemas.record import Record
from soundseam.schemas.tables import SAMPLES_FOLDER, LongTable, table_schema

CHECK_BYTES = 2**30
"""How much of a local corpus a run reads to find altered bits: all of a small one, a random part of a large one."""
DAMAGED_FOLDER = f"{RUN_FOLDER}/damaged"
_THREADS = 4

Damage = Literal["missing", "of another size", "altered", "not a Parquet file", "with other rows", "with other columns"]


class DamagedFile(Record):
    """A committed file that does not match its marker."""

    stage: str
    uri: str
    damage: Damage
    recordings: int
    """Number of recordings that its commit covers."""

    @property
    def remedy(self) -> str:
        command = "the soundseam run that made it"
        if self.stage in set(LongTable):
            command = "soundseam long"
        elif self.stage.startswith(f"{SAMPLES_FOLDER}/"):
            command = "soundseam sft"
        return f"{command} rebuilds it ({self.recordings:,} recording{'s' if self.recordings > 1 else ''})"


def check_corpus(output: str, on_progress: Callable[[int, int], None]) -> list[DamagedFile]:
    """Reads every committed file of every stage. `on_progress` is called with the number of finished files and the
    total.

    Raises SetupError for a corpus of another version, whose columns are unknown.
    """
    read_layout(output)
    todo = [
        (stage, commit, entry)
        for stage, commits in read_stages(output, stages_in(output)).items()
        for commit in commits
        for entry in commit.files
    ]
    found = []
    with ThreadPoolExecutor(_THREADS) as pool:
        damages = pool.map(lambda item: damage_of(files.join(output, item[2].table, item[2].name), item[2]), todo)
        for done, ((stage, commit, entry), damage) in enumerate(zip(todo, damages, strict=True), 1):
            on_progress(done, len(todo))
            if damage is not None:
                uri = files.join(output, entry.table, entry.name)
                found.append(DamagedFile(stage=stage, uri=uri, damage=damage, recordings=len(commit.covers)))
    return found


def damage_of(uri: str, entry: FileEntry) -> Damage | None:
    """The damage of a committed file; None if it is intact."""
    try:
        if files.stat_file(uri).size_bytes != entry.bytes:
            return "of another size"
    except (FileNotFoundError, IsADirectoryError):
        return "missing"
    if files.sha256_of(uri) != entry.sha256:
        return "altered"
    try:
        with files.open_read(uri) as file, pq.ParquetFile(file) as parquet:
            if parquet.metadata.num_rows != entry.rows:
                return "with other rows"
            return None if parquet.schema_arrow.equals(table_schema(entry.table)) else "with other columns"
    except pa.ArrowException:
        return "not a Parquet file"


def without_altered(corpus: Corpus, budget_bytes: int = CHECK_BYTES) -> Corpus:
    """`corpus` without commits with altered files, reading at most `budget_bytes`. Only checks a local corpus."""
    if not files.is_local(corpus.output):
        return corpus
    altered = [
        (commit, Damaged(files.join(corpus.output, entry.table, entry.name), commit.recording_ids))
        for commit, entry in _drawn(corpus, budget_bytes)
        if _is_altered(corpus.output, entry)
    ]
    bad = {id(commit) for commit, _ in altered}
    intact = {
        stage: [commit for commit in commits if id(commit) not in bad] for stage, commits in corpus.commits.items()
    }
    return Corpus(corpus.output, intact, (*corpus.damaged, *(damaged for _, damaged in altered)))


def set_aside(output: str, uris: Iterable[str]) -> int:
    """Moves local damaged files out of their tables, so that they count as missing; returns their number."""
    moved = 0
    for uri in uris:
        path = files.local_path(uri)
        if path.is_file():
            target = files.local_path(files.join(output, DAMAGED_FOLDER, path.name))
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
            moved += 1
    return moved


def _drawn(corpus: Corpus, budget_bytes: int) -> Iterator[tuple[Commit, FileEntry]]:
    entries = [(commit, entry) for commits in corpus.commits.values() for commit in commits for entry in commit.files]
    random.shuffle(entries)
    for commit, entry in entries:
        budget_bytes -= entry.bytes
        if budget_bytes < 0:
            return
        yield commit, entry


def _is_altered(output: str, entry: FileEntry) -> bool:
    uri = files.join(output, entry.table, entry.name)
    return files.exists(uri) and files.sha256_of(uri) != entry.sha256
