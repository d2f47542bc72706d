"""Keys of stages: equal key, equal rows. A changed configuration changes the keys of exactly the stages it affects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from annotators.base import AnyBackend
from annotators.grammar.engine import GRAMMAR_REVISION
from pipeline.config import RunConfig
from pipeline.work import CAPTIONS_STAGE, SEGMENTS_STAGE
from schemas.record import content_key, key_content
from schemas.source import Source

SEGMENTS_REVISION = "1"
"""Raised whenever decoding, cutting or routing may give other rows for the same configuration."""
CAPTIONS_REVISION = "3"
"""Raised whenever merge or check may give other rows for the same configuration."""


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


def recording_keys(stage: str, stage_key: str, sources: Iterable[Source]) -> dict[str, str]:
    """recording_id → the key its rows at `stage` bear in their commit.

    Rows of `segments` also carry where a file lies and what a manifest says of it; the others only what is heard.
    """
    return {
        source.recording_id: content_key([stage_key, source.row_key if stage == SEGMENTS_STAGE else source.content_key])
        for source in sources
    }


def wanted_keys(config: RunConfig, sources: Iterable[Source]) -> Mapping[str, Mapping[str, str]]:
    """stage → recording_id → key, for every stage of `config`."""
    known = tuple(sources)
    return {stage: recording_keys(stage, key, known) for stage, key in stage_keys(config).items()}
