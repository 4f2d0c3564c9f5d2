"""Which words to expect in a media file."""

from __future__ import annotations

import logging
from pathlib import Path

from gptasr_subs.errors import FormatError, plural
from gptasr_subs.glossary.cast import read_cast, terms_of_names
from gptasr_subs.glossary.files import find_glossaries, read_glossary
from gptasr_subs.glossary.terms import Glossary, combine
from gptasr_subs.pipeline.options import Options

_log = logging.getLogger(__name__)


def glossary_of(media: Path, options: Options) -> Glossary:
    """Return the terms of the files that the options name, of each GLOSSARY.txt beside the media
    file or above it, of its cast where that is wanted, and of the names in the options.

    What was found is said. Raises FormatError for a file that was named; one that was found and is
    no glossary is left out.
    """
    glossaries = [read_glossary(path) for path in options.glossary]
    named = {path.absolute() for path in options.glossary}
    for path in find_glossaries(media):
        if path in named:
            continue
        try:
            found = read_glossary(path)
        except FormatError as error:
            _log.warning("%s It is not used.", error)
        else:
            _log.warning("%r is used: %s.", str(path), plural(len(found.terms), "term"))
            glossaries.append(found)
    if options.cast:
        cast = read_cast(media)
        _log.warning("The cast of %r is used: %s.", media.name, plural(len(cast.terms), "term"))
        glossaries.append(cast)
    glossaries.append(terms_of_names(options.names))
    return combine(glossaries)
