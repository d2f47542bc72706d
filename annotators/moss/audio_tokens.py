"""What stands for a clip in a prompt: one token each 80 ms, and every 2 s the time in digits."""

from __future__ import annotations

from annotators.moss.config import AudioTokens

TOKENS_PER_MARK = 25
"""12.5 tokens a second, one mark every 2 s."""
SECONDS_PER_MARK = 2
DIGIT_ZERO_ID = 15
"""Qwen's tokens of the digits are 15 to 24; the reference writes markers with these, whatever the tokenizer."""


def tokens_of(num_frames: int) -> int:
    """Encoder outputs for `num_frames` mel frames: three convolutions, each of stride 2, round up."""
    return (num_frames + 7) // 8


def audio_token_ids(num_tokens: int, tokens: AudioTokens, time_markers: bool = True) -> list[int]:
    """The ids between the start and the end of a clip, as in 25 times audio, 2, 25 times audio, 4 and so on.

    As `MossAudioProcessor._build_audio_tokens_with_time_markers` of the reference: a marker follows each full 2 s that
    the tokens cover.
    """
    if not time_markers:
        return [tokens.audio_token_id] * num_tokens
    ids: list[int] = []
    for mark in range(num_tokens // TOKENS_PER_MARK):
        seconds = (mark + 1) * SECONDS_PER_MARK
        ids += [tokens.audio_token_id] * TOKENS_PER_MARK
        ids += [DIGIT_ZERO_ID + int(digit) for digit in str(seconds)]
    return ids + [tokens.audio_token_id] * (num_tokens % TOKENS_PER_MARK)
