"""What a terminal shows of a verifier's evaluation."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.evaluation.evaluate_verifier import VerifierEvaluation, VerifierScores

_COLUMNS = {
    "trials": "claims",
    "accuracy": "accuracy",
    "auc": "AUC",
    "brier": "Brier",
    "ece": "ECE",
    "confirmed_own": "true confirmed",
    "dropped_own": "true dropped",
    "confirmed_swapped": "false confirmed",
    "dropped_swapped": "false dropped",
    "disagreement": "disagreement",
}


def verifier_tables(found: VerifierEvaluation) -> Iterator[RenderableType]:
    """Figures group by group, then how often claims of a probability are true."""
    table = Table(
        title=f"Verifier: claims about {found.segments:,} segments, half of them swapped", title_justify="left"
    )
    table.add_column("")
    for heading in _COLUMNS.values():
        table.add_column(heading, justify="right")
    for scores in found.scores:
        table.add_row(scores.group, *_cells(scores))
    yield table
    yield _reliability(found)
    if found.believed_in_silence is not None:
        believed = f"{found.believed_in_silence:.1%} of {found.silence_trials:,} true claims"
        yield Text(f"In silence {believed} are believed all the same")
    if found.failed:
        yield Text(f"{found.failed:,} claims were not judged: the server had no answer")


def _cells(scores: VerifierScores) -> Iterator[str]:
    for name in _COLUMNS:
        value = getattr(scores, name)
        yield "-" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _reliability(found: VerifierEvaluation) -> Table:
    table = Table(title="Reliability", title_justify="left")
    for heading in ("probability", "claims", "mean probability", "share true"):
        table.add_column(heading, justify="right")
    for one in found.bins:
        table.add_row(
            f"{one.low:.1f} to {one.high:.1f}", f"{one.count:,}", f"{one.mean_probability:.3f}", f"{one.share_true:.3f}"
        )
    return table
