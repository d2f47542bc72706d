"""The totals of a corpus as tiles, bars and histograms."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import version

from pipeline.report.page_data import Bar, Bars, Summary, Tile
from pipeline.report.totals import Totals

MOST_BARS = 12


def summary_of(title: str, totals: Totals, shown: int, shown_rejects: int, list_chunks: int) -> Summary:
    histograms = (totals.lengths, totals.snr, totals.agreement, totals.probability, totals.quality)
    return Summary(
        title=title,
        version=version("soundseam"),
        tiles=tuple(_tiles(totals)),
        bars=tuple(bars for bars in _bars(totals) if bars.bars),
        histograms=tuple(histogram.view() for histogram in histograms if histogram.total),
        rejected=tuple((stage, reason, rows) for (stage, reason), rows in totals.rejected.most_common()),
        shown=shown,
        of=totals.segment_count,
        shown_rejects=shown_rejects,
        list_chunks=list_chunks,
    )


def _tiles(totals: Totals) -> list[Tile]:
    claims = totals.verdicts.total()
    checked = claims - totals.verdicts["unverified"]
    tiles = [
        Tile(name="audio", value=duration(totals.segment_ms), note=f"in segments, of {duration(totals.audio_ms)} read"),
        Tile(name="segments", value=f"{totals.segment_count:,}", note=f"of {totals.recordings:,} recordings"),
        Tile(name="captions", value=f"{totals.captions:,}", note=_verified(totals)),
        Tile(
            name="claims",
            value=f"{claims:,}",
            note=f"{checked:,} checked by a verifier" if checked else "none checked yet",
        ),
        Tile(name="rejected", value=f"{totals.rejected.total():,}", note=_reasons(totals)),
    ]
    if totals.tasks:
        tiles.append(
            Tile(name="training samples", value=f"{totals.tasks.total():,}", note=f"of {len(totals.tasks):,} tasks")
        )
    return tiles


def _verified(totals: Totals) -> str:
    return f"{totals.verified:,} verified" if totals.verified else "none verified yet"


def _reasons(totals: Totals) -> str:
    reasons = len({reason for _, reason in totals.rejected})
    return f"for {reasons:,} reason{'s' if reasons > 1 else ''}" if reasons else "nothing was dropped"


def _bars(totals: Totals) -> list[Bars]:
    branches = [
        Bar(name=name, value=count, shown=f"{count:,}", facet="branch") for name, count in totals.branches.most_common()
    ]
    classes = [
        Bar(name=name, value=round(ms), shown=_share(ms, totals.segment_ms), facet="class")
        for name, ms in sorted(totals.class_ms.items(), key=lambda entry: (-entry[1], entry[0]))
    ]
    verdicts = [
        Bar(name=name, value=count, shown=f"{count:,}", facet="verdict")
        for name, count in totals.verdicts.most_common()
    ]
    licenses = [Bar(name=name, value=ms, shown=duration(ms)) for name, ms in totals.licenses.most_common(MOST_BARS)]
    return [
        Bars(title="Branches", note="segments; one may go to several", bars=tuple(branches)),
        Bars(title="Classes", note="share of the time; classes may sound at once", bars=tuple(classes)),
        Bars(title="Claims", note="by what a verifier said", bars=tuple(verdicts)),
        Bars(
            title="Languages", note="segments, as recognised or as the manifest has it", bars=_counts(totals.languages)
        ),
        Bars(title="Ends of segments", note="why a segment ends where it does", bars=_counts(totals.boundaries)),
        Bars(title="Licences", note="time in segments", bars=tuple(licenses)),
        Bars(title="Tasks", note="training samples", bars=_counts(totals.tasks, len(totals.tasks))),
    ]


def _counts(counter: Counter[str], most: int = MOST_BARS) -> tuple[Bar, ...]:
    return tuple(
        Bar(name=name.replace("_", " "), value=count, shown=f"{count:,}") for name, count in counter.most_common(most)
    )


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "–"


def duration(ms: float) -> str:
    """A length of time, short: 45 s, 4.2 min, 12.5 h, 3,400 h."""
    seconds = ms / 1000
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.1f} min"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 100 else f"{hours:,.0f} h"
