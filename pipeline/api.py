"""The Python API for notebooks and scripts, with the same functions that the command line uses.

`import soundseam` offers all of it: `soundseam.run`, `soundseam.segment_file`, `soundseam.open_corpus`,
`soundseam.build_samples`, `soundseam.export`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from soundseam.schemas.annotation import Annotation
from soundseam.schemas.caption import Caption
from soundseam.schemas.event import Branch
from soundseam.schemas.recording import Recording, Rejected
from soundseam.schemas.segment import SegmentRow

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray
    from pydantic import BaseModel

    from soundseam.pipeline.export.launch import ExportSummary
    from soundseam.pipeline.inspection import Inspection, RunSummary
    from soundseam.pipeline.local.meter import Reading
    from soundseam.pipeline.long.audio import Chunk
    from soundseam.pipeline.long.launch import LongSummary
    from soundseam.pipeline.sft.summary import SftSummary
    from soundseam.pipeline.storage.corpus import Corpus
    from soundseam.schemas.long import RecordingCaption, Window

StrPath = str | os.PathLike[str]


class Quiet:
    """A display that shows nothing. Pass an object with the same two methods to follow a run."""

    def show(self, reading: Reading) -> None:
        """Called about once per second with the progress of the run."""

    def note(self, message: str) -> None:
        """Called with messages to the user, for example when a recording was given up."""


@dataclass(frozen=True)
class RunOptions:
    """The options of `soundseam run`."""

    profile: str = "embedded"
    """embedded, laptop, local, cluster, or the path of a .yaml file like them."""
    overrides: tuple[str, ...] = ()
    """Like `--set`: `("captions.sentences=2",)`."""
    workers: int | None = None
    """Local processes; None for as many as fit this machine."""
    display: Quiet = field(default_factory=Quiet)


def run(inputs: StrPath | Iterable[StrPath], output: StrPath, options: RunOptions | None = None) -> RunSummary:
    """Creates or continues a corpus in `output` from files, folders, globs or manifests, and returns its numbers.

    Worker processes import the calling script again, so scripts must call it under `if __name__ == "__main__":`.
    Raises SetupError, one line with the remedy, if the run cannot begin.
    """
    from soundseam.pipeline.launch import Launch, RunRequest, output_in_use, prepare_run
    from soundseam.pipeline.storage.ownership import check_output

    chosen = options or RunOptions()
    check_output(str(output))
    request = RunRequest(
        inputs=tuple(map(str, [inputs] if isinstance(inputs, str | os.PathLike) else inputs)),
        output=str(output),
        profile=chosen.profile,
        overrides=chosen.overrides,
        workers=chosen.workers,
    )
    with output_in_use(request.output):
        return Launch(request, prepare_run(request), None, chosen.display).run()


@dataclass(frozen=True)
class Segmented:
    """One recording after segmentation: its row, its segments in order with their audio, and rejects."""

    recording: Recording | None
    """None if nothing could be decoded; `rejected` then says why."""
    segments: tuple[SegmentRow, ...]
    rejected: tuple[Rejected, ...]


def segment_file(path: StrPath, profile: str = "embedded", overrides: Sequence[str] = ()) -> Segmented:
    """Decodes, detects, cuts and routes one file in this process; writes nothing.

    Raises SetupError if the profile cannot run here or the file cannot be listed.
    """
    from soundseam.pipeline.config import SetupError, available, load_config
    from soundseam.pipeline.input.sources import list_sources
    from soundseam.pipeline.stages.segment import segment_source

    config, _ = available(load_config(profile, overrides))
    listing = list_sources([str(path)])
    if not listing.sources:
        raise SetupError(f"{path}: " + "; ".join(row.detail for row in listing.rejected))
    detectors = [detector.load() for detector in config.detectors]
    rows = list(segment_source(listing.sources[0], detectors, config, ""))
    return Segmented(
        recording=next((row for row in rows if isinstance(row, Recording)), None),
        segments=tuple(row for row in rows if isinstance(row, SegmentRow)),
        rejected=(*listing.rejected, *(row for row in rows if isinstance(row, Rejected))),
    )


@dataclass(frozen=True)
class SegmentView:
    """Everything in a corpus about one segment."""

    segment: SegmentRow
    """With its events, profile, branches, and times in the recording's own time."""
    annotations: tuple[Annotation, ...]
    caption: Caption | None

    @property
    def samples(self) -> NDArray[np.float32]:
        """The segment's audio, (num_samples,), 16 kHz mono, in [-1, 1]."""
        return decoded(self.segment)

    def _repr_html_(self) -> str:
        """For notebooks: a player above the caption."""
        import base64
        from html import escape

        row = self.segment
        audio = base64.b64encode(row.audio.bytes).decode()
        title = f"{row.source_uri}, {row.start_ms / 1000:.1f} to {row.end_ms / 1000:.1f} s"
        text = self.caption.caption if self.caption else "no caption"
        player = f'<audio controls src="data:audio/flac;base64,{audio}"></audio>'
        return f"<div><small>{escape(title)}</small><br>{player}<p>{escape(text)}</p></div>"


