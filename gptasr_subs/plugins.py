"""What packages offer through entry points: recognisers, subtitle formats, notifiers.

Our own are made in the same way. A plugin that cannot be used is named in a warning and left out;
it never stops the command.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from gptasr_subs.errors import error_line

_log = logging.getLogger(__name__)
_Made = TypeVar("_Made")

OWN_PACKAGE = "gptasr-subs"

# Each kind has the entry point group "gptasr_subs.KIND". The built-in ones are listed here and not
# in the package's metadata, so that a source tree that is not installed has them too.
BUILT_IN = {
    "recognizers": {"gptasr": "gptasr_subs.recognition.gptasr:load_gptasr"},
    "formats": {
        "srt": "gptasr_subs.formats.srt:Srt",
        "vtt": "gptasr_subs.formats.vtt:Vtt",
        "ass": "gptasr_subs.formats.ass:Ass",
        "ttml": "gptasr_subs.formats.ttml:Ttml",
        "sbv": "gptasr_subs.formats.sbv:Sbv",
        "lrc": "gptasr_subs.formats.lrc:Lrc",
        "tsv": "gptasr_subs.formats.tsv:Tsv",
        "txt": "gptasr_subs.formats.txt:Txt",
        "json": "gptasr_subs.formats.json:Json",
    },
    "notifiers": {},
}


@dataclass(frozen=True, slots=True)
class Plugin:
    """Something that a package offers.

    ``package`` has its version, ``problem`` says why it cannot be used, if so.
    """

    kind: str
    name: str
    package: str
    problem: str = ""


def find_entries(kind: str) -> list[EntryPoint]:
    """Return the entry points of one kind, the built-in ones first. Nothing is imported yet."""
    group = f"gptasr_subs.{kind}"
    built_in = [EntryPoint(name, value, group) for name, value in BUILT_IN[kind].items()]
    return built_in + [
        entry
        for entry in entry_points(group=group)
        if not (entry.dist and entry.dist.name == OWN_PACKAGE)
    ]


def load_plugins(kind: str, make: Callable[[Any], _Made]) -> dict[str, _Made]:
    """Return what ``make`` makes of each plugin of a kind, by the plugin's name.

    ``make`` raises where one is of no use.
    """
    made = {}
    for entry in find_entries(kind):
        try:
            made[entry.name] = make(entry.load())
        except Exception as error:  # whatever a stranger's code does, the others go on
            reason = error_line(error)
            _log.warning("The plugin %s of %s is left out: %s", entry.name, _package(entry), reason)
    return made


def list_plugins(makers: Mapping[str, Callable[[Any], object]]) -> Iterator[Plugin]:
    """Yield every plugin of the kinds in ``makers``, also those that cannot be used.

    See ``load_plugins``.
    """
    for kind, make in makers.items():
        for entry in find_entries(kind):
            problem = ""
            try:
                make(entry.load())
            except Exception as error:
                problem = error_line(error)
            yield Plugin(kind, entry.name, _package(entry), problem)


def make_notifier(plugin: object) -> Callable[..., object]:
    """Return the function that a notifier's entry point names. Raises TypeError where it is
    none.
    """
    if not callable(plugin):
        raise TypeError("it is no function of an event")
    return plugin


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else OWN_PACKAGE
