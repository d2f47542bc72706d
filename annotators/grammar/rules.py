"""All rules of the grammar, by name: what a claim's rule is looked up in."""

from __future__ import annotations

from collections.abc import Mapping

from annotators.general import rules as general
from annotators.grammar import scene as grammar_scene
from annotators.grammar import sounds as grammar_sounds
from annotators.grammar.engine import WITHOUT, Rule, without
from annotators.music import rules as music
from annotators.speech import rules as speech

RULES: Mapping[str, Rule] = {
    rule.name: rule
    for rule in (*speech.RULES, *music.RULES, *general.RULES, *grammar_scene.RULES, *grammar_sounds.RULES)
}


def rule_named(name: str) -> Rule:
    """The rule that a claim names, without the fields it was told without. KeyError for a name that is none."""
    base, told_without, places = name.partition(WITHOUT)
    rule = without(RULES[base], places.split("+")) if told_without else RULES[base]
    if rule.name != name:
        raise KeyError(name)
    return rule
