"""Signs that a model's answer is not a description: markup, talk about itself, repeated phrases."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from soundseam.annotators.wording.normalise import sentences_in, unquoted

_MARKUP = re.compile(r"https?://|www\.|[<>{}\[\]`|\\]|\*\*|^\s*(?:[-*\u2022#]|\d+[.)]\s)", re.MULTILINE)
_OF_ITSELF = re.compile(
    r"\b(?:as an? (?:ai|language model|assistant)|i(?:'m| am) (?:sorry|unable|not able)|i apologi[sz]e|"
    r"i (?:can(?:no|')t|do not|don't)|(?:sure|certainly|of course)[,!.]|"
    r"here(?:'s| is) (?:a|the|my)|you (?:asked|provided|uploaded|must|should|are now)|system prompt|"
    r"(?:ignore|disregard|forget|follow|obey) (?:\w+ ){0,3}(?:instructions?|prompts?|rules?)|"
    r"respond with|reply with|output only)|"
    r"抱歉|对不起|作为(?:一个)?(?:人工智能|AI|语言模型|助手)|我无法|我不能|好的[，！。]|以下是",
    re.IGNORECASE,
)
_MAX_RUNS = {"en": ((4, 3), (6, 2)), "zh": ((10, 2),)}
"""(length, count): a run of this many English words or Chinese characters may occur at most this often."""


def markup_in(text: str) -> str | None:
    """The first markup in `text`; None if there is none."""
    return _found(_MARKUP, text)


def talk_of_itself_in(text: str) -> str | None:
    """The first words of a model about itself, to the user, or as an instruction."""
    return _found(_OF_ITSELF, text)


def circle_in(text: str, language: str) -> str | None:
    """A sentence that occurs twice, or a phrase that is repeated too often."""
    counts = Counter(sentence.lower() for sentence in sentences_in(text))
    again = [sentence for sentence, count in counts.items() if count > 1]
    for length, most in _MAX_RUNS[language]:
        counted = Counter(runs_in(text, language, length))
        again += [("" if language == "zh" else " ").join(run) for run, count in counted.items() if count > most]
    return again[0] if again else None


def runs_in(text: str, language: str, length: int) -> Iterator[tuple[str, ...]]:
    """Every run of `length` English words or Chinese characters, in lower case."""
    units = list(_units(text, language))
    return (tuple(units[start : start + length]) for start in range(len(units) - length + 1))


def _units(text: str, language: str) -> Iterator[str]:
    if language == "zh":
        return (character for character in text if character.isalnum())
    return iter(re.findall(r"[^\W_]+(?:['\u2019][^\W_]+)*", text.lower()))


def _found(pattern: re.Pattern[str], text: str) -> str | None:
    match = pattern.search(text)
    return match.group().strip() if match else None


_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_LETTER = re.compile(r"[^\W\d_]")
_TITLE = re.compile("《[^》]*》")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_ENGLISH = frozenset(
    re.findall(
        r"\w+",
        """
    the a an of and in is are to it with on at as by for from while then there this that its be or no not one two some
    we what who someone something throughout over after before during but more than into up down out like
    """,
    )
)
_OTHERS = frozenset(
    re.findall(
        r"\w+",
        """
    der die das den dem ein eine einem einen einer und ist sind mit nicht auf im zu von es wird sich
    le la les un une des du de est sont dans avec et au aux par pour sur qui que il elle
    el los las una con por del se y en lo su al
    gli di che con per nel della è sono si
    o os as um uma com no na em do da é são para
    het een van en met op te zijn wordt
    """,
    )
)
"""Function words of German, French, Spanish, Italian, Portuguese and Dutch."""
_HAN_SHARE = 0.5
_ASCII_SHARE = 0.9


def is_in(text: str, language: str) -> bool:
    """Whether `text`, without quotations, is in `language` (en or zh); True if it is too short to decide.

    Chinese is recognised by its characters; English by its letters, and by at least as many English function words as
    those of other languages with the same letters.
    """
    own = _TITLE.sub(" ", unquoted(text))
    letters, han = _LETTER.findall(own), len(_HAN.findall(own))
    if not letters:
        return True
    if language == "zh":
        return han >= _HAN_SHARE * len(letters)
    if han or sum(letter.isascii() for letter in letters) < _ASCII_SHARE * len(letters):
        return False
    words = [word.lower() for word in _WORD.findall(own)]
    return sum(word in _ENGLISH for word in words) >= sum(word in _OTHERS for word in words)


def length_of(text: str, language: str) -> int:
    """Number of English words, or of Chinese characters (letters and digits, without punctuation)."""
    if language == "zh":
        return sum(character.isalnum() for character in text)
    return len(text.split())


_UNITS = r"db|dbfs|lufs|lkfs|k?hz|khz|bpm|ms|rms|snr|khertz|hertz|decibels?"
_TERMS = (
    r"onsets?|offsets?|spectr(?:al|um|ogram)|centroid|mel|mfccs?|chroma|autocorrelation|fundamental frequency|f0|"
    r"confidence|probabilit(?:y|ies)|threshold|salience|stationarity|noise floor|dynamic range|semitones?|"
    r"segments?|segmentation|diari[sz]ation|detect(?:or|ors|ion|ed)|classifiers?|annotat(?:or|ion|ions)|"
    r"backends?|metadata|json|null|nan|vad|asr|transcript(?:s|ion|ions)?|audio ?set|source[- ]ambiguous"
)
_TOOLS = (
    r"silero|faster-whisper|whisper large|pocketsphinx|pyannote|librosa|pyin|pyloudnorm|onnx(?:runtime)?|"
    r"essentia|madmom|beatnet|chordino|songformer|jukemir|basic[- ]pitch|beats model|ast model|qwen\d?|moss(?:-audio)?|"
    r"vllm|sglang|funasr|paraformer|dnsmos|clap model|pytorch"
)
_HAN_TERMS = (
    "分贝|赫兹|千赫|毫秒|置信度|概率值?|得分|频谱|基频|质心|信噪比|阈值|起始点|检测器|检测到|分类器|标注|转写|转录|说话人分离|"
    "元数据|证据|数据集"
)
_JARGON = re.compile(rf"\b(?:{_UNITS}|{_TERMS}|{_TOOLS}|\w+_\w+)\b|{_HAN_TERMS}", re.IGNORECASE)


def find_jargon(text: str) -> Iterator[str]:
    """The jargon in `text`, in order."""
    return (found.group() for found in _JARGON.finditer(text))


def word_problems(text: str, max_words: int) -> Iterator[str]:
    """Problems with the wording of `text`, one clause each."""
    if not any(character.isalpha() for character in text):
        yield "the text is empty"
        return
    words = length_of(text, "en")
    if words > max_words:
        yield f"the text has {words} words; the maximum is {max_words}"
    if not is_in(text, "en"):
        yield "the text is not in English"
    if markup := markup_in(text):
        yield f"{markup!r} is not prose"
    if said := talk_of_itself_in(text):
        yield f"{said!r} does not describe the sound"
    for word in find_jargon(text):
        yield f"{word!r} is a technical term"
    if phrase := circle_in(text, "en"):
        yield f"{phrase!r} is repeated"
