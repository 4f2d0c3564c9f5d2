"""Names of subtitle files beside a video, as Plex, Jellyfin, Kodi, Emby and mpv read them."""

from __future__ import annotations

import logging
import re
import shutil
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from gptasr_subs.errors import system_reason
from gptasr_subs.media.languages import player_tag, same_language

_log = logging.getLogger(__name__)

SUBTITLE_EXTENSIONS = frozenset(
    {"srt", "vtt", "ass", "ssa", "ttml", "dfxp", "sbv", "smi", "sub", "sup"}
)

BURNED = ".subtitled"  # ends the name of a video that subtitles were drawn into

# What may stand between the language and the extension: for the deaf (three ways to say it),
# forced, shown by default.
_FLAGS = frozenset({"sdh", "cc", "hi", "forced", "default"})

# Some tools write the name of the language, and the players know it.
_LANGUAGE = re.compile(r"[a-z]{2,3}([-_][a-z0-9]{2,8})*|english")


def sidecar_path(
    media: Path,
    lang: str,
    extension: str,
    *,
    sdh: bool = False,
    forced: bool = False,
    directory: Path | None = None,
) -> Path:
    """``Base.en.srt``, ``Base.en.sdh.srt`` or ``Base.en.forced.srt``, beside the video or in
    ``directory``.

    The language stands directly after the base, as ISO 639-1 has it (``eng`` becomes ``en``,
    ``en-US`` stays), or players do not see it.
    """
    flags = [flag for flag, given in (("sdh", sdh), ("forced", forced)) if given]
    name = ".".join([media.stem, player_tag(lang), *flags, extension.lstrip(".")])
    return (directory or media.parent) / name


def existing_subtitles(
    media: Path, lang: str, *, forced: bool = False, directory: Path | None = None
) -> list[Path]:
    """Return subtitle files of exactly this video in this language, beside it or in ``directory``,
    sorted.

    ``S01E10.en.srt`` is not one of ``S01E1.mkv``, and ``Base.srt`` does not say its language, so
    neither counts. Forced subtitles translate only signs and foreign speech: they count only if
    asked for, and then alone.
    """
    found = []
    for path, (language, *flags) in _subtitle_files(media, directory or media.parent):
        same = same_language(language, lang)
        if same and _FLAGS.issuperset(flags) and ("forced" in flags) == forced:
            found.append(path)
    return found


def sidecars(media: Path) -> list[Path]:
    """Return all subtitle files of exactly this video, of any language or none, sorted."""
    found = []
    for path, parts in _subtitle_files(media, media.parent):
        tags = [part for part in parts if part and part not in _FLAGS]
        if not tags or (len(tags) == 1 and _LANGUAGE.fullmatch(tags[0])):
            found.append(path)
    return found


def move_sidecars(old: Path, new: Path) -> list[Path]:
    """Let the subtitle files of a video that was renamed or moved follow it.

    One whose new name is taken, or that cannot be moved, stays where it is: that is said in a
    warning. Gives the new names of the others.
    """
    moved = []
    for sidecar in sidecars(old):
        ending = _composed(sidecar.name)[len(_composed(old.stem)) :]
        target = new.with_name(new.stem + ending)
        if target.exists():
            _log.warning(
                "%r is there already, so the subtitles of the old name stay where they are.",
                str(target),
            )
            continue
        try:
            shutil.move(sidecar, target)
        except OSError as error:
            _log.warning("%r could not follow its video (%s).", str(sidecar), system_reason(error))
        else:
            moved.append(target)
    return moved


def _subtitle_files(media: Path, folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield the subtitle files in ``folder`` that begin with the video's name, sorted, each with
    the parts of its name up to the extension, in lower case; one empty part where there are none.
    """
    try:
        paths = sorted(folder.iterdir())
    except OSError:  # no such folder, or not ours to list: nothing there that we could see
        return
    base = f"{_composed(media.stem)}."
    for path in paths:
        name = _composed(path.name)
        if name.startswith(base):
            *parts, extension = name[len(base) :].lower().split(".")
            if extension in SUBTITLE_EXTENSIONS:
                yield path, parts or [""]


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)  # macOS stores NFD
