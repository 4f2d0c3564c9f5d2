"""Which codes mean the same language: ISO 639-1 (``de``), both of ISO 639-2 (``deu``, ``ger``),
regions (``de-AT``).
"""

from __future__ import annotations

import re

# ISO 639-1, then ISO 639-2: the code from the language's own name and, where it differs, the one
# from the English name.
_CODES = """
aa aar, ab abk, ae ave, af afr, ak aka, am amh, an arg, ar ara, as asm, av ava, ay aym, az aze,
ba bak, be bel, bg bul, bi bis, bm bam, bn ben, bo bod tib, br bre, bs bos, ca cat, ce che,
ch cha, co cos, cr cre, cs ces cze, cu chu, cv chv, cy cym wel, da dan, de deu ger, dv div,
dz dzo, ee ewe, el ell gre, en eng, eo epo, es spa, et est, eu eus baq, fa fas per, ff ful,
fi fin, fj fij, fo fao, fr fra fre, fy fry, ga gle, gd gla, gl glg, gn grn, gu guj, gv glv,
ha hau, he heb, hi hin, ho hmo, hr hrv, ht hat, hu hun, hy hye arm, hz her, ia ina, id ind,
ie ile, ig ibo, ii iii, ik ipk, io ido, is isl ice, it ita, iu iku, ja jpn, jv jav, ka kat geo,
kg kon, ki kik, kj kua, kk kaz, kl kal, km khm, kn kan, ko kor, kr kau, ks kas, ku kur, kv kom,
kw cor, ky kir, la lat, lb ltz, lg lug, li lim, ln lin, lo lao, lt lit, lu lub, lv lav, mg mlg,
mh mah, mi mri mao, mk mkd mac, ml mal, mn mon, mr mar, ms msa may, mt mlt, my mya bur, na nau,
nb nob, nd nde, ne nep, ng ndo, nl nld dut, nn nno, no nor, nr nbl, nv nav, ny nya, oc oci,
oj oji, om orm, or ori, os oss, pa pan, pi pli, pl pol, ps pus, pt por, qu que, rm roh, rn run,
ro ron rum, ru rus, rw kin, sa san, sc srd, sd snd, se sme, sg sag, si sin, sk slk slo, sl slv,
sm smo, sn sna, so som, sq sqi alb, sr srp, ss ssw, st sot, su sun, sv swe, sw swa, ta tam,
te tel, tg tgk, th tha, ti tir, tk tuk, tl tgl, tn tsn, to ton, tr tur, ts tso, tt tat, tw twi,
ty tah, ug uig, uk ukr, ur urd, uz uzb, ve ven, vi vie, vo vol, wa wln, wo wol, xh xho, yi yid,
yo yor, za zha, zh zho chi, zu zul
"""
_SHORT = {long: row.split()[0] for row in _CODES.split(",") for long in row.split()[1:]}
_LONG = {row.split()[0]: row.split()[1] for row in _CODES.split(",")}
_NAMES = {
    "ar": "Arabic", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek",
    "en": "English", "es": "Spanish", "fi": "Finnish", "fr": "French", "he": "Hebrew",
    "hi": "Hindi", "hu": "Hungarian", "id": "Indonesian", "it": "Italian", "ja": "Japanese",
    "ko": "Korean", "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese",
    "ro": "Romanian", "ru": "Russian", "sv": "Swedish", "th": "Thai", "tr": "Turkish",
    "uk": "Ukrainian", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
_SHORT |= {name.lower(): code for code, name in _NAMES.items()}
_UNKNOWN = frozenset({"", "und", "unk", "mis", "zxx", "mul"})  # ISO 639-2 says so in several ways


def shortest_code(tag: str) -> str:
    """Return the ISO 639-1 code for ``tag`` (``deu``, ``ger``, ``de-AT``, ``German`` -> ``de``),
    else the tag's first part in lower case.

    Tags that say the language is not known, or that there is none, give an empty string.
    """
    primary = re.split("[-_]", tag.strip().lower())[0]
    return "" if primary in _UNKNOWN else _SHORT.get(primary, primary)


def player_tag(tag: str) -> str:
    """Return a tag as names of subtitle files have it: the language by its shortest code, the rest
    as it is.
    """
    primary, *rest = re.split("[-_]", tag.strip())
    return "-".join([_SHORT.get(primary.lower(), primary), *rest])


def same_language(one: str, other: str) -> bool:
    """Return whether two tags mean one language; an unknown language is the same as none."""
    return bool(shortest_code(one)) and shortest_code(one) == shortest_code(other)


def three_letter_code(tag: str) -> str:
    """Return the ISO 639-2 code from the language's own name (``en-US`` -> ``eng``), which
    containers want; else ``und``.
    """
    short = shortest_code(tag)
    return _LONG.get(short, short if len(short) == 3 else "und")


def language_name(tag: str) -> str:
    """Return the English name of the larger languages, else the tag as it is."""
    return _NAMES.get(shortest_code(tag), tag)


def language_in(title: str) -> str:
    """Return the code of the language that a title names in English (``English 5.1`` -> ``en``), or
    an empty string where it names none or several.
    """
    words = set(re.findall(r"[^\W\d_]+", title.lower()))
    named = [code for code, name in _NAMES.items() if name.lower() in words]
    return named[0] if len(named) == 1 else ""
