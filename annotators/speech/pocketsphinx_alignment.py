"""Word times of an English text by PocketSphinx told what was said: `pocketsphinx_alignment`."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from soundseam.annotators.base import Annotator, Backend, Clip
from soundseam.annotators.speech.alignment import aligned_facts, in_order, text_to_align
from soundseam.annotators.speech.pocketsphinx import FRAME_MS, MARGIN_MS, as_pcm, is_filler, speaks_english
from soundseam.annotators.speech.transcripts import Excerpt, excerpt, speech_stretches, widen
from soundseam.annotators.weights import installed_version
from soundseam.schemas.event import Branch
from soundseam.schemas.speech import SpeechFacts, Word

if TYPE_CHECKING:
    from pocketsphinx import Decoder

_PART = re.compile(r"[a-z0-9']*[a-z0-9][a-z0-9']*")


class PocketsphinxAlignment(Backend[SpeechFacts]):
    """Word and sentence times of an English transcript whose words are all in PocketSphinx's dictionary."""

    kind: Literal["pocketsphinx_alignment"] = "pocketsphinx_alignment"

    branch: ClassVar[Branch] = Branch.SPEECH
    reads_annotations: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ("pocketsphinx",)
    remedy: ClassVar[str] = (
        "pip install 'soundseam[speech]' on Python 3.11 or 3.13, which have wheels, or leave this backend out"
    )
    licence: ClassVar[str] = "BSD-2-Clause"

    @property
    def model(self) -> str:
        return "pocketsphinx-en-us"

    @property
    def revision(self) -> str:
        return f"{installed_version('pocketsphinx')}-1"

    def load(self) -> Annotator[SpeechFacts]:
        self.check_available()
        from pocketsphinx import Decoder

        return PocketsphinxAligner(Decoder(loglevel="FATAL", lm=None))


class Spoken(NamedTuple):
    """A word of the transcript and the dictionary entries it is spoken as; twenty-five is two."""

    text: str
    entries: tuple[str, ...]


class PocketsphinxAligner:
    """The annotator of `PocketsphinxAlignment`."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._one_at_a_time = threading.Lock()

    def annotate(self, clips: Sequence[Clip]) -> Sequence[SpeechFacts]:
        return [self._align(clip) for clip in clips]

    def _align(self, clip: Clip) -> SpeechFacts:
        text = text_to_align(clip)
        stretches = speech_stretches(clip.segment)
        if text is None or not stretches or not speaks_english(text.transcript.language):
            return SpeechFacts()
        spoken = spoken_words(text.transcript.text)
        if not spoken or not all(self._decoder.lookup_word(entry) for word in spoken for entry in word.entries):
            return SpeechFacts()
        heard = excerpt(clip, widen(stretches, MARGIN_MS, clip.segment.span))
        words = self._times(spoken, heard)
        return aligned_facts(clip, text, in_order(words, clip.segment)) if words else SpeechFacts()

    def _times(self, spoken: Sequence[Spoken], heard: Excerpt) -> list[Word]:
        """The words with their times; none where the sound does not fit the text."""
        entries = [entry for word in spoken for entry in word.entries]
        frames = self._frames(entries, as_pcm(heard.samples).tobytes())
        if len(frames) != len(entries):
            return []
        words, used = [], 0
        for word in spoken:
            first, last = frames[used], frames[used + len(word.entries) - 1]
            used += len(word.entries)
            start_ms = heard.to_recording_ms(first[0] * FRAME_MS)
            end_ms = heard.to_recording_ms(last[1] * FRAME_MS, ends=True)
            words.append(Word(text=word.text, start_ms=start_ms, end_ms=max(start_ms, end_ms), confidence=None))
        return words

    def _frames(self, entries: Sequence[str], pcm: bytes) -> list[tuple[int, int]]:
        """First frame and the frame after the last of each entry; none where the sound does not fit."""
        with self._one_at_a_time:
            self._decoder.set_align_text(" ".join(entries))
            self._decoder.reinit_feat()
            self._decoder.start_utt()
            self._decoder.process_raw(pcm, full_utt=True)
            self._decoder.end_utt()
            if self._decoder.hyp() is None:
                return []
            found = self._decoder.seg()
            return [(item.start_frame, item.end_frame + 1) for item in found if not is_filler(item.word)]


def spoken_words(text: str) -> list[Spoken]:
    """The words of `text` as written, each with what a dictionary calls it; a dash between spaces is no word.

    A word with digits keeps them as an entry, which no dictionary has: how a number was said is not known.
    """
    found = []
    for written in text.split():
        folded = written.lower().replace("\u2019", "'")
        parts = tuple(part.strip("'") for part in _PART.findall(folded))
        if parts:
            found.append(Spoken(written, parts))
        elif any(character.isalnum() for character in written):
            found.append(Spoken(written, (written,)))
    return found
