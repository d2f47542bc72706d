"""Draws one recording: waveform, spectrogram, events, the cost of cutting, and the chosen boundaries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from soundseam.annotators.base import DETECTION_RATE_HZ, Waveform
from soundseam.annotators.detection.base import Detector
from soundseam.annotators.detection.features import HOP_SAMPLES, LOWEST_HZ, MELS, MelStream
from soundseam.pipeline.audio.decode import DecodeConfig, decode_recording
from soundseam.pipeline.cutting.candidates import ONE_EVENT, Candidates, Foreground, candidates_of
from soundseam.pipeline.cutting.cut import islands_of
from soundseam.pipeline.cutting.segmentation import Scene, SegmentationConfig, SegmentDraft, combine, segment_detection
from soundseam.schemas.event import EventClass
from soundseam.schemas.timespan import TimeSpan

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW_MS = 60_000
"""Time in one row of the picture."""
MAX_ROWS = 20
MADE_BY = "soundseam show"
_MARKS = {".png": "Software", ".pdf": "Creator", ".svg": "Creator"}
"""Suffix of a picture → the metadata field with MADE_BY."""
REMEDY = "pip install 'soundseam[show]'"

COLOURS = {
    EventClass.SPEECH: "#3b6fb6",
    EventClass.HUMAN_VOICE: "#6a9bd8",
    EventClass.SINGING: "#8e5bb5",
    EventClass.MUSIC: "#c0398a",
    EventClass.NATURE: "#4f9d4f",
    EventClass.SOURCE_AMBIGUOUS: "#d98a1f",
    EventClass.OBJECT: "#a8641a",
    EventClass.ENVIRONMENT: "#7a8a5a",
    EventClass.ANIMAL: "#2a8f86",
}


class PictureError(Exception):
    """No picture can be drawn. The message is one line with the remedy."""


@dataclass(frozen=True)
class _Seen:
    """The data of a recording for the picture."""

    scene: Scene
    drafts: tuple[SegmentDraft, ...]
    candidates: tuple[Candidates, ...]
    waveform: Waveform
    span: TimeSpan


def show_recording(
    path: Path, output: Path, detectors: Sequence[Detector], config: SegmentationConfig, span: TimeSpan | None = None
) -> int:
    """Draws `span` of a recording, or all of it up to 20 minutes, into `output` (PNG, PDF or SVG by its suffix).

    The whole recording is segmented, whatever part is drawn. Returns the number of segments in the picture. Raises
    PictureError without matplotlib, for an `output` that must not be overwritten or for an empty span, DecodeError for
    a file that cannot be read.
    """
    _check_target(output)
    if find_spec("matplotlib") is None:
        raise PictureError(f"a picture needs matplotlib: {REMEDY}")
    with decode_recording(path, DecodeConfig()) as decoded:
        asked = span or TimeSpan(0, decoded.duration_ms)
        shown = TimeSpan(
            max(0, asked.start_ms), min(asked.end_ms, decoded.duration_ms, asked.start_ms + ROW_MS * MAX_ROWS)
        )
        if shown.duration_ms == 0:
            raise PictureError(f"{path.name} is {decoded.duration_ms} ms long: choose a time before its end")
        seen = _look(decoded.waveform, decoded.duration_ms, shown, detectors, config)
        figure = _draw(seen, path.name)
        figure.savefig(output, dpi=110, metadata={_MARKS[output.suffix.lower()]: MADE_BY})
    return sum(draft.span.overlap_ms(shown) > 0 for draft in seen.drafts)


def _check_target(output: Path) -> None:
    """Raises PictureError for an unsupported format, and for a file that was not written by `show`."""
    if output.suffix.lower() not in _MARKS:
        raise PictureError(f"{output} is not a supported picture: use a name that ends in {', '.join(_MARKS)}")
    if output.is_dir() or (output.exists() and MADE_BY.encode() not in output.read_bytes()):
        raise PictureError(f"{output} exists and was not drawn by soundseam show: choose another --output")


def _look(
    waveform: Waveform, duration_ms: int, span: TimeSpan, detectors: Sequence[Detector], config: SegmentationConfig
) -> _Seen:
    scene = combine([detector.detect(waveform) for detector in detectors])
    foreground = Foreground.of(scene.events)
    candidates = tuple(
        candidates_of(island, foreground, scene.activity, config.cut)
        for island in islands_of(scene.events, duration_ms, config.cut)
        if island.overlap_ms(span) > 0
    )
    return _Seen(scene, segment_detection(scene, duration_ms, config), candidates, waveform, span)


def _draw(seen: _Seen, title: str) -> Figure:
    # The object interface: pyplot would choose a window system and keep the figure forever.
    from matplotlib.figure import Figure

    rows = -(-seen.span.duration_ms // ROW_MS)
    figure = Figure(figsize=(16, 0.6 + 4.2 * rows), layout="constrained")
    figure.suptitle(title)
    grid = figure.subplots(4 * rows, 1, height_ratios=[1, 2, 0.8, 0.8] * rows, squeeze=False)[:, 0]
    for row in range(rows):
        start = seen.span.start_ms + row * ROW_MS
        part = TimeSpan(start, min(start + ROW_MS, seen.span.end_ms))
        wave, spectrum, events, costs = grid[4 * row : 4 * row + 4]
        _draw_audio(seen.waveform, part, wave, spectrum)
        _draw_events(seen, part, events)
        _draw_costs(seen, part, costs)
        for axes in (wave, spectrum, events, costs):
            axes.set_xlim(part.start_ms / 1000, (part.start_ms + ROW_MS) / 1000)
            _draw_boundaries(seen, part, axes)
        costs.set_xlabel("seconds")
    return figure


def _draw_audio(waveform: Waveform, span: TimeSpan, wave: Axes, spectrum: Axes) -> None:
    first, stop = (time * DETECTION_RATE_HZ // 1000 for time in span)
    samples = waveform.read(first, min(stop, waveform.num_samples))
    step = max(1, len(samples) // 4_000)
    blocks = samples[: len(samples) // step * step].reshape(-1, step)
    seconds = span.start_ms / 1000 + np.arange(len(blocks)) * step / DETECTION_RATE_HZ
    wave.fill_between(seconds, blocks.min(axis=1), blocks.max(axis=1), color="#444444", linewidth=0)
    wave.set_ylabel("wave")
    wave.set_xticklabels([])
    mel = MelStream().push(samples)
    extent = (span.start_ms / 1000, span.start_ms / 1000 + len(mel) * HOP_SAMPLES / DETECTION_RATE_HZ, 0.0, float(MELS))
    spectrum.imshow(10 * mel.T, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=-80, vmax=-10)
    spectrum.set_ylabel(f"mel, {LOWEST_HZ:.0f} Hz to 8 kHz")
    spectrum.set_xticklabels([])
    spectrum.set_yticks([])


def _draw_events(seen: _Seen, span: TimeSpan, axes: Axes) -> None:
    classes = sorted({event.event_class for event in seen.scene.events})
    for event in seen.scene.events:
        inside = event.span.intersection(span)
        if inside.duration_ms > 0:
            bar = [(inside.start_ms / 1000, inside.duration_ms / 1000)]
            lane = (classes.index(event.event_class) - 0.4, 0.8)
            alpha = 0.35 if event.is_bed else 0.4 + 0.6 * event.score
            hatch = "//" if event.is_bed else None
            axes.broken_barh(bar, lane, facecolors=COLOURS[event.event_class], alpha=alpha, hatch=hatch)
    axes.set_yticks(range(len(classes)), [str(each) for each in classes])
    axes.set_xticklabels([])


def _draw_costs(seen: _Seen, span: TimeSpan, axes: Axes) -> None:
    hop_ms, level = seen.scene.activity.hop_ms, seen.scene.activity.level
    part = level[span.start_ms // hop_ms : span.end_ms // hop_ms].astype(float)
    seconds = span.start_ms / 1000 + np.arange(len(part)) * hop_ms / 1000
    axes.plot(seconds, part, color="#999999", linewidth=0.7, label="activity")
    for each in seen.candidates:
        inside = (each.time_ms >= span.start_ms) & (each.time_ms < span.end_ms)
        cost = each.cut_cost[inside] / ONE_EVENT
        axes.scatter(each.time_ms[inside] / 1000, np.minimum(cost, 3.0) / 3.0, s=6, c="#b03030")
    axes.set_ylim(-0.05, 1.3)
    axes.set_yticks([0, 1 / 3, 2 / 3, 1], ["0", "1", "2", "3+"])
    axes.set_ylabel("events cut")


def _draw_boundaries(seen: _Seen, span: TimeSpan, axes: Axes) -> None:
    is_lowest = axes.get_ylabel() == "events cut"
    for draft in seen.drafts:
        for time_ms, boundary, side in zip(
            draft.span, (draft.start_boundary, draft.end_boundary), ("left", "right"), strict=True
        ):
            if span.start_ms <= time_ms <= span.end_ms:
                axes.axvline(time_ms / 1000, color="#d01c1c" if boundary.forced else "#1c9c3c", linewidth=1.2)
                if is_lowest and side == "right":
                    note = f"{boundary.reason} {boundary.cost:.1f}"
                    axes.text(time_ms / 1000, 1.12, note, fontsize=6, ha="right", va="center")
