"""Removes files from OUT that no valid marker lists, or that a newer commit replaced: only our own files."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.commits import RUN_FOLDER, Commit, marker_uri, stages_in, write_marker
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.storage.files import FileStat
from soundseam.pipeline.storage.tables import (
    SCHEMA_FILE,
    drop_recordings,
    entry_of,
    is_table_file,
    is_temporary_file,
)
from soundseam.schemas.tables import SAMPLES_FOLDER, THINNED_FOLDER, LongTable, Table

SWEPT = (*Table, *LongTable, SAMPLES_FOLDER, THINNED_FOLDER)
"""The folders of tables whose files markers list."""


def sweep(output: str, wanted: Mapping[str, Mapping[str, str]], only_wanted: bool = False) -> int:
    """Removes files that no valid marker lists, and rows that a newer commit replaced. Returns the number of files
    removed.

    In the folders of tables, only files with our own name pattern are removed.

    `wanted` has, stage by stage, the key that each recording should have; with `only_wanted` rows of other stages are
    not replaced. Safe to kill and to repeat: a file's replacement is committed before it is removed. Must not be called
    while workers write.
    """
    corpus = Corpus.load(output, stages_in(output))
    stats = [stat for table in SWEPT for stat in files.walk_files(files.join(output, table))]
    chosen = {stage: wanted.get(stage, {}) for stage in corpus.commits if stage in wanted or not only_wanted}
    _, removed = sweep_files(corpus, stats, chosen)
    return removed + delete_unfinished(output)


def sweep_files(
    corpus: Corpus, stats: Sequence[FileStat], wanted: Mapping[str, Mapping[str, str]]
) -> tuple[Corpus, int]:
    """The same for what all markers of `corpus`, of one shard or of all, should list: `stats` are the files of tables.

    Rows of the stages in `wanted` are replaced. Returns the state afterwards and the number of files removed.
    """
    output, present = corpus.output, corpus.present(stats)
    whole = {id(commit) for commits in present.commits.values() for commit in commits}
    now = Corpus(
        output,
        {
            stage: _without_replaced(present, stage, wanted[stage]) if stage in wanted else commits
            for stage, commits in present.commits.items()
        },
        present.damaged,
    )
    remaining = [commit for commits in now.commits.values() for commit in commits]
    broken: list[Commit] = []
    for stage, commits in corpus.commits.items():
        covered = now.keys(stage).keys()
        for commit in commits:
            if id(commit) not in whole:
                # Rows that were not rebuilt stay: some of them may still be readable.
                (broken if commit.recording_ids <= covered else remaining).append(commit)
    named = {SCHEMA_FILE} | {entry.name for commit in remaining for entry in commit.files}
    orphans = [stat.uri for stat in stats if (name := files.name_of(stat.uri)) not in named and is_table_file(name)]
    files.delete([*orphans, *(marker_uri(output, commit) for commit in broken)])
    return now, len(orphans) + len(broken)


def _without_replaced(corpus: Corpus, stage: str, wanted: Mapping[str, str]) -> list[Commit]:
    """Removes the rows of `stage` that another commit replaced; returns its commits afterwards."""
    owners = corpus.owners(stage, wanted)
    now: list[Commit] = []
    for commit in corpus.commits[stage]:
        dead = frozenset(name for name in commit.recording_ids if owners[name] is not commit)
        now += _replace(corpus.output, commit, dead) if dead else [commit]
    return now


def forget(corpus: Corpus, recordings: Mapping[str, Collection[str]]) -> None:
    """Removes `recordings` (stage → recording_ids) from the commits, so that they have to be done again.

    Safe to kill and to repeat. Must not be called while workers write.
    """
    for stage, names in recordings.items():
        for commit in corpus.commits.get(stage, ()):
            if dead := commit.recording_ids & frozenset(names):
                _replace(corpus.output, commit, dead)


def _replace(output: str, commit: Commit, dead: frozenset[str]) -> list[Commit]:
    """Commits the rest of `commit` without the `dead` recordings, if there is one, then removes its marker."""
    rest = commit.without(dead)
    written = []
    if rest.covers:
        with tempfile.TemporaryDirectory(prefix="soundseam-", dir=files.scratch_folder(output)) as folder:
            entries = []
            for entry in commit.files:
                target = Path(folder) / entry.table.replace("/", ".")
                with files.local_copy(files.join(output, entry.table, entry.name)) as source:
                    drop_recordings(source, target, entry.table, dead)
                entries.append(entry_of(entry.table, target, f"{rest.shard:04d}-{rest.commit_id}"))
                files.publish(target, files.join(output, entry.table, entries[-1].name))
        written.append(rest.model_copy(update={"files": tuple(entries)}))
        write_marker(output, written[0])
    files.delete([marker_uri(output, commit)])
    return written


def delete_unfinished(output: str) -> int:
    """Removes files of killed runs with temporary names: scratch files and unfinished markers."""
    scratch = files.scratch_folder(output)
    strays = [
        stat.uri
        for stat in files.walk_files(files.join(output, RUN_FOLDER))
        if is_temporary_file(files.name_of(stat.uri))
    ]
    left = files.list_files(scratch) if scratch else []
    files.delete(strays)
    if scratch:
        shutil.rmtree(scratch)
    return len(strays) + len(left)
