"""The settings of the server, and what it refuses to start with."""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass
from pathlib import Path

from gptasr_subs.errors import UsageError
from gptasr_subs.storage.files import MIB

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_SHORTEST_KEY = 16  # characters


@dataclass(frozen=True, slots=True)
class Settings:
    """Where to listen, for whom, and with which model.

    ``wyoming_port`` is for Home Assistant, None to leave it out. ``allow`` are networks that need
    no key. ``roots`` are the folders whose files jobs may name; ``maps`` are pairs of a folder as
    Bazarr knows it and the same folder here. ``language`` is what is spoken and written.
    ``max_upload`` is in bytes, 0 for no limit. ``idle_seconds``: the recognition process ends after
    so long without work. ``keepalive`` is the number of seconds between two signs of life to a
    client that waits. ``placeholder`` is the cue that is sent to Bazarr where nobody speaks. Raises
    UsageError for what lets everyone in without having been said.
    """

    host: str = "127.0.0.1"
    port: int = 9000
    wyoming_port: int | None = None
    keys: tuple[str, ...] = ()
    allow: tuple[Network, ...] = ()
    no_key: bool = False
    roots: tuple[Path, ...] = ()
    maps: tuple[tuple[str, Path], ...] = ()
    model: str = "default"
    language: str = "en"
    device: str = "auto"
    max_upload: int = 0
    idle_seconds: float = 300.0
    keepalive: float = 1.0
    placeholder: str = ""

    def __post_init__(self) -> None:
        """Refuse what is not safe."""
        if any(len(key) < _SHORTEST_KEY or not key.isascii() for key in self.keys):
            raise UsageError(
                f"A key needs at least {_SHORTEST_KEY} plain characters; "
                "make one with: python3 -c 'import secrets; print(secrets.token_urlsafe())'."
            )
        if not (self.is_local or self.keys or self.allow or self.no_key):
            raise UsageError(
                f"Listening on {self.host} lets other computers in: give --key KEY or --allow "
                "ADDRESS, or say --no-key where everyone may use this server."
            )

        if self.wyoming_port is not None and not (self.is_local or self.allow or self.no_key):
            raise UsageError(
                "Home Assistant cannot send a key to --wyoming: give --allow with its address."
            )

    def has_key(self, given: str) -> bool:
        """Whether this is one of the keys."""
        data = given.encode("utf-8", errors="replace")
        # Takes the same time wherever two keys begin to differ
        return any(secrets.compare_digest(data, key.encode()) for key in self.keys)

    @property
    def is_local(self) -> bool:
        """Whether only programs of this computer can connect."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether a name or address means this computer alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def parse_network(text: str) -> Network:
    """An address or a CIDR range such as ``192.168.1.0/24``. Raises UsageError."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise UsageError(
            f"--allow {text!r} is no address; write it like 192.168.1.5 or 192.168.1.0/24."
        ) from error


def parse_map(text: str) -> tuple[str, Path]:
    """``/films=/srv/films``: a folder as the client names it, and where it is here.

    Raises UsageError.
    """
    theirs, sign, ours = text.partition("=")
    if not (sign and theirs.startswith("/") and ours):
        raise UsageError(f"--map {text!r} is no pair of folders; write it like /films=/srv/films.")
    return theirs.rstrip("/"), existing_folder(Path(ours), "--map")


def existing_folder(folder: Path, option: str) -> Path:
    """The folder without links in its path. Raises UsageError where there is none."""
    if not folder.is_dir():
        raise UsageError(f"{option}: there is no folder {str(folder)!r}; check the name.")
    return folder.resolve()


def mebibytes(count: float) -> int:
    """So many MiB in bytes."""
    return round(count * MIB)
