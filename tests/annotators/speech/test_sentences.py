from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from annotators.speech.sentences import PAUSE_MS, sentences_of
from schemas.speech import Word


def words_at(text: str, step_ms: int = 300, gaps: dict[int, int] | None = None) -> list[Word]:
    """The words of `text`, each of 250 ms; `gaps` adds silence before the word of that index."""
    words, start_ms = [], 0
    for index, word in enumerate(text.split()):
        start_ms += (gaps or {}).get(index, 0)
        words.append(Word(text=word, start_ms=start_ms, end_ms=start_ms + 250, confidence=None))
        start_ms += step_ms
    return words


def texts(words: list[Word]) -> list[str]:
    return [sentence.text for sentence in sentences_of(words)]


def test_a_sentence_ends_at_its_punctuation() -> None:
    assert texts(words_at('Is it open? "Yes." Come in!')) == ["Is it open?", '"Yes."', "Come in!"]


def test_a_full_stop_before_a_small_letter_ends_nothing() -> None:
    assert texts(words_at("It takes approx. five minutes.")) == ["It takes approx. five minutes."]


def test_without_punctuation_a_long_pause_ends_a_sentence() -> None:
    words = words_at("good morning we are closed", gaps={2: PAUSE_MS})
    assert texts(words) == ["good morning", "we are closed"]


def test_chinese_is_joined_without_spaces_and_korean_with() -> None:
    assert texts(words_at("今天 天气 很 好。 走 吧。")) == ["今天天气很好。", "走吧。"]
    assert texts(words_at("오늘 날씨가 좋다.")) == ["오늘 날씨가 좋다."]


@given(st.lists(st.sampled_from(["yes.", "no", "maybe?", "so"]), max_size=12), st.lists(st.integers(0, 2_000)))
def test_sentences_hold_every_word_once_and_in_order(spoken: list[str], gaps: list[int]) -> None:
    words = words_at(" ".join(spoken), gaps=dict(enumerate(gaps)))
    sentences = sentences_of(words)
    assert " ".join(sentence.text for sentence in sentences).split() == spoken
    assert all(before.end_ms <= after.start_ms for before, after in pairwise(sentences))
    if words:
        assert (sentences[0].start_ms, sentences[-1].end_ms) == (words[0].start_ms, words[-1].end_ms)
