"""The catalogue of checkpoints: shipped, published by the model's author, and fetched ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from gptasr_subs.errors import ModelError
from gptasr_subs.model import files
from gptasr_subs.storage.download import DownloadError, RemoteFile, fetch
from gptasr_subs.storage.files import MIB

HUB = "hf:"  # begins names of the Hugging Face hub

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
    wanted = f"id={drive_id}&export=download&confirm=t"
    places = ("drive.usercontent.google.com/download", "drive.google.com/uc")
    urls = tuple(f"https://{place}?{wanted}" for place in places)
    return RemoteFile(f"{name}.pth", urls, f"https://drive.google.com/file/d/{drive_id}/view")


def _on_github(name: str) -> RemoteFile:
    home = "neonbjb/ocotillo"
    urls = (
        f"https://raw.githubusercontent.com/{home}/HEAD/data/{name}",
        f"https://cdn.jsdelivr.net/gh/{home}/data/{name}",
    )
    return RemoteFile(name, urls, f"https://github.com/{home}/tree/HEAD/data")


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
    cached = _checkpoints(files.checkpoint_cache())
    shipped = [
        _described(name, folder, "shipped") for name, folder in _checkpoints(files.SHIPPED).items()
    ]
    published = [_published(name, cached.pop(name, None)) for name in PUBLISHED]
    others = [_described(name, folder, f"in {folder}") for name, folder in cached.items()]
    return [*shipped, *published, *others]


def pull(name: str, on_progress: ProgressCallback | None = None) -> Path:
    """Fetch a published checkpoint into the cache, unless it is there; gives its folder.

    ``hf:USER/NAME`` is one of the Hugging Face hub, and is fetched again. A download that was cut
    off is resumed. Raises ModelError that says what to do instead.
    """
    if name.startswith(HUB):
        from gptasr_subs.model.hub import pull_from_hub

        return pull_from_hub(name.removeprefix(HUB))
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


def import_published(
    path: Path, name: str = "", on_progress: ProgressCallback | None = None
) -> Path:
    """Keep a published checkpoint that is at hand (a ``.pth``) in the cache, in our own format.

    Without a ``name`` it is called as the file is. The vocabulary and the mel constants that
    models of generation 2 need are fetched unless they lie beside it. Gives its folder. Raises
    ModelError where the file holds no such model.
    """
    from gptasr_subs.model.checkpoint import load_published, save_checkpoint
    from gptasr_subs.model.published import clean_state, read_tensors, recognise

    name = name or path.stem
    if recognise(clean_state(read_tensors(path), path)).generation == 2:
        for companion in (_VOCABULARY, _MEL_NORMS):
            places = (path.parent, files.companions())
            if not any((place / companion.name).is_file() for place in places):
                _fetch(name, companion, files.companions(), on_progress)
    checkpoint = replace(load_published(path), name=name)
    folder = files.checkpoint_cache() / name
    save_checkpoint(folder, checkpoint, half=False)
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


def _checkpoints(home: Path) -> dict[str, Path]:
    """Folders that hold a checkpoint, whole as it seems, by their names: those of the hub have two
    parts.
    """
    folders = [*home.glob("*"), *home.glob("*/*")]
    return {
        folder.relative_to(home).as_posix(): folder
        for folder in sorted(folders)
        if folder.is_dir() and not folder.name.startswith(".") and _size(folder)
    }


def _published(name: str, folder: Path | None) -> CatalogueEntry:
    """Where a published checkpoint is, or how to get it; ``folder`` is its place in the cache."""
    known = PUBLISHED[name]
    if folder and all((folder / remote.name).is_file() for remote in known.files):
        return CatalogueEntry(name, f"in {folder}", _size(folder), known.wer)
    how = (
        f"gptasr-subs models pull {name}"
        if known.files
        else "no public home known; --model PATH for a copy"
    )
    return CatalogueEntry(name, how, known.size, known.wer)


def _described(name: str, folder: Path, home: str) -> CatalogueEntry:
    """How good a checkpoint of our own format is, and whose encoder it began with."""
    try:
        facts = files.read_description(folder / files.DESCRIPTION_FILE).get("metadata", {})
    except ModelError:
        facts = {}
    if encoder := facts.get("encoder"):
        home = f"{home}; encoder begun with {encoder['name']} ({encoder['licence']})"
    measured = ", ".join(f"{rate:.1f} % {name}" for name, rate in facts.get("wer", {}).items())
    return CatalogueEntry(name, home, size=_size(folder), wer=measured)


def _size(folder: Path) -> int:
    return sum(
        file.stat().st_size
        for file in folder.iterdir()
        if file.is_file() and file.suffix != ".part"
    )