def decoded(segment: SegmentRow) -> NDArray[np.float32]:
    """The audio of `segment`, (num_samples,), 16 kHz mono, in [-1, 1]."""
    from soundseam.annotators.flac import decode_flac

    return decode_flac(segment.audio.bytes)


@dataclass(frozen=True)
class CorpusView:
    """A corpus made by a run, complete or not; only committed rows are read."""

    output: str

    def inspect(self) -> Inspection:
        """Its numbers: hours, segments, branches, classes, rejects."""
        from soundseam.pipeline.inspection import inspect_corpus

        return inspect_corpus(self.output)

    def rows(self, table: str, columns: Sequence[str] | None = None) -> Iterator[Mapping[str, object]]:
        """The rows of a table as dictionaries, a batch in memory at a time; `columns` of them, or all.

        Raises ValueError for an unknown table.
        """
        from soundseam.schemas.tables import table_schema

        wanted = dict.fromkeys([*(columns or table_schema(table).names), "recording_id"])
        return self._corpus().rows(table, list(wanted))

    def records(self, table: str) -> Iterator[BaseModel]:
        """The rows of a table as the records of `soundseam.schemas`, validated."""
        from soundseam.schemas.tables import record_of

        return map(record_of(table).model_validate, self.rows(table))

    def table(self, table: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A whole table, or `columns` of it, as a pyarrow table; leave `audio` out of a large one."""
        import pyarrow as pa

        from soundseam.schemas.tables import table_schema

        schema = table_schema(table)
        wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
        return pa.Table.from_pylist(list(self.rows(table, columns)), schema=wanted)

    def frame(self, table: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """The same as a pandas data frame. Needs pandas."""
        return self.table(table, columns).to_pandas()

    def captions(self) -> dict[str, str]:
        """segment_id → caption, of the captions that are not filtered."""
        return {str(row["segment_id"]): str(row["caption"]) for row in self.rows("captions", ["segment_id", "caption"])}

    def windows(self) -> Iterator[Window]:
        """The windows that `soundseam long` made, without audio."""
        from soundseam.pipeline.long.launch import read_windows

        return read_windows(self.output)

    def recording_captions(self) -> Iterator[RecordingCaption]:
        """The captions of recordings that `soundseam long` made: chapters, timeline, summaries, who and what recurs."""
        from soundseam.pipeline.long.launch import read_recording_captions

        return read_recording_captions(self.output)

    def window_audio(self, *windows: Window) -> Iterator[Chunk]:
        """The audio of windows of one recording (in order, disjoint), in chunks of at most 30 s, 16 kHz mono.

        Each chunk says whether it is from the source, or from the segments because the source is gone or changed.
        """
        from soundseam.pipeline.long.audio import window_audio

        corpus = self._corpus()
        names = {window.recording_id for window in windows}
        recording = next(corpus.recordings(dict.fromkeys(names, "")))
        return window_audio(corpus, recording, windows)

    def _repr_html_(self) -> str:
        """For notebooks: the numbers of the corpus."""
        from html import escape

        found = self.inspect()
        numbers = {
            "recordings": f"{found.recordings:,}, {found.audio_ms / 3_600_000:,.2f} h",
            "segments": f"{found.segments:,}, {found.segments_ms / 3_600_000:,.2f} h, median "
            f"{found.median_ms / 1000:.1f} s",
            "branches": ", ".join(f"{name} {count:,}" for name, count in found.branches),
            "captions": f"{found.captions:,}",
            "rejected": f"{sum(entry.rows for entry in found.rejected):,} rows",
        }
        rows = "".join(f"<tr><th>{name}</th><td>{escape(value)}</td></tr>" for name, value in numbers.items())
        return f"<table>{rows}</table>"

    def segment(self, segment_id: str) -> SegmentView:
        """One segment with its audio, annotations and caption. Raises KeyError for an unknown id."""
        from soundseam.schemas.annotation import ANNOTATION_OF

        corpus, chosen = self._corpus(), {segment_id}
        row = next(corpus.rows_about("segments", chosen), None)
        if row is None:
            raise KeyError(segment_id)
        annotations = [
            ANNOTATION_OF[branch].model_validate(found)
            for branch in Branch
            for found in corpus.rows_about(f"annotations/{branch}", chosen)
        ]
        caption = next(corpus.rows_about("captions", chosen), None)
        return SegmentView(
            segment=SegmentRow.model_validate(row),
            annotations=tuple(annotations),
            caption=None if caption is None else Caption.model_validate(caption),
        )

    def _corpus(self) -> Corpus:
        from soundseam.pipeline.storage.commits import stages_in
        from soundseam.pipeline.storage.corpus import Corpus

        return Corpus.load_present(self.output, stages_in(self.output))


def open_corpus(output: StrPath) -> CorpusView:
    """A corpus to read. Raises SetupError if there is none in `output`."""
    from soundseam.pipeline.storage.ownership import require_corpus

    require_corpus(str(output))
    return CorpusView(str(output))


def build_samples(output: StrPath, tasks: Sequence[str] = (), workers: int | None = None) -> SftSummary:
    """Builds training samples from a corpus, like `soundseam sft`; of all tasks, or of `tasks`."""
    from soundseam.pipeline.doctor import usable_cores
    from soundseam.pipeline.launch import output_in_use
    from soundseam.pipeline.sft.build import load_sft_config
    from soundseam.pipeline.sft.launch import prepare_sft, run_sft
    from soundseam.pipeline.sft.read import read_marks
    from soundseam.pipeline.storage.ownership import require_corpus

    place = str(output)
    config = load_sft_config(None)
    require_corpus(place)
    with output_in_use(place):
        job = prepare_sft(place, config.only(tuple(tasks)) if tasks else config, read_marks(place, None, ()))
        return run_sft(job, workers or usable_cores(), Quiet())


def build_long(output: StrPath, overrides: Sequence[str] = (), workers: int | None = None) -> LongSummary:
    """Builds windows and captions of recordings, like `soundseam long`; `overrides` are like its `--set`."""
    from soundseam.pipeline.doctor import usable_cores
    from soundseam.pipeline.launch import output_in_use
    from soundseam.pipeline.long.config import load_long_config
    from soundseam.pipeline.long.launch import prepare_long, run_long
    from soundseam.pipeline.sft.read import Marks
    from soundseam.pipeline.storage.ownership import require_corpus

    place = str(output)
    require_corpus(place)
    with output_in_use(place):
        job = prepare_long(place, load_long_config(None, overrides), Marks())
        return run_long(job, workers or usable_cores(), Quiet())


def export(output: StrPath, target: StrPath, form: str, replace: bool = False, **options: object) -> ExportSummary:
    """Writes samples with their audio into `target` in the format `form`, like `soundseam export`.

    `options` are those of the command: `stage`, `tasks`, `shard_mb`, `audio_root`, `reasoning`, `tables`, and `recipe`,
    which `soundseam.pipeline.export.recipe.load_recipe` reads. Raises SetupError if `target` contains something else;
    `replace` replaces an earlier export.
    """
    from soundseam.pipeline.doctor import usable_cores
    from soundseam.pipeline.export.launch import run_export
    from soundseam.pipeline.export.plan import export_options
    from soundseam.pipeline.export.pretrain import planned
    from soundseam.pipeline.export.target import check_export

    plan = planned(str(output), str(target), export_options({"to": form, **options}))
    check_export(plan, replace)
    return run_export(plan, usable_cores(), lambda *_: None)


def write_audio(segment: SegmentRow, path: StrPath) -> None:
    """Writes the segment's audio to `path`, in the format given by its suffix."""
    import soundfile

    from soundseam.annotators.flac import read_flac

    soundfile.write(Path(path), *read_flac(segment.audio.bytes))
