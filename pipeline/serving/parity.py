"""The parity check: compares a server's results with those of its checkpoint.

A server is asked for the log-probabilities of a prompt with audio in it, and they are compared with those of the same
tokens in the plain forward pass. vLLM encodes 4 s of audio at a time, so the forward pass does the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from soundseam.annotators.moss.checkpoint import MossConfig
from soundseam.annotators.moss.forward import DecoderInput, MossAudio
from soundseam.annotators.moss.model import audio_token_ids
from soundseam.pipeline.serving.server import ScoredPrompt, decoded_samples, probe_clip, score_prompt

CHECKED_MS = (3_000, 4_000, 10_000, 12_000, 30_000)
"""Less than one of vLLM's chunks, exactly one, and several, with a complete or a half last one."""
LARGEST_IN_FLOAT32 = 1e-3
MEAN_WHERE_ROUNDED = 0.15
"""In bfloat16 a logit of 16 to 32, which is common at audio tokens, is rounded by up to 0.06."""
SHARE_WHERE_ROUNDED = (0.5, 1.5)
"""Closer to a server with DeepStack than to one without."""

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """Absolute difference of log-probabilities of equal tokens."""

    largest: float
    mean: float


@dataclass(frozen=True)
class ClipParity:
    """The comparison of server and forward pass for one clip."""

    duration_ms: int
    num_tokens: int
    difference: Difference | None
    """None if the server has other tokens for the clip, so that nothing can be compared."""
    deepstack_share: float | None = None
    """Share of DeepStack's effect in the server's results: 1 for all, 0 for nothing. None without DeepStack."""
    whole_clip: Difference | None = None
    """Difference if the forward pass encoded the whole clip at once, like the reference code."""
    problem: str = ""
    """The problem with its remedy; empty if the server is correct."""


def check_clip(model: MossAudio, root: str, served: str, duration_ms: int, dtype: str) -> ClipParity:
    """Asks the server at `root` about the probe of this length, and compares its answer with `model`."""
    clip = probe_clip(duration_ms)
    return compare(model, score_prompt(root, served, clip), clip, dtype)


def compare(model: MossAudio, prompt: ScoredPrompt, clip: NDArray[np.int16], dtype: str) -> ClipParity:
    """`dtype` is the server's precision; float32 has a tighter bound."""
    samples, ids = decoded_samples(clip), prompt.token_ids
    duration_ms = len(clip) // 16
    encoded = model.encode(samples)
    if problem := prompt_problem(ids, model.config, encoded.num_tokens):
        return ClipParity(duration_ms, len(ids), None, problem=problem)
    ours, without = (_scores(model, ids, encoded, deepstack) for deepstack in (True, False))
    whole = _scores(model, ids, model.encode(samples, chunked=False), deepstack=True)
    served = prompt.log_probabilities
    difference, share = difference_of(served, ours), _share(served, ours, without)
    problem = "" if is_within(difference, share, dtype) else _cause(served, ours, without, whole)
    return ClipParity(duration_ms, len(ids), difference, share, difference_of(whole, ours), problem)


def is_within(difference: Difference, share: float | None, dtype: str) -> bool:
    """In float32 every token counts; in lower precision, the mean and the DeepStack share.

    Rounding to bfloat16 may change single tokens by more than DeepStack does, but not in DeepStack's direction.
    """
    if dtype == "float32":
        return difference.largest <= LARGEST_IN_FLOAT32
    lowest, highest = SHARE_WHERE_ROUNDED
    return difference.mean <= MEAN_WHERE_ROUNDED and (share is None or lowest <= share <= highest)


def prompt_problem(token_ids: list[int], config: MossConfig, num_audio_tokens: int) -> str:
    """The problem with the server's tokens for a clip with `num_audio_tokens`; empty if there is none."""
    tokens = config.tokens
    if tokens.audio_start_id not in token_ids or tokens.audio_end_id not in token_ids:
        return "the prompt has no audio: does the server recognise this model as MOSS-Audio?"
    written = token_ids[token_ids.index(tokens.audio_start_id) + 1 : token_ids.index(tokens.audio_end_id)]
    if written == audio_token_ids(num_audio_tokens, tokens):
        return ""
    if written == audio_token_ids(num_audio_tokens, tokens, time_markers=False):
        return "no time markers in the prompt: start vLLM with --mm-processor-kwargs '{\"enable_time_marker\": true}'"
    given = written.count(tokens.audio_token_id)
    return f"the prompt has {given} audio tokens in {len(written)}, {num_audio_tokens} are expected, with time markers"


def difference_of(some: Scores, others: Scores) -> Difference:
    apart = np.abs(some - others)
    return Difference(float(apart.max()), float(apart.mean()))


def _scores(model: MossAudio, ids: list[int], encoded: DecoderInput, deepstack: bool) -> Scores:
    return model.prompt_log_probabilities(ids, [encoded], deepstack).astype(np.float64)


def _share(served: Scores, ours: Scores, without: Scores) -> float | None:
    """Least squares: the position of the server between `without` (0) and `ours` (1)."""
    way = ours - without
    length = float(way @ way)
    return float((served - without) @ way) / length if length > 0 else None


def _cause(served: Scores, ours: Scores, without: Scores, whole: Scores) -> str:
    """A possible cause: a way of computing to which the server's answer is close, within rounding."""
    share = _share(served, ours, without)
    if share is not None and is_within(difference_of(served, without), 1 - share, "rounded"):
        return (
            "the server drops DeepStack: install the plugin in its environment (docs/serving.md), or start vLLM with "
            "--enforce-eager"
        )
    to_whole = difference_of(served, whole)
    if to_whole.mean < difference_of(served, ours).mean and is_within(to_whole, None, "rounded"):
        return "the server encodes the whole clip at once, as the reference code does and vLLM does not"
    return "the server computes something else: other weights, or another precision than --dtype says"


def parity_view(clips: Sequence[ClipParity], dtype: str) -> Table:
    table = Table(
        title=f"Log-probabilities of the prompt: server compared with checkpoint\n({bound(dtype)})",
        caption="DeepStack: 1 if the server has it, 0 if it is lost. Whole clip: what encoding the clip at once, "
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
