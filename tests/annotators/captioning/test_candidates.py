"""Which answers may stand as captions, and which of several does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotators.captioning.candidates import choose, problem_of
from annotators.captioning.prompts import caption_prompt
from annotators.wording.sentences import sentences_in

ENGLISH = caption_prompt("general", "en")
CHINESE = caption_prompt("general", "zh")
GOOD = "A dog barks twice near a busy road. Then a door slams, and footsteps fade away on gravel."
GOOD_ZH = "一只狗在繁忙的马路边叫了两声。随后一扇门砰地关上，脚步声在碎石路上渐渐远去。"


def test_plain_sentences_may_stand() -> None:
    assert problem_of(GOOD, ENGLISH) is None
    assert problem_of(GOOD_ZH, CHINESE) is None
    assert problem_of("A man says “I can't hear you”, and a phone rings.", ENGLISH) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no_caption"),
        (" ...\n", "no_caption"),
        ("A dog barks and " * 60 + "stops.", "too_long"),
        (GOOD_ZH, "wrong_language"),
        ("Ein Hund bellt zweimal, und dann schlägt eine Tür zu.", "wrong_language"),
        ("## Description\nA dog barks.", "not_prose"),
        ("- A dog barks.\n- A door slams.", "not_prose"),
        ("1. A dog barks.\n2. A door slams.", "not_prose"),
        ('{"caption": "A dog barks."}', "not_prose"),
        ("**Sounds**: a dog barks.", "not_prose"),
        ("<answer>A dog barks.</answer>", "not_prose"),
        ("Sure, here is a description: a dog barks.", "about_itself"),
        ("As an AI I cannot listen to sounds.", "about_itself"),
        ("I'm sorry, but no audio came with the message.", "about_itself"),
        ("Describe its sounds: what is heard, in which order, how loud, how near and how long.", "prompt_echo"),
        ("A dog barks. A door slams. A dog barks.", "repetition"),
        ("and a dog barks at the gate " * 3, "repetition"),
        ("The onset of a bark is heard at a high confidence.", "tool_jargon"),
        ("A dog_bark is heard.", "tool_jargon"),
    ],
)
def test_what_is_no_caption_says_why(text: str, reason: str) -> None:
    assert problem_of(text, ENGLISH) == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (GOOD, "wrong_language"),
        ("狗叫。" * 3, "repetition"),
        ("狗在叫" * 200, "too_long"),
        ("抱歉，我无法听到声音。", "about_itself"),
        ("描述其中的声音：能听到什么，先后顺序如何，声音有多响。", "prompt_echo"),
        ("狗叫声的置信度很高。", "tool_jargon"),
    ],
)
def test_the_same_holds_of_chinese(text: str, reason: str) -> None:
    assert problem_of(text, CHINESE) == reason


@given(st.text(max_size=200))
def test_any_text_is_judged(text: str) -> None:
    assert problem_of(text, ENGLISH) is None or problem_of(text, ENGLISH)
    assert problem_of(text, CHINESE) is None or problem_of(text, CHINESE)


def test_of_several_answers_the_one_stands_that_the_others_bear_out() -> None:
    texts = [
        "A cow moos in a barn.",
        "A dog barks twice near a road, and a door slams.",
        "A dog barks near a busy road before a door slams.",
        "Near a road a dog barks and a door slams shut.",
    ]
    assert choose(texts, "en") in {1, 2, 3}
    assert choose(texts[:1], "en") == 0
    assert choose([GOOD_ZH, GOOD_ZH, "牛在牛棚里叫。"], "zh") == 0


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        (GOOD, ("A dog barks twice near a busy road.", "Then a door slams, and footsteps fade away on gravel.")),
        (GOOD_ZH, ("一只狗在繁忙的马路边叫了两声。", "随后一扇门砰地关上，脚步声在碎石路上渐渐远去。")),
        ("Mr. Smith speaks.\nHe is calm", ("Mr. Smith speaks.", "He is calm")),
        ("It lasts 2.5 seconds. 3 dogs bark!", ("It lasts 2.5 seconds.", "3 dogs bark!")),
        ("She says “Stop!” Then it is quiet.", ("She says “Stop!”", "Then it is quiet.")),
        ("他说：“停！”然后安静下来。", ("他说：“停！”", "然后安静下来。")),
        ("", ()),
    ],
)
def test_text_is_cut_into_sentences(text: str, sentences: tuple[str, ...]) -> None:
    assert sentences_in(text) == sentences


@given(st.lists(st.text(st.sampled_from("aB1 .!?\u3002\uff01\"'狗\n"), max_size=12), max_size=6))
def test_no_word_is_lost_between_sentences(parts: list[str]) -> None:
    text = " ".join(parts)
    assert "".join("".join(sentences_in(text)).split()) == "".join(text.split())
