"""Where checkpoints lie, and what their descriptions say.

Nothing here needs torch, so a list of them comes at once.
"""

from __future__ import annotations

import json
from difflib import get_close_matches
from hashlib import blake2b
from pathlib import Path
from typing import Any

from gptasr_subs.errors import ModelError
from gptasr_subs.model.config import PUBLISHED, ModelConfig
from gptasr_subs.storage.folders import cache_folder

FORMAT = 2
WEIGHTS_FILE = "model.safetensors"
DESCRIPTION_FILE = "model.json"
MEL_NORMS_FILE = "mel_norms.pth"
VOCABULARY_FILE = "bpe_lowercase_asr_256.json"
WEIGHT_SUFFIXES = (".safetensors", ".pth", ".pt")
SHIPPED = Path(__file__).parent.parent / "checkpoints"

# Decoding options of format 1 and what they are called now.
_DECODING_NAMES = {
    "beams": "beam_size",
    "alone_weight": "ilm_weight",
    "letter_bonus": "char_bonus",
    "shortlist": "pre_beam_size",
    "least_letters": "min_ctc_letters",
    "least_evidence": "min_ctc_margin",
    "least_ctc": "min_ctc_log_prob",
}


def find_checkpoint(name_or_path: str | Path) -> Path:
    """The ``model.json`` of our own format, or the weights of a published model.

    Raises ``ModelError``.
    """
    name = str(name_or_path)
    # Names come before paths: a folder in the working directory must not hide a shipped model.
    homes = (SHIPPED, checkpoint_cache())
    for place in (*(home / name for home in homes), Path(name).expanduser()):
        if place.is_dir() and (found := _in_folder(place)):
            return found
        if place.is_file():
            # a weights file of our own format stands for its folder
            description = place.with_name(DESCRIPTION_FILE)
            own = place.name == WEIGHTS_FILE and description.is_file()
            return description if own else place
    if name in PUBLISHED:
        raise ModelError(
            f"The model {name!r} is not on this computer; "
            f"fetch it with: gptasr-subs models pull {name}"
        )
    if Path(name).expanduser().is_dir():
        raise ModelError(
            f"The folder {name!r} holds no model; "
            f"it should hold {DESCRIPTION_FILE} or a file of weights."
        )
    cached = (folder.name for home in homes if home.is_dir() for folder in home.iterdir())
    close = get_close_matches(name, [*PUBLISHED, *cached], n=1)
    advice = f"; did you mean {close[0]!r}?" if close else "."
    raise ModelError(
        f"There is no model {name!r}: no file or folder,"
        f" and no name that `gptasr-subs models` lists{advice}"
    )


def checkpoint_identity(name_or_path: str | Path) -> str:
    """A hash of all that a checkpoint consists of, whatever it is called.

    Raises ``ModelError`` where there is none.
    """
    found = find_checkpoint(name_or_path)
    described = found.name == DESCRIPTION_FILE
    companions = [WEIGHTS_FILE] if described else [VOCABULARY_FILE, MEL_NORMS_FILE]
    state = blake2b(digest_size=16)
    for path in [found, *map(found.with_name, companions)]:
        if path.is_file():
            state.update(path.read_bytes())
    return state.hexdigest()


def checkpoint_cache() -> Path:
    """Where fetched models lie, a folder for each name."""
    return cache_folder() / "checkpoints"


def companions() -> Path:
    """Where the vocabulary and mel constants of imported models lie."""
    return cache_folder() / "companions"


def read_description(path: Path) -> dict[str, Any]:
    """A ``model.json`` in the present format, whichever it was written in.

    Raises ``ModelError`` where it is none.
    """
    try:
        description: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path} cannot be read as a model description; fetch the checkpoint again."
        ) from error
    if not isinstance(description, dict) or "format" not in description:
        raise ModelError(
            f"{path} does not describe a gptasr-subs checkpoint; give the folder of one."
        )
    if description["format"] == 1:
        decoding = description.get("decoding", {})
        if isinstance(decoding, dict):
            decoding = {_DECODING_NAMES.get(name, name): value for name, value in decoding.items()}
        description = {**description, "format": 2, "decoding": decoding}
    if isinstance(description.get("decoding"), dict):
        description["decoding"].pop("word_bonus", None)  # which never was anything but 0
    if description["format"] != FORMAT:
        raise ModelError(
            f"{path} is of a format that this version cannot read; upgrade gptasr-subs."
        )
    return description


def described_config(name_or_path: str | Path) -> ModelConfig | None:
    """The config of a checkpoint of our own format, without its weights.

    None where only loading it can tell.
    """
    try:
        return ModelConfig.from_dict(read_description(find_checkpoint(name_or_path))["config"])
    except (ModelError, KeyError, TypeError, ValueError):
        return None


def _in_folder(folder: Path) -> Path | None:
    if (folder / DESCRIPTION_FILE).is_file():
        return folder / DESCRIPTION_FILE
    weights = [
        p
        for p in sorted(folder.iterdir())
        if p.suffix in WEIGHT_SUFFIXES and p.name != MEL_NORMS_FILE
    ]
    if len(weights) > 1:
        raise ModelError(f"{folder} holds several models; give the path of one of the files in it.")
    return weights[0] if weights else None
