"""VoxForge: sessions of some ten prompts each.

Casing and punctuation where the session has its original prompts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from gptasr_subs.corpora.manifest import Clip
from gptasr_subs.corpora.readers.utterance import Utterance
from gptasr_subs.model import ctc
from gptasr_subs.storage.files import read_text

_KINDS = ("wav", "flac")


def read(root: Path, parts: Sequence[str]) -> Iterator[Utterance]:
    """Yield all utterances: there are no ``parts``."""
    for prompts in sorted(root.rglob("etc/PROMPTS")):
        session = prompts.parents[1]
        user = session.name.partition("-")[0]
        speaker = session.name if user == "anonymous" else user
        original = _texts(prompts.with_name("prompts-original"))
        for name, text in _texts(prompts).items():
            written = original.get(name, "")
            same = ctc.normalize_text(written) == ctc.normalize_text(text)
            files = [session / kind / f"{name}.{kind}" for kind in _KINDS]
            clip = Clip(
                next((file for file in files if file.exists()), files[0]),
                speaker=speaker,
                source="voxforge",
                licence="GPL-3.0",
                text=text,
            )
            yield Utterance(replace(clip, text=written) if same else clip)


def _texts(prompts: Path) -> dict[str, str]:
    """Prompts by the name of their audio; a line begins with it, or with a path that ends in it."""
    lines = read_text(prompts).splitlines() if prompts.exists() else []
    pairs = (line.split(None, 1) for line in lines if line.strip())
    return {name.rpartition("/")[2]: "".join(text) for name, *text in pairs}
