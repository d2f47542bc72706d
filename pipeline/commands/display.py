"""What a terminal shows of plans, runs and corpora."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from soundseam.pipeline.doctor import MachineReport, ModelReport
from soundseam.pipeline.inspection import Inspection, RunSummary, RunTotals, SampleCaption, StageUsage
from soundseam.pipeline.local.meter import Reading
from soundseam.pipeline.plan import StagePlan
from soundseam.pipeline.serving.reachable import ServerReport
from soundseam.pipeline.storage.redact import redact_uri
from soundseam.schemas.timespan import clock

MAX_CHAPTERS = 8
"""Of a recording, at most this many are shown."""
PLAIN_INTERVAL_S = 10.0
FIRST_LINE_S = 3.0
LIVE_INTERVAL_S = 0.25

if TYPE_CHECKING:
    from soundseam.pipeline.launch import Prepared
    from soundseam.schemas.long import RecordingCaption


def hours(ms: float) -> str:
    """A length of audio: minutes below an hour."""
    return f"{ms / 3_600_000:,.1f} h" if ms >= 3_600_000 else f"{ms / 60_000:.1f} min"


def duration(seconds: float) -> str:
    """A time to wait for, to two figures: 40 s, 12 min, 3 h 05 min."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def plan_view(prepared: Prepared) -> RenderableType:
    """The plan stage by stage, with estimated times."""
    plan, workers, stage_seconds = prepared.plan, prepared.workers, prepared.stage_seconds()
    table = Table(title="Plan", title_justify="left")
    for heading in ("stage", "to do", "done", "why", "time"):
        table.add_column(heading, justify="left" if heading in {"stage", "why"} else "right")
    for stage in plan.stages:
        seconds = stage_seconds.get(stage.stage, 0.0) / workers
        table.add_row(
            stage.stage,
            f"{stage.todo:,}",
            f"{stage.done:,}",
            _why(stage),
            f"~{duration(seconds)}" if stage.todo else "",
        )
    lines = [
        f"{plan.recordings:,} recordings, about {hours(prepared.audio_ms)} of audio, "
        f"about {duration(prepared.expected_seconds())} with {workers} {'worker' if workers == 1 else 'workers'}"
    ]
    if plan.kept:
        lines.append(f"{plan.kept:,} recordings of earlier runs are not among these inputs; their rows stay")
    return Group(table, Text("\n".join(lines)))


def report_of(prepared: Prepared) -> dict[str, object]:
    """A plan for programs, as `plan --json` prints it."""
    seconds = prepared.stage_seconds()
    return {
        "recordings": prepared.plan.recordings,
        "audio_ms": prepared.audio_ms,
        "workers": prepared.workers,
        "seconds": round(prepared.expected_seconds(), 1),
        "stages": [
            {**stage.model_dump(), "core_seconds": round(seconds.get(stage.stage, 0.0), 1)}
            for stage in prepared.plan.stages
        ],
        "unavailable": prepared.unavailable,
        "unusable": [
            {"source_uri": row.source_uri, "reason": row.reason, "detail": row.detail}
            for row in prepared.listing.rejected
        ],
    }


def _why(stage: StagePlan) -> str:
    if not stage.todo:
        return "up to date"
    reasons = []
    if stage.todo > stage.changed:
        reasons.append("new" if not stage.changed else f"{stage.todo - stage.changed:,} new")
    if stage.changed:
        reasons.append(f"{stage.changed:,} with another configuration or manifest")
    return ", ".join(reasons)


def inspection_view(
    inspection: Inspection, captions: Sequence[SampleCaption] = (), whole: RecordingCaption | None = None
) -> RenderableType:
    """The numbers of a corpus, its rejects, some of its captions, and one of a whole recording."""
    numbers = Table.grid(padding=(0, 2))
    for name, value in _numbers(inspection):
        numbers.add_row(name, Text(value))
    parts: list[RenderableType] = [numbers]
    if inspection.rejected:
        parts.append(rejects_table(inspection))
    if captions:
        parts += [Text("\nCaptions"), *(Text(f"{sample.segment_id}\n  {sample.caption}") for sample in captions)]
    if whole is not None:
        parts.append(Text(f"\nA whole recording: {whole.source_uri}\n  {whole.long_summary.text}"))
        parts += [Text(f"  {clock(one.start_ms)} {one.title}: {one.sentence}") for one in whole.chapters[:MAX_CHAPTERS]]
    return Group(*parts)


