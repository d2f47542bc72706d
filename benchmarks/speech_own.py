"""The share of a recogniser's time that is spent outside its library, told apart within one run.

`benchmarks.speech` sets a backend beside the bare call; where they differ by less than a busy machine does from itself,
this tells more.

`python -m benchmarks.speech_own [--clips 4] [--weights FOLDER]`: PocketSphinx, and Whisper where it has weights.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterable, Sequence

from benchmarks.speech import make_clips
from soundseam.annotators.base import Annotator, Clip
from soundseam.annotators.speech.faster_whisper import Decoding, FasterWhisper, WhisperAnnotator
from soundseam.annotators.speech.pocketsphinx import SEARCH, PocketsphinxAnnotator
from soundseam.schemas.speech import SpeechFacts

DECODER = ("reinit_feat", "start_utt", "process_raw", "end_utt", "hyp", "seg")
WHISPER = ("encode", "find_alignment", "feature_extractor")
MODEL = ("generate", "detect_language")


class Clock:
    """Adds up processor time."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, run: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            started = time.process_time()
            answer = run(*arguments, **options)
            # What comes one by one is the library's work as well.
            answer = list(answer) if getattr(run, "__name__", "") == "seg" and isinstance(answer, Iterable) else answer
            self.seconds += time.process_time() - started
            return answer

        return call


class Timed:
    """A library's object of which the methods called `names` are timed; `parts` stand in for attributes."""

    def __init__(self, inner: object, names: Sequence[str], clock: Clock, **parts: object) -> None:
        self.__dict__.update(parts)
        self._inner = inner
        self._names = names
        self._clock = clock

    def __getattr__(self, name: str) -> object:
        value = getattr(self._inner, name)
        return self._clock.timed(value) if name in self._names else value


def own_share(annotator: Annotator[SpeechFacts], clock: Clock, clips: Sequence[Clip]) -> float:
    annotator.annotate(clips[:1])
    clock.seconds, started = 0.0, time.process_time()
    annotator.annotate(clips)
    return 1 - clock.seconds / (time.process_time() - started)


def pocketsphinx(clock: Clock) -> PocketsphinxAnnotator:
    from pocketsphinx import Decoder

    decoder: object = Timed(Decoder(loglevel="FATAL", **SEARCH), DECODER, clock)
    return PocketsphinxAnnotator(decoder, trust_single_system=False)


def whisper(weights: str, clock: Clock) -> WhisperAnnotator:
    from faster_whisper import WhisperModel

    options = FasterWhisper(weights=weights)
    model = WhisperModel(weights, device="cpu", compute_type="int8", cpu_threads=1)
    timed: object = Timed(model, WHISPER, clock, model=Timed(model.model, MODEL, clock))
    return WhisperAnnotator(
        timed, Decoding(options.beam_size, options.max_tokens, options.trust_single_system, options.padding_s)
    )


def main() -> int:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--weights", help="of faster_whisper, which is left out without them")
    options = parser.parse_args()
    clips = make_clips(options.clips)
    clock = Clock()
    print(f"pocketsphinx: {own_share(pocketsphinx(clock), clock, clips):.2%} outside the library")
    if options.weights:
        share = own_share(whisper(options.weights, clock), clock, clips)
        print(f"faster_whisper: {share:.2%} outside the library")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
