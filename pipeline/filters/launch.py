"""Runs `soundseam filter`, from its options to its counts."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path

from pydantic import Field, ValidationError

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.filters.config import FILTER_REVISION, FilterConfig
from soundseam.pipeline.filters.decide import Decided, Decisions, Progress
from soundseam.pipeline.filters.marks import Mark
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.commits import RUN_FOLDER, read_layout, renewed_commit
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.storage.ownership import require_corpus
from soundseam.pipeline.storage.sweep import sweep
from soundseam.pipeline.work import CAPTIONS_STAGE
from soundseam.schemas.record import Record, content_key, key_content
from soundseam.schemas.tables import Table

SUMMARY = "filter.json"


class FilterRequest(Record):
    output: str
    config: FilterConfig = FilterConfig()
    marks: dict[str, Mark] = Field(default={})
    """segment_id → a person's mark, which counts more than the filters."""
    dry_run: bool = False


class FilterSummary(Record):
    """The result of the filters: `_run/filter.json`, without `changed`."""

    key: str
    """Key of the present captions, the options and the filters' revision: if equal, there is nothing to do."""
    config: FilterConfig
    captions: int
    """Number of all captions, filtered or not."""
    filtered: int
    reasons: tuple[tuple[str, int], ...]
    """(reason, number of captions), most first; a caption may have several reasons."""
    changed: int = 0
    """Commits that were rewritten."""


def run_filter(request: FilterRequest, progress: Progress) -> tuple[FilterSummary, bool]:
    """Filters the captions of OUT, or only counts; returns the summary, and whether there was anything to do.

    The caller holds `output_in_use`. Raises SetupError if there are no captions.
    """
    _check(request)
    known = read_summary(request.output)
    corpus = _load(request.output)
    if known is not None and known.key == _key(corpus, request):
        return known, False
    with tempfile.TemporaryDirectory(prefix="soundseam-", dir=files.scratch_folder(request.output)) as scratch:
        decisions = Decisions(corpus, request.config, Path(scratch), request.marks)
        changed = sum([_apply(request, decided) for decided in decisions(progress)])
    if not request.dry_run:
        # Files without a marker, left behind by a killed filter.
        sweep(request.output, {}, only_wanted=True)
    summary = FilterSummary(
        key=_key(_load(request.output), request),
        config=request.config,
        captions=decisions.captions,
        filtered=decisions.filtered,
        reasons=tuple((reason.value, count) for reason, count in decisions.reasons.most_common()),
        changed=changed,
    )
    if not request.dry_run:
        uri = files.join(request.output, RUN_FOLDER, SUMMARY)
        files.write_atomically(uri, (summary.model_dump_json(indent=1) + "\n").encode())
    return summary, True


def read_summary(output: str) -> FilterSummary | None:
    """The summary of the last filter; None if none ran, or in another version."""
    uri = files.join(output, RUN_FOLDER, SUMMARY)
    if not files.exists(uri):
        return None
    try:
        return FilterSummary.model_validate_json(files.read_bytes(uri))
    except ValidationError:
        return None


def _apply(request: FilterRequest, decided: Decided) -> bool:
    """Whether the commit is rewritten, or would be."""
    if request.dry_run or not decided.is_new:
        return decided.is_new
    held, captions = decided.held, decided.held.captions()
    taken: defaultdict[str, list[str]] = defaultdict(list)
    for caption in captions:
        if caption.segment_id in decided.filtered:
            taken[caption.recording_id].append(caption.segment_id)
    keys = {name: content_key(segment_ids) for name, segment_ids in taken.items()}
    own, _ = held.rejected()
    with renewed_commit(request.output, held.commit, keys) as writer:
        for caption in captions:
            writer.append(Table.FILTERED if caption.segment_id in decided.filtered else Table.CAPTIONS, caption)
        for row in (*own, *decided.rejected):
            writer.append(Table.REJECTED, row)
    return True


def _check(request: FilterRequest) -> None:
    if request.config.near_duplicates.enabled:
        from importlib.util import find_spec

        if find_spec("datasketch") is None:
            raise SetupError(
                "near_duplicates needs datasketch: pip install 'soundseam[filter]', "
                "or leave it out with --set near_duplicates.enabled=false"
            )
    require_corpus(request.output, CAPTIONS_STAGE)
    read_layout(request.output)


def _load(output: str) -> Corpus:
    return Corpus.load_present(output, [CAPTIONS_STAGE])


def _key(corpus: Corpus, request: FilterRequest) -> str:
    commits = sorted(
        [commit.commit_id, sorted(entry.name for entry in commit.files)] for commit in corpus.commits[CAPTIONS_STAGE]
    )
    marks = [[mark.model_dump() for _, mark in sorted(request.marks.items())]] if request.marks else []
    return content_key([FILTER_REVISION, key_content(request.config), commits, *marks])
