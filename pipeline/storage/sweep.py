"""Removes files from OUT that no valid marker lists, or that a newer commit replaced: only our own files."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.commits import RUN_FOLDER, Commit, marker_uri, read_stages, stages_in, write_marker
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.storage.tables import (
    SCHEMA_FILE,
    drop_recordings,
    entry_of,
    is_table_file,
    is_temporary_file,
)
from soundseam.schemas.tables import SAMPLES_FOLDER, THINNED_FOLDER, LongTable, Table


def sweep(output: str, wanted: Mapping[str, Mapping[str, str]], only_wanted: bool = False) -> int:
    """Removes files that no valid marker lists, and rows that a newer commit replaced. Returns the number of files
    removed.

    In the folders of tables, only files with our own name pattern are removed.

    `wanted` has, stage by stage, the key that each recording should have; with `only_wanted` rows of other stages are
    not replaced. Safe to kill and to repeat: a file's replacement is committed before it is removed. Must not be called
    while workers write.
    """
    stages = stages_in(output)
    corpus, replaced = Corpus.load_present(output, stages), False
    for stage in [name for name in stages if name in wanted] if only_wanted else stages:
        owners = corpus.owners(stage, wanted.get(stage, {}))
        for commit in corpus.commits[stage]:
            live = {name for name in commit.recording_ids if owners[name] is commit}
            if live != commit.recording_ids:
                _replace(output, commit, frozenset(commit.recording_ids - live))
                replaced = True
    corpus = Corpus.load_present(output, stages) if replaced else corpus
    return _delete_orphans(output, corpus) + _delete_unfinished(output)


def forget(output: str, recordings: Mapping[str, Collection[str]]) -> None:
    """Removes `recordings` (stage → recording_ids) from the commits, so that they have to be done again.

    Safe to kill and to repeat. Must not be called while workers write.
    """
    for stage, names in recordings.items():
        for commit in Corpus.load_present(output, [stage]).commits[stage]:
            if dead := commit.recording_ids & frozenset(names):
                _replace(output, commit, dead)


def _replace(output: str, commit: Commit, dead: frozenset[str]) -> None:
    """Commits the rest of `commit` without the `dead` recordings, then removes its marker."""
    rest = commit.without(dead)
    if rest.covers:
        with tempfile.TemporaryDirectory(prefix="soundseam-", dir=files.scratch_folder(output)) as folder:
            entries = []
            for entry in commit.files:
                target = Path(folder) / entry.table.replace("/", ".")
                with files.local_copy(files.join(output, entry.table, entry.name)) as source:
                    drop_recordings(source, target, entry.table, dead)
                entries.append(entry_of(entry.table, target, f"{rest.shard:04d}-{rest.commit_id}"))
                files.publish(target, files.join(output, entry.table, entries[-1].name))
        whole = rest.model_copy(update={"files": tuple(entries)})
        write_marker(output, whole)
    files.delete([marker_uri(output, commit)])


def _delete_orphans(output: str, corpus: Corpus) -> int:
    valid = {stage: {commit.commit_id for commit in commits} for stage, commits in corpus.commits.items()}
    covered = {stage: corpus.keys(stage).keys() for stage in corpus.commits}
    broken: list[Commit] = []
    remaining = [commit for commits in corpus.commits.values() for commit in commits]
    for stage, commits in read_stages(output, corpus.commits).items():
        for commit in commits:
            if commit.commit_id not in valid[stage]:
                # Rows that were not rebuilt stay: some of them may still be readable.
                (broken if commit.recording_ids <= covered[stage] else remaining).append(commit)
    named = {SCHEMA_FILE} | {entry.name for commit in remaining for entry in commit.files}
    orphans = [
        stat.uri
        for table in (*Table, *LongTable, SAMPLES_FOLDER, THINNED_FOLDER)
        for stat in files.list_files(files.join(output, table))
        if (name := files.name_of(stat.uri)) not in named and is_table_file(name)
    ]
    files.delete([*orphans, *(marker_uri(output, commit) for commit in broken)])
    return len(orphans) + len(broken)


def _delete_unfinished(output: str) -> int:
    """Removes files of killed runs with temporary names: scratch files and unfinished markers."""
    scratch = files.scratch_folder(output)
    strays = [
        stat.uri
        for stat in files.list_files(files.join(output, RUN_FOLDER))
        if is_temporary_file(files.name_of(stat.uri))
    ]
    left = files.list_files(scratch) if scratch else []
    files.delete(strays)
    if scratch:
        shutil.rmtree(scratch)
    return len(strays) + len(left)