def _numbers(inspection: Inspection) -> Iterable[tuple[str, str]]:
    yield "recordings", f"{inspection.recordings:,}, {hours(inspection.audio_ms)}"
    yield "segments", f"{inspection.segments:,}, {hours(inspection.segments_ms)}"
    yield "lengths", f"median {inspection.median_ms / 1000:.1f} s, 95 % under {inspection.p95_ms / 1000:.1f} s"
    yield "branches", ", ".join(f"{name} {count:,}" for name, count in inspection.branches) or "none"
    yield "classes", ", ".join(f"{name} {share:.0%}" for name, share in inspection.classes) or "none"
    for stage, rows in inspection.annotations:
        yield stage, f"{rows:,} rows"
    yield "captions", f"{inspection.captions:,}"
    if inspection.filtered:
        yield "filtered captions", f"{inspection.filtered:,}"
    if inspection.recording_captions:
        yield "long", f"{inspection.recording_captions:,} recordings with captions, {inspection.windows:,} windows"
    yield "rejected", f"{sum(entry.rows for entry in inspection.rejected):,} rows"


def rejects_table(inspection: Inspection) -> Table:
    table = Table(title="Rejected", title_justify="left")
    table.add_column("stage")
    table.add_column("reason")
    table.add_column("rows", justify="right")
    for entry in inspection.rejected:
        table.add_row(entry.stage, entry.reason, f"{entry.rows:,}")
    return table


def doctor_view(
    models: Sequence[ModelReport], machine: MachineReport, servers: Sequence[ServerReport] = ()
) -> RenderableType:
    """One row per backend, what each missing one needs, where weights come from, servers, then the machine."""
    table = Table(title="Backends", title_justify="left")
    for heading in ("family", "backend", "model", "licence", "loads here"):
        table.add_column(heading, overflow="fold", no_wrap=heading in {"family", "backend", "loads here"})
    for report in models:
        table.add_row(report.family, report.backend, report.model, report.licence, _verdict(report))
    memory = f"{machine.memory_gib} GiB of memory, " if machine.memory_gib else ""
    gpus = f", {machine.gpus} NVIDIA {'GPU' if machine.gpus == 1 else 'GPUs'}" if machine.gpus else ", no GPU"
    place = f"Python {machine.python}, {machine.system}, {machine.cores} cores{gpus}"
    lines = [
        *_section("Missing here", [report.problem for report in models if not report.loads]),
        *_section("Weights", [_weights_line(report) for report in models if report.loads and report.source]),
        *_section("Model servers", map(_server_line, servers)),
        *_section(
            "Machine",
            [
                f"{place}, {memory}{machine.disk_free_gib} GiB free here",
                f"temporary files in {machine.temporary}; compiled code in {machine.compiled}",
            ],
        ),
        ", ".join(f"{name} {version or 'not installed'}" for name, version in machine.packages),
    ]
    return Group(table, Text("\n".join(lines)))


def _verdict(report: ModelReport) -> str:
    if report.loads:
        return "from the hub" if report.from_hub else "yes"
    return "no, optional" if report.optional else "no"


def _weights_line(report: ModelReport) -> str:
    return f"{report.backend}: {report.source}; licence {report.licence}"


def _server_line(server: ServerReport) -> str:
    verdict = (server.problem or "answers") if server.asked else "not checked (use --servers)"
    return "\n".join(
        [f"{server.model} at {server.url}, for {', '.join(server.used_by)}: {verdict}", *kind_lines(server)]
    )


def kind_lines(server: ServerReport) -> list[str]:
    """What a server made of each kind of question."""
    return [f"  - {one.kind}: {one.state}{f' ({one.detail})' if one.detail else ''}" for one in server.kinds]


def _section(title: str, entries: Iterable[str]) -> list[str]:
    """The distinct `entries` as a list under a title; nothing if there are none."""
    lines = list(entries)
    return ["", title, *(f"- {line}" for line in dict.fromkeys(lines))] if lines else []


def usage_line(asked: StageUsage) -> str:
    """A stage's use of model servers, in one line."""
    usage = asked.usage
    again = f", {usage.retries:,} of them retries" if usage.retries else ""
    line = f"{asked.stage}: {usage.requests:,} requests{again}, {usage.kept_answers:,} answers from the cache"
    if not usage.prompt_tokens:
        return line
    cached = usage.cached_tokens / usage.prompt_tokens
    return f"{line}, {usage.prompt_tokens:,} prompt tokens ({cached:.0%} cached), {usage.answer_tokens:,} answer tokens"


