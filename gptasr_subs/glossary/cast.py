"""Names from the .nfo files that Kodi, Jellyfin and Emby keep beside videos.

``movie.nfo``, or one called like the video, describes a film or an episode; ``tvshow.nfo``,
in its folder or the one above, a series. Each actor has a name and a role.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from gptasr_subs.errors import FormatError
from gptasr_subs.glossary.terms import Glossary, Term, combine, is_readable
from gptasr_subs.storage.files import read_text

_log = logging.getLogger(__name__)

# What lists of roles have beside the name, and what is no name.
_REMARK = re.compile(r"\([^)]*\)|\[[^]]*\]|\"")
_BETWEEN_ROLES = re.compile(r"\s*(?:/|,|;|\bas\b|\baka\b)\s*")
_NO_NAMES = frozenset(
    "agent aunt baby boss boy brother captain chief child colonel cop corporal count daughter "  # noqa: SIM905
    "detective doctor dr driver duke emperor father friend general girl girlfriend guard guest "
    "herself himself host inspector judge king lady lieutenant lord madame major man master mayor "
    "miss mister mother mr mrs ms narrator nurse officer old one president prince princess private "
    "professor queen secretary self sergeant sheriff sir sister soldier son student teacher the "
    "they uncle voice waiter waitress wife woman young".split()
)
# Names that are words as well, whose casing the recogniser knows best.
_WORDS_TOO = frozenset(
    "angel art august baker bell berry bill bishop black bond brown bush butler church clay cook "  # noqa: SIM905
    "crow cross dawn day dean drew faith field fisher ford forest fox frank gates grace grant gray "
    "green hall hill holly hope horn hunt hunter iris ivy jack jade jasmine joy june knight lake "
    "lane law lily long love mark marsh mason may mercy miles miller moon nick north page park "
    "pearl penny pierce poe porter pound price ray reed rich ring river rob robin rock rod rose "
    "ruby rusty sandy savage scarlet sharp short sky smith snow spring star steel stone storm "
    "strange street strong sue summer swan swift taylor temple violet wade walker ward watch "
    "waters weaver west white wild will winter wise wolf wood woods".split()
)
_MIN_LETTERS = 3


def read_cast(media: Path) -> Glossary:
    """Names of actors and roles of a video, empty where no .nfo file lists any.

    Whole names, and their parts: people are called by either.
    """
    folder = media.absolute().parent
    series = [folder / "tvshow.nfo", folder.parent / "tvshow.nfo"]
    found: list[Term] = []
    for path in (media.with_suffix(".nfo"), folder / "movie.nfo", *series):
        if path.is_file():
            for name in _names(path):
                found += _terms(name)
    return combine([Glossary(tuple(found))])


def terms_of_names(names: Iterable[str]) -> Glossary:
    """Names of artists or titles, and their parts, in the casing that the recogniser gives them.

    All words of a title have capitals.
    """
    terms = (replace(term, fixed_case=False) for name in names for term in _terms(name))
    return combine([Glossary(tuple(terms))])


def _names(path: Path) -> Iterator[str]:
    """Actors and roles of a file; none where it is no XML, for notes of other kinds end in .nfo."""
    try:
        text = read_text(path)
        if "<!DOCTYPE" in text or "<!ENTITY" in text:  # entities may grow beyond all memory
            raise ValueError("it defines entities")
        # Kodi allows the address of a page behind the document.
        root = ElementTree.fromstring(text[: text.rfind(">") + 1])
    except (FormatError, ElementTree.ParseError, ValueError) as error:
        _log.info("%r names no cast (%s).", str(path), error)
        return
    for actor in root.iter("actor"):
        for field in ("role", "name"):
            names = _REMARK.sub(" ", actor.findtext(field) or "")
            yield from (name for name in _BETWEEN_ROLES.split(names) if name.strip())


def _terms(name: str) -> Iterator[Term]:
    """A whole name, and each part of it that is a name by itself."""
    words = name.split()
    if len(words) > 1 and is_readable(name) and len(words) <= 4:
        yield Term(" ".join(words))
    for word in words:
        word = word.strip(".,'’-")
        is_name = word[:1].isupper() and word.lower() not in _NO_NAMES
        if is_name and len(word) >= _MIN_LETTERS and is_readable(word):
            yield Term(word, fixed_case=word.lower() not in _WORDS_TOO)
