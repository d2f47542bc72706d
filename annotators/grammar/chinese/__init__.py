"""The grammar in Chinese: for each rule, one that says the same of the same values, as a native speaker would."""

from soundseam.annotators.grammar.chinese import general, music, scene, sounds, speech

RULES = (*speech.RULES, *music.RULES, *general.RULES, *scene.RULES, *sounds.RULES)
