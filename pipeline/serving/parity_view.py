"""The parity gate's findings, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from pipeline.serving.parity import (
    LARGEST_IN_FLOAT32,
    MEAN_WHERE_ROUNDED,
    SHARE_WHERE_ROUNDED,
    ClipParity,
    Difference,
)


def parity_view(clips: Sequence[ClipParity], dtype: str) -> Table:
    table = Table(
        title=f"Log-probabilities of the prompt: server against checkpoint\n({bound(dtype)})",
        caption="DeepStack: 1 where the server has it, 0 where it is lost. Whole clip: what encoding the clip at once, "
        "instead of 4 s at a time, would change.",
    )
    for name in ("clip", "tokens", "largest", "mean", "DeepStack", "whole clip: largest", "mean", ""):
        table.add_column(name, justify="right" if name else "left")
    for clip in clips:
        share = "–" if clip.deepstack_share is None else f"{clip.deepstack_share:.3f}"
        table.add_row(
            f"{clip.duration_ms / 1000:g} s",
            str(clip.num_tokens),
            *_figures(clip.difference),
            share,
            *_figures(clip.whole_clip),
            "fails" if clip.problem else "ok",
        )
    return table


def bound(dtype: str) -> str:
    if dtype == "float32":
        return f"float32: largest at most {LARGEST_IN_FLOAT32:g}"
    lowest, highest = SHARE_WHERE_ROUNDED
    return f"{dtype}: mean at most {MEAN_WHERE_ROUNDED:g}, DeepStack {lowest:g} to {highest:g}"


def _figures(difference: Difference | None) -> tuple[str, str]:
    return ("–", "–") if difference is None else (f"{difference.largest:.1e}", f"{difference.mean:.1e}")
