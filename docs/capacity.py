"""How much audio a GPU should work through in an hour, by arithmetic: nothing in here was measured on a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from docs.reference import markdown_table

PEAK_FLOPS = 989e12
"""Of an H100 SXM in bfloat16 without sparsity: NVIDIA's data sheet."""
BANDWIDTH_BYTES_S = 3.35e12
"""Of its memory: the same."""
MATRIX_SHARE = 0.4
"""Of the peak that a server reaches while it reads prompts: assumed."""
BANDWIDTH_SHARE = 0.6
"""Of the bandwidth that it reaches while it writes: assumed."""
IN_FLIGHT = 128
"""Requests that the server works on at once."""

FRAMES_S = 12.5
ENCODER_PARAMETERS = 0.63e9
"""32 layers of 4 * 1280² + 2 * 1280 * 5120 weights: the published configuration."""
KV_BYTES = 2 * 36 * 8 * 128 * 2
"""Of a token: keys and values of 36 layers, 8 heads, 128 wide, in 2 bytes; the same for 4B and 8B."""

PROMPT_TOKENS = 130
"""Chat template and the prompt of a caption: counted at four characters a token."""
ANSWER_TOKENS = 100
"""A caption of three sentences: assumed."""
CLAIMS = 4
QUESTION_TOKENS = 60
"""A claim with the words around it, and what of the audio does not fill a block of 16: assumed."""
CHOICE_TOKENS = 2
"""yes or no, and the end."""
MEL_CORE_S = 0.045 / 30
"""Of one core, a second of audio: measured."""
FLAC_BYTES_S = 16_000 * 2 * 0.55
"""Of 16 kHz mono at 16 bit: a usual ratio; base64 adds a third."""


@dataclass(frozen=True)
class Decoder:
    """A Qwen3, by its model card."""

    name: str
    parameters: float
    computed: float
    """Without the table of embeddings."""


DECODERS = (Decoder("4B", 4.0e9, 3.6e9), Decoder("8B", 8.2e9, 6.95e9))


@dataclass(frozen=True)
class Task:
    """What is asked about a clip."""

    name: str
    prompts: int
    prompt_tokens: int
    """Of each prompt, what no other shares."""
    answer_tokens: int


CAPTION = Task("a caption", 1, PROMPT_TOKENS, ANSWER_TOKENS)
VERIFY = Task(f"{CLAIMS} claims verified", 2 * CLAIMS, QUESTION_TOKENS, CHOICE_TOKENS)


def audio_tokens(seconds: float) -> float:
    """With the time in digits every 2 s: two of them, mostly."""
    return FRAMES_S * seconds + seconds


def reading_s(decoder: Decoder, task: Task, seconds: float) -> float:
    """Seconds for the prompts about one clip; the audio before them is read once."""
    tokens = audio_tokens(seconds) + task.prompts * task.prompt_tokens
    flops = 2 * (decoder.computed * tokens + ENCODER_PARAMETERS * FRAMES_S * seconds)
    return flops / (PEAK_FLOPS * MATRIX_SHARE)


def writing_s(decoder: Decoder, task: Task, seconds: float) -> float:
    """Seconds for the answers: each step reads all weights and the keys and values of all that are in flight."""
    held = audio_tokens(seconds) + task.prompt_tokens + task.answer_tokens / 2
    step_bytes = 2 * decoder.parameters + IN_FLIGHT * held * KV_BYTES
    return task.prompts * task.answer_tokens * step_bytes / IN_FLIGHT / (BANDWIDTH_BYTES_S * BANDWIDTH_SHARE)


def hours_an_hour(decoder: Decoder, tasks: tuple[Task, ...], seconds: float) -> float:
    """Audio hours of clips of so many seconds that one GPU works through in an hour."""
    needed_s = sum(reading_s(decoder, task, seconds) + writing_s(decoder, task, seconds) for task in tasks)
    return seconds / needed_s


WORK = ((CAPTION,), (VERIFY,), (CAPTION, VERIFY))
LENGTHS_S = (5, 12, 30)


def expected() -> str:
    """Audio hours an hour, and what the machine around the GPU must bring for the smaller model."""
    return markdown_table(
        ("asked of each clip", "clip", "4B", "8B", "4B: requests/s", "cores for mel frames", "MB/s received"),
        list(_rows()),
    )


def _rows() -> Iterator[tuple[str, ...]]:
    for tasks in WORK:
        for seconds in LENGTHS_S:
            small, large = (hours_an_hour(decoder, tasks, seconds) for decoder in DECODERS)
            prompts = sum(task.prompts for task in tasks)
            received = small * prompts * FLAC_BYTES_S * 4 / 3 / 1e6
            yield (
                " and ".join(task.name for task in tasks),
                f"{seconds} s",
                f"{_rounded(small):,}",
                f"{_rounded(large):,}",
                f"{small / seconds * prompts:.0f}",
                f"{small * prompts * MEL_CORE_S:.1f}",
                f"{received:.0f}",
            )


def _rounded(hours: float) -> int:
    return round(hours / 10) * 10


def worked() -> str:
    """One cell of the table, step by step."""
    decoder, seconds = DECODERS[0], 30
    audio, frames = audio_tokens(seconds), FRAMES_S * seconds
    tokens, held = audio + PROMPT_TOKENS, audio + PROMPT_TOKENS + ANSWER_TOKENS / 2
    read_s, write_s = (step(decoder, CAPTION, seconds) for step in (reading_s, writing_s))
    step_gb = (2 * decoder.parameters + IN_FLIGHT * held * KV_BYTES) / 1e9
    tb_s = BANDWIDTH_BYTES_S * BANDWIDTH_SHARE / 1e12
    lines = [
        f"audio    {seconds} s * ({FRAMES_S:g} frames + 1 digit) = {audio:.0f} tokens",
        f"reading  2 * ({decoder.computed / 1e9:g}e9 * ({audio:.0f} + {PROMPT_TOKENS}) "
        f"+ {ENCODER_PARAMETERS / 1e9:g}e9 * {frames:.0f}) = "
        f"{2 * (decoder.computed * tokens + ENCODER_PARAMETERS * frames) / 1e12:.2f} TFLOP",
        f"         / ({PEAK_FLOPS / 1e12:.0f} TFLOP/s * {MATRIX_SHARE}) = {1000 * read_s:.1f} ms",
        f"a step   2 bytes * {decoder.parameters / 1e9:g}e9 + {IN_FLIGHT} * {held:.0f} tokens * {KV_BYTES:,} bytes "
        f"= {step_gb:.1f} GB / ({BANDWIDTH_BYTES_S / 1e12:g} TB/s * {BANDWIDTH_SHARE}) = {step_gb / tb_s:.1f} ms",
        f"writing  {ANSWER_TOKENS} steps * {step_gb / tb_s:.1f} ms / {IN_FLIGHT} = {1000 * write_s:.1f} ms",
        f"hours    {seconds} s / ({1000 * read_s:.1f} ms + {1000 * write_s:.1f} ms) "
        f"= {hours_an_hour(decoder, (CAPTION,), seconds):,.0f}",
    ]
    return "```text\n" + "\n".join(lines) + "\n```"
