"""Checkpoints on the Hugging Face hub: fetched from it, and put there with a card.

All that goes over the network goes through huggingface_hub, with its settings (HF_ENDPOINT,
HF_TOKEN) and its sign-in.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gptasr_subs.errors import ModelError
from gptasr_subs.model.card import model_card
from gptasr_subs.model.files import (
    DESCRIPTION_FILE,
    WEIGHTS_FILE,
    checkpoint_cache,
    find_checkpoint,
    read_description,
)

if TYPE_CHECKING:
    from huggingface_hub import HfApi

CARD_FILE = "README.md"


def pull_from_hub(name: str) -> Path:
    """Fetch the checkpoint ``USER/NAME`` into the cache; gives its folder.

    It is fetched beside an earlier one, whose place it takes when it is whole. Raises ModelError.
    """
    api = _api()
    folder = checkpoint_cache() / name
    partial = folder.with_name(f".{folder.name}.part")
    with _errors(name):
        for file in (DESCRIPTION_FILE, WEIGHTS_FILE):
            api.hf_hub_download(name, file, local_dir=partial)
    read_description(partial / DESCRIPTION_FILE)
    shutil.rmtree(partial / ".cache", ignore_errors=True)  # what the client notes for itself
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return folder


def push_to_hub(model: str, name: str, *, private: bool = False, licence: str = "") -> str:
    """Put a checkpoint of our own format on the hub as ``USER/NAME``; gives its address.

    It comes with a card, unless there is one already. All files change in one step. Raises
    ModelError.
    """
    from huggingface_hub import CommitOperationAdd

    api = _api()
    found = find_checkpoint(model)
    if found.name != DESCRIPTION_FILE:
        raise ModelError(
            f"{str(found)!r} is no checkpoint of our own format; make one of it with:"
            f" gptasr-subs models import {str(found)!r}"
        )
    with _errors(name):
        address = api.create_repo(name, private=private, exist_ok=True)
        contents: dict[str, Path | bytes] = {
            DESCRIPTION_FILE: found,
            WEIGHTS_FILE: found.with_name(WEIGHTS_FILE),
        }
        if not api.file_exists(name, CARD_FILE):
            contents[CARD_FILE] = model_card(read_description(found), name, licence).encode()
        operations = [CommitOperationAdd(path, content) for path, content in contents.items()]
        api.create_commit(name, operations, commit_message="A checkpoint of gptasr-subs")
    return str(address)


def _api() -> HfApi:
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise ModelError(
            "The hub's client is not installed; run: pip install 'gptasr-subs[hub]'"
        ) from error
    return HfApi()


@contextmanager
def _errors(name: str) -> Iterator[None]:
    """Whatever the hub's client raises, as a sentence."""
    from huggingface_hub import errors

    try:
        yield
    except errors.HFValidationError as error:
        raise ModelError(f"{name!r} is no name of the hub; write it hf:USER/NAME.") from error
    except errors.GatedRepoError as error:
        raise ModelError(
            f"The model {name!r} asks for consent; give it on its page of the hub, then sign in"
            " with: hf auth login"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise ModelError(
            f"There is no model {name!r} on the hub, or it is not for all; check the name, or sign"
            " in with: hf auth login"
        ) from error
    except errors.EntryNotFoundError as error:
        if isinstance(error, errors.LocalEntryNotFoundError):  # how it says: no network
            raise _out_of_use(name, error.__cause__ or error) from error
        raise ModelError(
            f"{name!r} on the hub is no checkpoint of gptasr-subs: it has no {DESCRIPTION_FILE}"
            f" and {WEIGHTS_FILE}."
        ) from error
    except Exception as error:  # of the HTTP client beneath, which changes with the version
        raise _out_of_use(name, error) from error


def _out_of_use(name: str, error: BaseException) -> ModelError:
    reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return ModelError(f"The hub could not be used for {name!r} ({reason}); try again later.")
