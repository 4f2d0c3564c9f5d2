"""Checkpoints on a stand-in for the Hugging Face hub."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gptasr_subs.model import files
from gptasr_subs.model.card import model_card
from gptasr_subs.model.catalogue import list_models
from gptasr_subs.model.checkpoint import load_checkpoint, save_checkpoint
from tests.support.ended import Program, one_line
from tests.support.films import names_in
from tests.support.hub import Hub, serve_hub
from tests.support.processes import start
from tests.support.tiny import tiny_checkpoint

client = pytest.importorskip("huggingface_hub")
FACTS = {
    "wer": {"LibriSpeech test-other (50 clips)": 23.4},
    "encoder": {"name": "Moonshine base", "licence": "MIT", "copyright": "(c) Moonshine AI"},
    "steps": 3550,
    "hours": 80.2,
}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache" / "checkpoints"


def point_to(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As HF_ENDPOINT does where it is set from the start."""
    template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serve_hub(Hub()) as hub:
        point_to(hub.address, monkeypatch)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        yield hub


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A small checkpoint of one's own."""
    save_checkpoint(tmp_path / "mine", replace(tiny_checkpoint(), metadata=FACTS))
    return tmp_path / "mine"


def test_what_one_pushes_another_pulls(program: Program, hub: Hub, mine: Path, cache: Path) -> None:
    ended = program("models", "push", mine, "hf:ann/better", "--license", "apache-2.0")
    assert ended.code == 0, ended.err
    assert ended.err.endswith(f"{mine} is at {hub.address}/ann/better.\n")
    assert hub.tokens == {"Bearer hf_secret"} and hub.private == set()
    there = hub.models["ann/better"]
    assert set(there) == {"README.md", "model.json", "model.safetensors"}
    assert "license: apache-2.0" in there["README.md"].decode()
    ended = program("models", "pull", "hf:ann/better")
    assert ended.code == 0, ended.err
    assert ended.err.endswith("use it with --model ann/better.\n")
    assert names_in(cache / "ann" / "better") == ["model.json", "model.safetensors"]
    assert names_in(cache / "ann") == ["better"]
    for file in names_in(cache / "ann" / "better"):
        assert (cache / "ann" / "better" / file).read_bytes() == there[file]
    assert load_checkpoint("ann/better").metadata["steps"] == 3550
    (entry,) = [entry for entry in list_models() if entry.name == "ann/better"]
    assert entry.wer == "23.4 % LibriSpeech test-other (50 clips)"


def test_a_card_that_somebody_wrote_is_kept(program: Program, hub: Hub, mine: Path) -> None:
    hub.models["ann/better"] = {"README.md": b"By hand."}
    assert program("models", "push", mine, "hf:ann/better", "--private").code == 0
    assert hub.models["ann/better"]["README.md"] == b"By hand."
    assert "model.json" in hub.models["ann/better"]


def test_a_newer_one_takes_the_place_of_the_older(
    program: Program, hub: Hub, mine: Path, cache: Path
) -> None:
    program("models", "push", mine, "hf:ann/better", "--quiet")
    program("models", "pull", "hf:ann/better", "--quiet")
    save_checkpoint(mine, replace(tiny_checkpoint(), metadata={"steps": 9000}))
    program("models", "push", mine, "hf:ann/better", "--quiet")
    assert program("models", "pull", "hf:ann/better", "--quiet").err == ""
    assert load_checkpoint("ann/better").metadata == {"steps": 9000}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hf:ann/nix", "no model 'ann/nix' on the hub, or it is not for all"),
        ("hf:ann/gated", "asks for consent; give it on its page"),
        ("hf:ann/pictures", "is no checkpoint of gptasr-subs: it has no model.json"),
        ("hf:a/b/c", "is no name of the hub; write it hf:USER/NAME."),
    ],
)
def test_what_cannot_be_pulled_is_one_sentence(
    program: Program, hub: Hub, cache: Path, name: str, words: str
) -> None:
    hub.models = {"ann/gated": {}, "ann/pictures": {"a.png": b""}}
    hub.gated = {"ann/gated"}
    ended = program("models", "pull", name)
    assert ended.code == 1 and words in one_line(ended.err)
    assert [entry for entry in list_models() if "/" in entry.name] == []


def test_a_hub_that_is_out_of_reach_is_one_sentence(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    ended = program("models", "pull", "hf:ann/better")
    assert ended.code == 1
    assert "The hub could not be used for 'ann/better' (" in one_line(ended.err)


def test_only_our_own_format_is_pushed(program: Program, hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "old.pth").write_bytes(b"weights")
    ended = program("models", "push", tmp_path / "old.pth", "hf:ann/old")
    assert ended.code == 1 and "gptasr-subs models import" in one_line(ended.err)
    assert hub.models == {}


def test_a_process_finds_the_hub_by_its_variable(mine: Path, tmp_path: Path) -> None:
    with serve_hub(Hub()) as hub:
        hub.models["ann/better"] = {file.name: file.read_bytes() for file in mine.iterdir()}
        settings = {
            **os.environ,
            "HF_ENDPOINT": hub.address,
            "HF_HOME": str(tmp_path / "hf"),
            "GPTASR_SUBS_CACHE": str(tmp_path / "cache"),
        }
        process = start("-m", "gptasr_subs", "models", "pull", "hf:ann/better", env=settings)
        assert process.wait() == 0
    assert (tmp_path / "cache" / "checkpoints" / "ann" / "better" / "model.json").exists()


def test_the_card_is_one_that_the_hub_reads(mine: Path) -> None:
    description = files.read_description(mine / "model.json")
    text = model_card(description, "ann/better", "apache-2.0")
    data = client.ModelCard(text).data
    assert (data.language, data.license, data.library_name) == ("en", "apache-2.0", "gptasr-subs")
    assert data.pipeline_tag == "automatic-speech-recognition"
    (score,) = data.eval_results
    assert (score.metric_type, score.metric_value) == ("wer", 23.4)
    assert score.dataset_name == "LibriSpeech test-other (50 clips)"
    assert "gptasr-subs models pull hf:ann/better" in text
    assert "Encoder begun with Moonshine base (MIT, (c) Moonshine AI)." in text
    assert "Trained for 3550 steps, in which it heard 80.2 hours of audio." in text
    bare = model_card({"config": {}}, "ann/bare")
    assert "license" not in bare and "%" not in bare and "None" not in bare
    json.dumps(client.ModelCard(bare).data.to_dict())
