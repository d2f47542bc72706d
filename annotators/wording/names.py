"""Names that a sentence gives: of people, places, works, languages, brands; and keys of music.

English: every word with a capital letter, since sentences begin in lower case when they reach this check; a
sentence that begins with a capital nevertheless is accepted for a few usual first words. Chinese has no
capitals: names are found by their context (先生, 市, 名叫), by characters that transliterate foreign names, by a
middle dot, by 《》, and by Latin letters. If the end of a name cannot be found, its beginning is returned.
This finds most names, but not all; the verifier must find the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_OPENERS = frozenset(
    re.findall(
        r"\w+",
        """
    a an the in on at as while when after before then there it its this that these those someone
    somebody nobody something nothing everything one two three several many some few both another other
    all no with without over under behind between during throughout towards near from for by above
    beneath first next later finally once only just also what who speech music singing sound sounds
    voices people
    """,
    )
)
_NO_NAMES = frozenset({"tv", "dj", "ok"})
_CAPITALISED = re.compile(r"(?<![\w'\u2019])[A-Z][\w]*(?:['\u2019\-][\w]+)*")
_SENTENCE_START = re.compile(r"(?:^|[.!?]\s+|[\"\u201c])\s*$")
_LATIN = re.compile(r"[A-Za-z][A-Za-z'\-]*")

_KEY = re.compile(r"\b([A-G])(?:[ -](sharp|flat)|([#♯b♭]))?[ -](major|minor)\b")
_HAN_KEY = re.compile(r"([升降])?([A-Ga-g])([#♯b♭])?(大|小)调")
_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SHIFTS = {"sharp": 1, "#": 1, "♯": 1, "升": 1, "flat": -1, "b": -1, "♭": -1, "降": -1}

_TITLE = re.compile("《([^》]{1,40})》")
_DOTTED = re.compile("[\u4e00-\u9fff]{1,4}(?:[·・][\u4e00-\u9fff]{1,2})+")
_SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏"
    "钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
)
_CALLED = re.compile("(?:名叫|叫做|名为|姓名是|歌手|作曲家|钢琴家|主持人|演员|指挥家?)([\u4e00-\u9fff]{2})")
_TITLED = re.compile(f"([{_SURNAMES}][\u4e00-\u9fff]{{0,2}})(?=先生|女士|小姐|老师|教授|医生|总统|主席|经理)")
_PLACE = re.compile("([\u4e00-\u9fff]{2,4}?)(?:省|市|县|镇|大学|公司)")
_COMMON_PLACES = re.compile("城市|超市|集市|夜市|都市|菜市|闹市|股市|某个?市")
_TRANSLITERATED = re.compile(
    "[阿埃艾安奥巴贝比彼伯勃布查达戴丹道德迪蒂杜多恩尔法菲费芬弗夫福盖戈格古哈汉赫霍基吉加贾简杰卡凯坎考科克肯库夸拉"
    "莱兰朗劳勒雷里利莉丽琳卢鲁伦罗洛马玛麦曼梅蒙米密摩莫姆穆纳娜内尼妮诺欧帕佩皮珀普奇乔琼萨塞桑森沙圣史舒斯苏索"
    "塔泰汤特托瓦威维韦温沃乌西希肖谢辛休雅亚扬耶伊英约泽扎詹珍朱]{3,}"
)
_SOUND_WORDS = re.compile(
    "萨克斯管?风?|马林巴|布鲁斯|卡林巴|尤克里里|曼陀林|班卓|摩托|马达|卡拉|巴士|吉他|雷鬼|贝斯|迪斯科|爵士|西塔琴|阿卡贝拉|"
    "格里高利|马赛克|马拉松|拉丁|安全|特别|特意|约莫|大约|普通|多恩"
)


def names_in(text: str, language: str) -> Iterator[str]:
    """Every name in `text`, except keys of music."""
    if language == "zh":
        yield from _chinese_names(text)
    else:
        yield from _english_names(text)


def keys_in(text: str) -> Iterator[tuple[int, str]]:
    """Every key of music as (semitones over C, mode): C sharp minor and D flat minor are equal."""
    for match in _KEY.finditer(text):
        shift = _SHIFTS.get(match[2] or match[3] or "", 0)
        yield (_SEMITONES[match[1]] + shift) % 12, match[4]
    for match in _HAN_KEY.finditer(text):
        shift = _SHIFTS.get(match[1] or "", 0) + _SHIFTS.get(match[3] or "", 0)
        yield (_SEMITONES[match[2].upper()] + shift) % 12, "major" if match[4] == "大" else "minor"


def _english_names(text: str) -> Iterator[str]:
    text = _KEY.sub(" ", text)
    for match in _CAPITALISED.finditer(text):
        word = match.group()
        opens = _SENTENCE_START.search(text[: match.start()]) is not None
        if word.lower() in _NO_NAMES or word == "I" or (opens and word.lower() in _OPENERS):
            continue
        yield word
    yield from (match.group() for match in re.finditer("[\u3400-\u9fff]+", text))


def _chinese_names(text: str) -> Iterator[str]:
    text = _HAN_KEY.sub(" ", text)
    yield from (match[1] for match in _TITLE.finditer(text))
    text = _TITLE.sub(" ", text)
    yield from (match.group() for match in _LATIN.finditer(text) if match.group().lower() not in _NO_NAMES)
    yield from (match.group() for match in _DOTTED.finditer(text))
    text = _SOUND_WORDS.sub(" ", _COMMON_PLACES.sub(" ", _DOTTED.sub(" ", text)))
    for pattern in (_CALLED, _TITLED, _PLACE):
        yield from (match[1] for match in pattern.finditer(text))
    yield from (match.group() for match in _TRANSLITERATED.finditer(text))
