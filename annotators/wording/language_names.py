"""Names of languages, as written by people and programs, and their BCP 47 tags."""

from __future__ import annotations

import re
import unicodedata

MAX_CHARACTERS = 80
"""Longer than any name of a language; the rest is ignored."""

_LANGUAGES = """
aa aar Afar; ab abk Abkhazian; af afr Afrikaans; ak aka Akan; am amh Amharic; an arg Aragonese; ar ara Arabic;
as asm Assamese; av ava Avaric; ay aym Aymara; az aze Azerbaijani; ba bak Bashkir; be bel Belarusian;
bg bul Bulgarian; bi bis Bislama; bm bam Bambara; bn ben Bengali; bo bod Tibetan; br bre Breton; bs bos Bosnian;
ca cat Catalan; ce che Chechen; ch cha Chamorro; co cos Corsican; cr cre Cree; cs ces Czech; cv chv Chuvash;
cy cym Welsh; da dan Danish; de deu German; dv div Divehi; dz dzo Dzongkha; ee ewe Ewe; el ell Greek; en eng English;
eo epo Esperanto; es spa Spanish; et est Estonian; eu eus Basque; fa fas Persian; ff ful Fulah; fi fin Finnish;
fj fij Fijian; fo fao Faroese; fr fra French; fy fry Western Frisian; ga gle Irish; gd gla Scottish Gaelic;
gl glg Galician; gn grn Guarani; gu guj Gujarati; gv glv Manx; ha hau Hausa; he heb Hebrew; hi hin Hindi;
hr hrv Croatian; ht hat Haitian Creole; hu hun Hungarian; hy hye Armenian; hz her Herero; ia ina Interlingua;
id ind Indonesian; ig ibo Igbo; ik ipk Inupiaq; io ido Ido; is isl Icelandic; it ita Italian; iu iku Inuktitut;
ja jpn Japanese; jv jav Javanese; ka kat Georgian; kg kon Kongo; ki kik Kikuyu; kj kua Kuanyama; kk kaz Kazakh;
kl kal Greenlandic; km khm Khmer; kn kan Kannada; ko kor Korean; kr kau Kanuri; ks kas Kashmiri; ku kur Kurdish;
kv kom Komi; kw cor Cornish; ky kir Kyrgyz; la lat Latin; lb ltz Luxembourgish; lg lug Ganda; li lim Limburgish;
ln lin Lingala; lo lao Lao; lt lit Lithuanian; lu lub Luba-Katanga; lv lav Latvian; mg mlg Malagasy;
mh mah Marshallese; mi mri Maori; mk mkd Macedonian; ml mal Malayalam; mn mon Mongolian; mr mar Marathi;
ms msa Malay; mt mlt Maltese; my mya Burmese; nb nob Norwegian Bokmål; nd nde North Ndebele; ne nep Nepali;
ng ndo Ndonga; nl nld Dutch; nn nno Norwegian Nynorsk; no nor Norwegian; nr nbl South Ndebele; nv nav Navajo;
ny nya Chichewa; oc oci Occitan; oj oji Ojibwe; om orm Oromo; or ori Odia; os oss Ossetian; pa pan Punjabi;
pi pli Pali; pl pol Polish; ps pus Pashto; pt por Portuguese; qu que Quechua; rm roh Romansh; rn run Rundi;
ro ron Romanian; ru rus Russian; rw kin Kinyarwanda; sa san Sanskrit; sc srd Sardinian; sd snd Sindhi;
se sme Northern Sami; sg sag Sango; si sin Sinhala; sk slk Slovak; sl slv Slovenian; sm smo Samoan; sn sna Shona;
so som Somali; sq sqi Albanian; sr srp Serbian; ss ssw Swati; st sot Southern Sotho; su sun Sundanese;
sv swe Swedish; sw swa Swahili; ta tam Tamil; te tel Telugu; tg tgk Tajik; th tha Thai; ti tir Tigrinya;
tk tuk Turkmen; tl tgl Tagalog; tn tsn Tswana; to ton Tongan; tr tur Turkish; ts tso Tsonga; tt tat Tatar;
tw twi Twi; ty tah Tahitian; ug uig Uyghur; uk ukr Ukrainian; ur urd Urdu; uz uzb Uzbek; ve ven Venda;
vi vie Vietnamese; vo vol Volapük; wa wln Walloon; wo wol Wolof; xh xho Xhosa; yi yid Yiddish; yo yor Yoruba;
za zha Zhuang; zh zho Chinese; zu zul Zulu; ast ast Asturian; ceb ceb Cebuano; ckb ckb Central Kurdish;
fil fil Filipino; gsw gsw Swiss German; haw haw Hawaiian; hsb hsb Upper Sorbian; kab kab Kabyle;
kmr kmr Northern Kurdish; mhr mhr Meadow Mari; rue rue Rusyn; tlh tlh Klingon; tok tok Toki Pona; umb umb Umbundu;
wuu wuu Wu Chinese; yue yue Cantonese; nan nan Min Nan Chinese; hak hak Hakka Chinese
"""
"""Tag, ISO 639-3 code and English name: all of ISO 639-1, and some others that recognisers use."""

