"""The catalogue of checkpoints: shipped, published by the model's author, and fetched ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gptasr_subs.errors import ModelError
from gptasr_subs.model import files
from gptasr_subs.storage.download import DownloadError, RemoteFile, fetch
from gptasr_subs.storage.files import MIB

# File, bytes so far, bytes in all where known
ProgressCallback = Callable[[str, int, int | None], None]


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One line of the catalogue.

    ``home`` says where the checkpoint is or how to get it, ``size`` is in bytes.
    """

    name: str
    home: str
    size: int
    wer: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """A checkpoint of the model's author; without ``files`` no public home of it is known."""

    size: int
    wer: str
    files: tuple[RemoteFile, ...] = ()


def _on_drive(name: str, drive_id: str) -> RemoteFile:
    url = f"https://drive.usercontent.google.com/download?id={drive_id}&export=download&confirm=t"
    return RemoteFile(f"{name}.pth", url, f"https://drive.google.com/file/d/{drive_id}/view")


def _on_github(name: str) -> RemoteFile:
    home = "neonbjb/ocotillo"
    url = f"https://raw.githubusercontent.com/{home}/HEAD/data/{name}"
    return RemoteFile(name, url, f"https://github.com/{home}/tree/HEAD/data")


_VOCABULARY = _on_github("bpe_lowercase_asr_256.json")
_MEL_NORMS = _on_github("mel_norms.pth")

# Sizes and rates as published; the sizes of small and large follow from 21 and 68 million
# parameters of 4 bytes. None of the files could be fetched when this was written, so their
# checksums are not pinned yet.
PUBLISHED: dict[str, Published] = {
    "medium": Published(173 * MIB, "2.01 % LibriTTS test-clean, 8 beams"),
    "medium-distilled": Published(97 * MIB, "2.31 % LibriTTS test-clean, 1 beam"),
    "small": Published(
        80 * MIB,
        "",
        (_on_drive("small", "1HUTWlHiyrZrAOdHPFZR9KY-iuEQoGAOs"), _VOCABULARY, _MEL_NORMS),
    ),
    "large": Published(
        260 * MIB,
        "6.57 % LibriSpeech test-clean, 16 beams",
        (_on_drive("large", "1tXm6vZt-jwkvfYC4hkW7OGkylvH2Xdo2"), _VOCABULARY, _MEL_NORMS),
    ),
}


def list_models() -> list[CatalogueEntry]:
    """All checkpoints: the shipped ones, the published ones, and others in the cache."""
    cached = {folder.name: folder for folder in _folders(files.checkpoint_cache())}
    shipped = [_described(folder, "shipped") for folder in _folders(files.SHIPPED)]
    published = [_published(name, cached.pop(name, None)) for name in PUBLISHED]
    return [
        *shipped,
        *published,
        *(_described(folder, f"in {folder}") for folder in cached.values()),
    ]


def pull(name: str, on_progress: ProgressCallback | None = None) -> Path:
    """Fetch a published checkpoint into the cache, unless it is there; gives its folder.

    A download that was cut off is resumed. Raises ModelError that says what to do instead.
    """
    folder = files.checkpoint_cache() / name
    available = " or ".join(known for known, published in PUBLISHED.items() if published.files)
    if name not in PUBLISHED:
        raise ModelError(f"There is no published model {name!r}; choose {available}.")
    remotes = PUBLISHED[name].files
    if not remotes:
        advice = f"choose {available}, or give the path of a copy with --model"
        raise ModelError(f"No public home of the model {name!r} is known; {advice}.")
    missing = [remote for remote in remotes if not (folder / remote.name).is_file()]
    for remote in missing:
        _fetch(name, remote, folder, on_progress)
    if missing:
        # While no checksum is known, loading it is the proof; what does not load must not stay.
        from gptasr_subs.model.checkpoint import load_published

        weights = folder / remotes[0].name
        try:
            load_published(weights)
        except ModelError as error:
            for remote in missing:
                (folder / remote.name).unlink()
            raise ModelError(
                f"What was fetched as {name!r} is not that model and was removed; get it by hand"
                f" from {remotes[0].page} and save it as {str(weights)!r}."
            ) from error
    return folder


def _fetch(
    name: str, remote: RemoteFile, folder: Path, on_progress: ProgressCallback | None
) -> None:
    def report(done: int, total: int | None) -> None:
        if on_progress:
            on_progress(remote.name, done, total)

    try:
        fetch(remote, folder, report)
    except DownloadError as error:
        raise ModelError(
            f"{remote.name!r} of the model {name!r} could not be fetched ({error}); "
            "try again later, it will be resumed, or get the file by hand "
            f"from {remote.page} and save it as {str(folder / remote.name)!r}."
        ) from error


def _folders(home: Path) -> Iterator[Path]:
    """Folders that hold a checkpoint, whole as it seems."""
    if home.is_dir():
        yield from (
            folder for folder in sorted(home.iterdir()) if folder.is_dir() and _size(folder)
        )


def _published(name: str, folder: Path | None) -> CatalogueEntry:
    known = PUBLISHED[name]
    if folder and all((folder / remote.name).is_file() for remote in known.files):
        return CatalogueEntry(name, f"in {folder}", _size(folder), known.wer)
    how = (
        f"gptasr-subs models pull {name}"
        if known.files
        else "no public home known; --model PATH for a copy"
    )
    return CatalogueEntry(name, how, known.size, known.wer)


def _described(folder: Path, home: str) -> CatalogueEntry:
    """How good a checkpoint of our own format is, and whose encoder it began with."""
    try:
        facts = files.read_description(folder / files.DESCRIPTION_FILE).get("metadata", {})
    except ModelError:
        facts = {}
    if encoder := facts.get("encoder"):
        home = f"{home}; encoder begun with {encoder['name']} ({encoder['licence']})"
    measured = ", ".join(f"{rate:.1f} % {name}" for name, rate in facts.get("wer", {}).items())
    return CatalogueEntry(folder.name, home, size=_size(folder), wer=measured)


def _size(folder: Path) -> int:
    return sum(
        file.stat().st_size
        for file in folder.iterdir()
        if file.is_file() and file.suffix != ".part"
    )
