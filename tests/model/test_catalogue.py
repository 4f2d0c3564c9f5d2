"""The catalogue of checkpoints, and fetching the published ones."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from gptasr_subs.errors import ModelError
from gptasr_subs.model import catalogue as models
from gptasr_subs.model import files
from gptasr_subs.model.catalogue import Published, import_published, list_models, pull
from gptasr_subs.model.checkpoint import load_checkpoint, save_checkpoint
from gptasr_subs.storage.download import RemoteFile
from tests.support.file_server import Home, file_server
from tests.support.films import names_in
from tests.support.tiny import tiny_checkpoint, tiny_network

FILES = ("small.pth", "bpe_lowercase_asr_256.json", "mel_norms.pth")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Checkpoints of the person who runs the tests, and the shipped one, stay out of them."""
    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(files, "SHIPPED", tmp_path / "shipped")
    return tmp_path / "cache" / "checkpoints"


def saved(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A loopback server with a small network in place of the published one."""
    vocabulary = tiny_checkpoint().tokenizer.to_json().encode()
    weights, norms = saved(tiny_network(2).state_dict()), saved(torch.linspace(-5.0, -1.0, 80))
    with file_server(Home(dict(zip(FILES, (weights, vocabulary, norms), strict=True)))) as home:
        remotes = tuple(
            RemoteFile(name, (f"{home.address}/{name}",), f"https://page.invalid/{name}")
            for name in FILES
        )
        monkeypatch.setitem(models.PUBLISHED, "small", Published(80 << 20, "", remotes))
        yield home


def entry(name: str) -> models.CatalogueEntry:
    return next(entry for entry in list_models() if entry.name == name)


def test_published_models_are_listed_with_how_to_get_them() -> None:
    assert [entry.name for entry in list_models()] == [
        "medium",
        "medium-distilled",
        "small",
        "large",
    ]
    assert entry("medium").size == 173 * models.MIB
    assert entry("medium-distilled").size == 97 * models.MIB
    assert "no public home" in entry("medium").home
    assert entry("large").home == "gptasr-subs models pull large"
    assert entry("large").wer == "6.57 % LibriSpeech test-clean, 16 beams"


def test_shipped_and_own_checkpoints_are_listed_with_rates(tmp_path: Path, cache: Path) -> None:
    measured = replace(tiny_checkpoint(), metadata={"wer": {"talks": 12.34, "films": 30.0}})
    save_checkpoint(tmp_path / "shipped" / "default", measured)
    begun = {"encoder": {"name": "Moonshine base", "licence": "MIT"}}
    save_checkpoint(cache / "mine", replace(tiny_checkpoint(), metadata=begun))
    (cache / "empty").mkdir()
    assert [entry.name for entry in list_models()] == ["default", *models.PUBLISHED, "mine"]
    assert (entry("default").home, entry("default").wer) == (
        "shipped",
        "12.3 % talks, 30.0 % films",
    )
    files = (tmp_path / "shipped" / "default").iterdir()
    assert entry("default").size == sum(file.stat().st_size for file in files)
    assert entry("mine").home == f"in {cache / 'mine'}; encoder begun with Moonshine base (MIT)"
    assert entry("mine").wer == ""


def test_a_pulled_model_is_found_by_name_and_listed_as_there(home: Home, cache: Path) -> None:
    steps: list[tuple[str, int, int | None]] = []
    folder = pull("small", lambda *step: steps.append(step))
    assert folder == cache / "small"
    assert names_in(folder) == sorted(FILES)
    assert load_checkpoint("small").config.layers == 2
    assert entry("small").home == f"in {folder}"
    assert entry("small").size == sum(map(len, home.files.values()))
    assert {(name, total) for name, _, total in steps} == {
        (name, len(data)) for name, data in home.files.items()
    }


def test_what_is_there_is_not_fetched_again(home: Home) -> None:
    pull("small")
    pull("small")
    assert len(home.asked) == len(FILES)


def test_only_what_is_missing_is_fetched(home: Home) -> None:
    folder = pull("small")
    (folder / "mel_norms.pth").unlink()
    pull("small")
    assert [path for path, _ in home.asked[len(FILES) :]] == ["/mel_norms.pth"]


def test_a_failed_fetch_says_what_to_do_by_hand(home: Home, cache: Path) -> None:
    del home.files["mel_norms.pth"]
    with pytest.raises(ModelError) as error:
        pull("small")
    text = str(error.value)
    missing = "'mel_norms.pth' of the model 'small' could not be fetched"
    assert f"{missing} (its home answered 404 Not Found)" in text
    assert (
        "https://page.invalid/mel_norms.pth" in text
        and str(cache / "small" / "mel_norms.pth") in text
    )
    assert "\n" not in text
    # half a model is not offered as one
    assert entry("small").home == "gptasr-subs models pull small"


def test_a_fetch_that_was_cut_off_is_resumed_by_the_same_command(home: Home, cache: Path) -> None:
    home.stop_after = 5000
    with pytest.raises(ModelError, match="it will be resumed"):
        pull("small")
    assert names_in(cache / "small") == ["small.pth.part"]
    home.stop_after = None
    pull("small")
    assert ("/small.pth", "bytes=5000-") in home.asked
    assert names_in(cache / "small") == sorted(FILES)


def test_another_network_under_the_address_is_removed_and_said(home: Home, cache: Path) -> None:
    home.files["small.pth"] = saved(torch.nn.Linear(3, 4).state_dict())
    with pytest.raises(
        ModelError, match=r"is not that model and was removed.*https://page\.invalid/small\.pth"
    ):
        pull("small")
    assert names_in(cache / "small") == []


def test_what_a_person_put_there_by_hand_is_never_removed(home: Home, cache: Path) -> None:
    (cache / "small").mkdir(parents=True)
    (cache / "small" / "small.pth").write_bytes(b"not a model")
    with pytest.raises(ModelError):
        pull("small")
    assert (cache / "small" / "small.pth").read_bytes() == b"not a model"


@pytest.mark.parametrize("name", ["medium", "medium-distilled"])
def test_models_without_a_public_home_say_so(name: str) -> None:
    with pytest.raises(
        ModelError, match=f"No public home of the model '{name}' is known; choose small or large"
    ):
        pull(name)


@pytest.mark.parametrize("name", ["tiny", "", "../small"])
def test_unknown_models_are_not_fetched(name: str) -> None:
    with pytest.raises(ModelError, match="There is no published model"):
        pull(name)


def test_published_files_are_weights_first_then_companions() -> None:
    for name in ("small", "large"):
        files = models.PUBLISHED[name].files
        assert [file.name for file in files] == [
            f"{name}.pth",
            "bpe_lowercase_asr_256.json",
            "mel_norms.pth",
        ]
        assert all(url.startswith("https://") for file in files for url in (file.page, *file.urls))
        assert all(len(file.urls) > 1 for file in files)


def test_another_place_is_tried_where_the_first_has_it_no_more(home: Home) -> None:
    weights, *others = models.PUBLISHED["small"].files
    both = replace(weights, urls=(f"{home.address}/gone.pth", *weights.urls))
    models.PUBLISHED["small"] = replace(models.PUBLISHED["small"], files=(both, *others))
    assert load_checkpoint(pull("small")).config.layers == 2
    assert [path for path, _ in home.asked][:2] == ["/gone.pth", "/small.pth"]


def test_a_file_at_hand_is_imported_with_what_belongs_to_it(
    home: Home, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, vocabulary, norms = models.PUBLISHED["small"].files
    monkeypatch.setattr(models, "_VOCABULARY", vocabulary)
    monkeypatch.setattr(models, "_MEL_NORMS", norms)
    (tmp_path / "mine.pth").write_bytes(home.files["small.pth"])
    with pytest.raises(ModelError, match=r"gptasr-subs models import '.*mine\.pth'"):
        load_checkpoint(tmp_path / "mine.pth")
    assert import_published(tmp_path / "mine.pth") == cache / "mine"
    assert [path for path, _ in home.asked] == [f"/{FILES[1]}", f"/{FILES[2]}"]
    assert names_in(cache / "mine") == ["model.json", "model.safetensors"]
    assert entry("mine").home == f"in {cache / 'mine'}"
    assert import_published(tmp_path / "mine.pth", "again").name == "again"
    assert len(home.asked) == 2  # fetched once
    ours, theirs = load_checkpoint("mine"), load_checkpoint(tmp_path / "mine.pth")
    assert ours.config == theirs.config and ours.tokenizer.to_json() == theirs.tokenizer.to_json()
    for name, value in theirs.model.state_dict().items():
        assert torch.equal(ours.model.state_dict()[name], value)


def test_the_first_generation_needs_no_other_files(tmp_path: Path, home: Home) -> None:
    (tmp_path / "old.pth").write_bytes(saved(tiny_network(1).state_dict()))
    assert load_checkpoint(import_published(tmp_path / "old.pth")).config.generation == 1
    assert home.asked == []


def test_what_is_no_model_is_not_imported(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "other.pth").write_bytes(saved(torch.nn.Linear(3, 4).state_dict()))
    with pytest.raises(ModelError, match="another network"):
        import_published(tmp_path / "other.pth")
    assert not cache.exists()