def notice_lines(prepared: Prepared) -> list[str]:
    """What a run found missing or damaged in OUT before it began."""
    listed = {source.recording_id for source in prepared.listing.sources}
    lines = []
    for file in prepared.damaged:
        again = "it is rebuilt" if file.recording_ids <= listed else "not all of its recordings are among the inputs"
        lines.append(f"{redact_uri(file.uri)} is missing, truncated or altered: {again}")
    if count := len(prepared.lost.to_retry):
        lines.append(f"{_recordings(count)} lost to temporary faults in an earlier run: tried again")
    if count := len(prepared.lost.left):
        lines.append(f"{_recordings(count)} lost to temporary faults and already tried as often as --retries allows")
    return lines


def lost_lines(summary: RunSummary) -> list[str]:
    """What a run lost to temporary faults."""
    lines = []
    if count := summary.recordings_to_retry:
        lines.append(f"{_recordings(count)} lost to temporary faults: the same command tries again")
    if count := summary.recordings_retried_in_vain:
        lines.append(f"{_recordings(count)} lost to temporary faults repeatedly: raise --retries to try again")
    return lines


def request_lines(summary: RunTotals) -> list[str]:
    """A line with the requests to object stores, if there were any."""
    counts = ", ".join(f"{count:,} {kind}" for kind, count in summary.requests)
    return [f"Requests to the object store: {counts}"] if counts else []


def closing_line(summary: RunTotals) -> str:
    """What this run did, in one line."""
    done, current = summary.recordings_done, summary.recordings_up_to_date
    if not done and not summary.recordings_given_up:
        why = f"{_count(current)} up to date" if current else "no input can be used"
        return f"This run had nothing to do: {why}"
    speed = summary.audio_ms / 1000 / summary.seconds if summary.seconds else 0.0
    line = f"{_count(done)} done in {summary.seconds:.1f} s, {speed:.1f} x real time"
    if not summary.all_stages:
        line += f" ({', '.join(summary.stages) if len(summary.stages) < 4 else f'{len(summary.stages)} stages'} only)"
    others = {"given up": summary.recordings_given_up, "already up to date": current}
    again = f"{summary.recordings_tried_again:,} of them tried again" if summary.recordings_tried_again else ""
    return "; ".join(filter(None, [line, again, *(f"{count:,} {what}" for what, count in others.items() if count)]))


def _count(recordings: int) -> str:
    return "1 recording" if recordings == 1 else f"{recordings:,} recordings"


def _recordings(count: int) -> str:
    return f"{_count(count)} {'was' if count == 1 else 'were'}"


class ProgressDisplay:
    """A live bar if `console` is a terminal, else a line every ten seconds, the first one within five."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun_s = time.monotonic()
        self._shown_s = self._begun_s - PLAIN_INTERVAL_S + FIRST_LINE_S
        self._last: Reading | None = None
        self._live = (
            Progress(
                TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"), console=console
            )
            if console.is_terminal
            else None
        )

    def __enter__(self) -> ProgressDisplay:
        if self._live is not None:
            self._task = self._live.add_task("starting workers", total=1.0)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
        elif kind is None and self._last is not None:
            whole = {"recordings_done": self._last.recordings, "audio_ms_done": self._last.audio_ms}
            self._show_line(replace(self._last, **whole, share=1.0, seconds_left=0.0))
        if kind is not None and self._last is not None:
            passed = duration(time.monotonic() - self._begun_s)
            self._console.print(f"stopped after {passed}: {done_line(self._last)}", highlight=False, soft_wrap=True)

    def show(self, reading: Reading) -> None:
        """Shows `reading`, unless the last one was shown only a moment ago."""
        now = time.monotonic()
        self._last = reading
        if now - self._shown_s < (LIVE_INTERVAL_S if self._live is not None else PLAIN_INTERVAL_S):
            return
        self._shown_s = now
        if self._live is not None:
            self._live.update(self._task, description=reading_line(reading), completed=reading.share)
        else:
            self._show_line(reading)

    def _show_line(self, reading: Reading) -> None:
        self._console.print(f"{reading.share:4.0%}  {reading_line(reading)}", highlight=False, soft_wrap=True)

    def note(self, message: str) -> None:
        """Prints a line above the bar."""
        self._console.print(Text(message), soft_wrap=True)


def done_line(reading: Reading) -> str:
    """How much is done: recordings and audio."""
    return (
        f"{reading.recordings_done:,} of {reading.recordings:,} recordings, "
        f"{hours(reading.audio_ms_done)} of ~{hours(reading.audio_ms)}"
    )


def reading_line(reading: Reading) -> str:
    """One line: recordings, audio, speed, time left."""
    speed = f"{reading.speed:.0f} x real time, " if reading.speed else ""
    left = f"~{duration(reading.seconds_left)} left" if reading.share < 1 else "done"
    return f"{done_line(reading)}, {speed}{left}"