_ALIASES = """
alb sq; arm hy; baq eu; bur my; chi zh; cze cs; dut nl; fre fr; geo ka; ger de; gre el; ice is; mac mk;
mao mi; may ms; per fa; rum ro; slo sk; tib bo; wel cy; cmn zh; arb ar; pes fa; prs fa; swh sw; zsm ms;
ekk et; lvs lv; khk mn; npi ne; ory or; uzn uz; azj az; als sq; ydd yi; iw he; in id; ji yi; jw jv; jp ja;
cn zh; gr el; cz cs; dk da; mandarin zh; putonghua zh; farsi fa; flemish nl; castilian es; filipino fil;
moldovan ro; myanmar my; persian farsi fa; pashto ps; pushto ps; sinhalese si; panjabi pa; kirghiz ky;
uighur ug; oriya or; gaelic gd; letzeburgesch lb; valencian ca; haitian ht; bokmål nb; nynorsk nn;
frisian fy; deutsch de; français fr; francais fr; español es; espanol es; italiano it; português pt;
portugues pt; nederlands nl; svenska sv; dansk da; norsk no; suomi fi; polski pl; čeština cs; magyar hu;
türkçe tr; русский ru; українська uk; ελληνικά el; العربية ar; עברית he; हिन्दी hi; 中文 zh; 汉语 zh; 普通话 zh;
英语 en; 英文 en; 日语 ja; 粤语 yue; 日本語 ja; 한국어 ko; ไทย th; tiếng việt vi
"""
"""Older codes, country codes that are often used for a language, and other names, each with its tag."""

_UNKNOWN = """
-; --; ?; auto; autodetect; auto-detect; automatic; detect; any; unknown; unk; undefined; undetermined;
unspecified; unlabeled; unlabelled; none; null; nil; nan; na; n/a; other; others; mixed; multi; multiple;
multilingual; various; not specified; not known
"""
_NO_LANGUAGE = ("und", "mul", "mis", "zxx")
"""Undetermined, several, one without a code, and no speech at all, in ISO 639-2."""
_TAG = re.compile(r"([a-z]{2,3})((?:-(?:[a-z]{2,4}|[a-z]{0,7}[0-9][a-z0-9]{0,7}))*(?:-[a-z](?:-[a-z0-9]{1,8})+)?)")
_AFTER_TAG = re.compile(r"[.@].*")
_IN_BRACKETS = re.compile(r"[(\[].*?[)\]]")
_QUALIFIERS = """
language; lang; spoken; modern; standard; simplified; traditional; us; uk; american; british; australian;
indian; canadian; latin; mexican; brazilian; european; swiss; austrian; mainland; taiwanese; egyptian; gulf;
levantine
"""
"""Words that people add to the name of a language."""


def _entries(table: str) -> list[str]:
    return [entry.strip() for entry in table.replace("\n", " ").split(";")]


def _tables() -> tuple[dict[str, str], dict[str, str]]:
    names: dict[str, str] = {}
    tags: dict[str, str] = {}
    for entry in _entries(_LANGUAGES):
        tag, code, name = entry.split(" ", 2)
        names[tag] = name
        tags |= {tag: tag, code: tag, name.casefold(): tag}
    for entry in _entries(_ALIASES):
        alias, tag = entry.rsplit(" ", 1)
        tags[alias] = tag
    return names, tags


LANGUAGE_NAMES, _TAGS = _tables()


class UnknownLanguageError(ValueError):
    """A text that does not name a known language."""


def language_tag(text: str) -> str | None:
    """The BCP 47 tag of a language given by code (en, eng, en_US) or by name (English); None for "auto" and the like.

    Raises UnknownLanguageError for a text that does not name exactly one language.
    """
    said = " ".join(unicodedata.normalize("NFKC", text[:MAX_CHARACTERS]).casefold().split())
    if not said or said in _entries(_UNKNOWN) or said.replace("_", "-").split("-")[0] in _NO_LANGUAGE:
        return None
    return _tag_of_code(said) or _tag_of_name(said)


def _tag_of_code(said: str) -> str | None:
    match = _TAG.fullmatch(_AFTER_TAG.sub("", said).replace("_", "-"))
    if match is None or (len(match[1]) == 2 and match[1] not in _TAGS):
        return None
    # There are some 7,900 codes of three letters, more than this table has.
    return "-".join([_TAGS.get(match[1], match[1]), *map(_in_its_case, match[2].split("-")[1:])])


def _in_its_case(subtag: str) -> str:
    """A script as Hans, a region as US, everything else in lower case, as BCP 47 recommends."""
    if len(subtag) == 4 and subtag.isalpha():
        return subtag.title()
    return subtag.upper() if len(subtag) == 2 else subtag


def _tag_of_name(said: str) -> str:
    plain = _IN_BRACKETS.sub(" ", said)
    whole = " ".join(plain.split())
    if whole in _TAGS:
        return _TAGS[whole]
    words = [word for word in re.findall(r"[^\W\d_]+", plain) if word not in _entries(_QUALIFIERS)]
    named = {_TAGS[word] for word in words if len(word) > 3 and word in _TAGS}
    if len(named) == 1 and all(word in _TAGS for word in words):
        return named.pop()
    raise UnknownLanguageError(f"{said[:40]!r} is not the name of one known language")
