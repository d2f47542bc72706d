"""The words for every class that YAMNet scores."""

from __future__ import annotations

import re

import pytest

from soundseam.annotators.detection.yamnet import yamnet_labels
from soundseam.annotators.general.naming import KIND_LABELS, class_of_label
from soundseam.annotators.grammar.sound_names import SoundName, broader_labels, participle, sound_names
from soundseam.schemas.event import EventClass

# Words that end in s, and yet are one.
NOT_PLURAL = {"rhythm and blues", "blues", "distortion", "bluegrass"}


def test_every_class_has_words_and_every_other_row_is_a_broader_word_for_some() -> None:
    others = set(sound_names()) - set(yamnet_labels())
    assert set(yamnet_labels()) <= set(sound_names())
    assert others == {name.broader for name in sound_names().values()} - set(yamnet_labels()) - {None}


@pytest.mark.parametrize("name", sound_names().values(), ids=lambda name: name.label)
def test_each_row_makes_an_english_clause(name: SoundName) -> None:
    assert re.fullmatch(r"[A-Za-z' -]+", name.clause), name.clause
    assert name.noun
    assert name.verb
    if name.article in ("a", "an"):
        vowel = name.noun[0] in "aeiou" and not name.noun.startswith(("uni", "uku", "eu", "one"))
        assert (name.article == "an") == vowel
        assert name.number == "one"
    verb = name.verb.split()[0]
    if name.number == "many":
        assert not name.article
        assert not verb.endswith("s") or verb.endswith("ss")
        assert verb != "is"
    else:
        assert verb.endswith("s") or verb == "is"
    assert participle(name.verb).split()[0].endswith("ing")


@pytest.mark.parametrize("label", sound_names())
def test_broader_words_lead_to_an_end_and_stay_of_one_kind(label: str) -> None:
    chain = (label, *broader_labels(label))
    assert len(set(chain)) == len(chain)
    assert {sound_names()[one].kind for one in chain[1:]} <= {*KIND_LABELS, ""}


@pytest.mark.parametrize("label", [label for label in KIND_LABELS.values() if label])
def test_the_words_for_kinds_are_in_the_table(label: str) -> None:
    assert label in sound_names()


@pytest.mark.parametrize(
    ("label", "event_class"),
    [
        ("Caw", EventClass.ANIMAL),
        ("Duck", EventClass.ANIMAL),
        ("Rain", EventClass.NATURE),
        ("Siren", EventClass.OBJECT),
        ("Laughter", EventClass.HUMAN_VOICE),
        ("Impact", EventClass.SOURCE_AMBIGUOUS),
        ("Machine", EventClass.OBJECT),
    ],
)
def test_a_name_tells_the_class(label: str, event_class: EventClass) -> None:
    assert class_of_label(label) is event_class


@pytest.mark.parametrize(
    ("verb", "doing"),
    [
        ("caws", "cawing"),
        ("hums a tune", "humming a tune"),
        ("drips", "dripping"),
        ("revs", "revving"),
        ("idles", "idling"),
        ("cries", "crying"),
        ("flies", "flying"),
        ("hisses or rattles", "hissing or rattling"),
        ("opens or closes", "opening or closing"),
        ("is strummed", "being strummed"),
        ("are plucked", "being plucked"),
        ("goes off", "going off"),
        ("buzzes", "buzzing"),
        ("coos", "cooing"),
        ("play", "playing"),
        ("breathes", "breathing"),
    ],
)
def test_the_ing_form_of_a_verb(verb: str, doing: str) -> None:
    assert participle(verb) == doing


def test_broader_words_of_a_caw() -> None:
    assert broader_labels("Caw") == ("Crow", "Bird", "Animal")
