"""What is saved loads as it was; published weights are recognised; all else is refused."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from gptasr_subs.errors import ModelError, OutputError
from gptasr_subs.model import files as module
from gptasr_subs.model.checkpoint import load_checkpoint, load_published, save_checkpoint
from gptasr_subs.model.config import PUBLISHED
from gptasr_subs.model.decoding.decode import DecodingOptions
from gptasr_subs.model.network import GptAsr
from gptasr_subs.model.published import clean_state, recognise
from tests.support.films import names_in
from tests.support.tiny import tiny_checkpoint, tiny_network

HEADS = 4  # the tiny networks' heads are 16 wide, published ones 64


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Checkpoints of the person who runs the tests stay out of them."""
    monkeypatch.setattr(module, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache" / "checkpoints"


def one_sentence(error: pytest.ExceptionInfo[ModelError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert text[0].isupper() or text[0] in "/'"
    return text


@pytest.mark.parametrize("generation", [1, 2])
@pytest.mark.parametrize("half", [True, False])
def test_what_is_saved_loads_as_it_was(tmp_path: Path, generation: int, half: bool) -> None:
    saved = replace(
        tiny_checkpoint(generation, ctc=generation == 2),
        start_offset=-0.04,
        end_offset=0.1,
        decoding=DecodingOptions(beam_size=7, ctc_weight=0.25),
        metadata={"wer": {"talks": 12.5}, "note": "déjà vu"},
    )
    save_checkpoint(tmp_path / "new" / "folder", saved, half=half)
    loaded = load_checkpoint(tmp_path / "new" / "folder")
    for name in ("name", "config", "start_offset", "end_offset", "decoding", "metadata"):
        assert getattr(loaded, name) == getattr(saved, name)
    assert loaded.tokenizer.encode("hello there") == saved.tokenizer.encode("hello there")
    for name, value in saved.model.state_dict().items():
        again = loaded.model.state_dict()[name]
        assert again.dtype == torch.float32
        torch.testing.assert_close(again, value.half().float() if half else value, atol=0, rtol=0)
    assert not loaded.model.training
    assert names_in(tmp_path / "new" / "folder") == ["model.json", "model.safetensors"]


def test_decoding_options_of_the_first_format_load(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, tiny_checkpoint())
    path = tmp_path / "model.json"
    description = json.loads(path.read_text(encoding="utf-8"))
    description["format"] = 1
    description["decoding"] = {
        "beams": 7,
        "max_tokens": 9,
        "tokens_per_second": 12.0,
        "ctc_weight": 0.2,
        "alone_weight": 0.45,
        "letter_bonus": 0.6,
        "shortlist": 12,
        "word_bonus": 0.0,
        "least_letters": 2,
        "least_evidence": 0.2,
        "least_ctc": -6.0,
    }
    path.write_text(json.dumps(description), encoding="utf-8")
    assert load_checkpoint(tmp_path).decoding == DecodingOptions(
        beam_size=7,
        max_tokens=9,
        tokens_per_second=12.0,
        ctc_weight=0.2,
        ilm_weight=0.45,
        char_bonus=0.6,
        pre_beam_size=12,
        min_ctc_letters=2,
        min_ctc_margin=0.2,
        min_ctc_log_prob=-6.0,
    )


def test_half_precision_takes_half_the_space(tmp_path: Path) -> None:
    sizes = []
    for half in (True, False):
        save_checkpoint(tmp_path, tiny_checkpoint(), half=half)
        sizes.append((tmp_path / "model.safetensors").stat().st_size)
    assert sizes[1] / sizes[0] == pytest.approx(2, abs=0.1)


def test_a_checkpoint_is_found_by_folder_file_and_name(
    no_cache: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    save_checkpoint(no_cache / "mine", tiny_checkpoint())
    save_checkpoint(tmp_path / "shipped" / "default", replace(tiny_checkpoint(), name="shipped"))
    monkeypatch.setattr(module, "SHIPPED", tmp_path / "shipped")
    for place in (
        "mine",
        no_cache / "mine",
        no_cache / "mine" / "model.json",
        no_cache / "mine" / "model.safetensors",
    ):
        assert load_checkpoint(place).name == "tiny"
    assert load_checkpoint().name == "shipped"


def test_saving_over_an_old_checkpoint_fails_without_harm(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, tiny_checkpoint())
    (tmp_path / "model.json").unlink()
    (tmp_path / "model.json").mkdir()
    before = (tmp_path / "model.safetensors").read_bytes()
    with pytest.raises(OutputError):
        save_checkpoint(tmp_path, tiny_checkpoint())
    assert (tmp_path / "model.safetensors").read_bytes() == before
    with pytest.raises(OutputError):
        save_checkpoint(tmp_path / "model.safetensors" / "below", tiny_checkpoint())
    assert names_in(tmp_path) == ["model.json", "model.safetensors"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_configuration_is_recognised_by_its_shapes(name: str) -> None:
    with torch.device("meta"):
        state = GptAsr(PUBLISHED[name]).state_dict()
    assert recognise(state) == PUBLISHED[name]


def published_state(generation: int) -> tuple[GptAsr, dict[str, Tensor]]:
    """A state dict as the published files hold it, with old buffers and a copy of the network."""
    network = tiny_network(generation)
    state = dict(network.state_dict())
    state |= {
        f"gpt.h.{layer}.attn.bias": torch.ones(1, 1, 92, 92, dtype=torch.uint8) for layer in (0, 1)
    }
    state |= {f"gpt.h.{layer}.attn.masked_bias": torch.tensor(-1e4) for layer in (0, 1)}
    state |= {
        "inference_model.lm_head.1.bias": torch.zeros(40),
        "inference_model.transformer.h.0.ln_1.bias": torch.ones(64),
    }
    return network, state


def write_companions(folder: Path) -> None:
    (folder / "bpe_lowercase_asr_256.json").write_text(
        tiny_checkpoint().tokenizer.to_json(), encoding="utf-8"
    )
    torch.save(torch.linspace(-5.0, -1.0, 80), folder / "mel_norms.pth")


@pytest.mark.parametrize("generation", [1, 2])
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_published_weights_load_with_what_carries_nothing_left_out(
    tmp_path: Path, generation: int, suffix: str
) -> None:
    network, state = published_state(generation)
    path = tmp_path / f"some{suffix}"
    save_file(
        {name: value.clone() for name, value in state.items()}, path
    ) if suffix == ".safetensors" else torch.save(state, path)
    write_companions(tmp_path)
    loaded = load_published(path, HEADS)
    assert loaded.name == "some"
    assert loaded.config.start_token == loaded.config.vocabulary - 1
    expected = replace(
        network.config, front_end=loaded.config.front_end, start_token=loaded.config.start_token
    )
    assert loaded.config == expected
    for name, value in network.state_dict().items():
        torch.testing.assert_close(loaded.model.state_dict()[name], value)
    if generation == 2:
        assert loaded.config.front_end.scale == pytest.approx(
            torch.linspace(-5.0, -1.0, 80).tolist()
        )


def test_published_weights_lie_beside_their_constants(no_cache: Path) -> None:
    (no_cache / "small").mkdir(parents=True)
    torch.save(published_state(2)[1], no_cache / "small" / "small.pth")
    write_companions(no_cache / "small")
    assert module.find_checkpoint("small") == no_cache / "small" / "small.pth"


@pytest.mark.parametrize("missing", ["bpe_lowercase_asr_256.json", "mel_norms.pth"])
def test_generation_2_names_the_file_it_misses(tmp_path: Path, missing: str) -> None:
    torch.save(published_state(2)[1], tmp_path / "small.pth")
    write_companions(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(ModelError, match=missing) as error:
        load_checkpoint(tmp_path / "small.pth")
    one_sentence(error)


class Code:
    """Unpickling it would run a command."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return open, (str(self.marker), "w")


def test_pickled_code_is_refused_and_never_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    torch.save({"weight": Code(marker)}, tmp_path / "evil.pth")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Code(marker)))
    for name in ("evil.pth", "plain.pt"):
        with pytest.raises(ModelError, match="code") as error:
            load_checkpoint(tmp_path / name)
        one_sentence(error)
    assert not marker.exists()


def spoil_list(path: Path) -> None:
    torch.save([torch.zeros(2)], path)


def spoil_optimizer(path: Path) -> None:
    torch.save({"model": {"weight": torch.zeros(2)}, "step": 3}, path)


def spoil_network(path: Path) -> None:
    torch.save(torch.nn.Linear(3, 4).state_dict(), path)


def spoil_shapes(path: Path) -> None:
    state = published_state(1)[1]
    torch.save({**state, "text_head.weight": torch.zeros(7)}, path)


def spoil_layer(path: Path) -> None:
    state = published_state(1)[1]
    torch.save({name: value for name, value in state.items() if "h.1.mlp" not in name}, path)


def spoil_half(path: Path) -> None:
    torch.save(published_state(1)[1], path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def spoil_empty(path: Path) -> None:
    path.write_bytes(b"")


def spoil_text(path: Path) -> None:
    path.write_text("<!DOCTYPE html><title>Quota exceeded</title>")


@pytest.mark.parametrize(
    "spoil",
    [
        spoil_list,
        spoil_optimizer,
        spoil_network,
        spoil_shapes,
        spoil_layer,
        spoil_half,
        spoil_empty,
        spoil_text,
    ],
)
def test_files_that_are_no_gpt_asr_weights_are_refused(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(tmp_path / "model.pth")
    with pytest.raises(ModelError) as error:
        load_checkpoint(tmp_path / "model.pth")
    assert str(tmp_path) in one_sentence(error)


def test_a_cut_off_checkpoint_of_our_own_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, tiny_checkpoint())
    weights = (tmp_path / "model.safetensors").read_bytes()
    for content in (weights[: len(weights) // 2], b""):
        (tmp_path / "model.safetensors").write_bytes(content)
        with pytest.raises(ModelError, match="fetch") as error:
            load_checkpoint(tmp_path)
        one_sentence(error)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="no model file"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 99},
        {"config": {}},
        {"config": None},
        {"decoding": {"beems": 3}},
        {"tokenizer": {"type": "unheard of"}},
        {"start_offset": "soon"},
    ],
)
def test_a_description_that_does_not_fit_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    save_checkpoint(tmp_path, tiny_checkpoint())
    description = json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))
    (tmp_path / "model.json").write_text(json.dumps({**description, **change}), encoding="utf-8")
    with pytest.raises(ModelError) as error:
        load_checkpoint(tmp_path)
    one_sentence(error)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_a_description_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(ModelError, match="checkpoint"):
        load_checkpoint(tmp_path)


def test_weights_of_another_shape_than_described_are_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, tiny_checkpoint(ctc=True))
    weights = (tmp_path / "model.safetensors").read_bytes()
    save_checkpoint(tmp_path, tiny_checkpoint(ctc=False))
    (tmp_path / "model.safetensors").write_bytes(weights)
    with pytest.raises(ModelError, match="do not fit"):
        load_checkpoint(tmp_path)


def test_missing_models_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="models pull large"):
        load_checkpoint("large")
    with pytest.raises(ModelError, match="There is no model"):
        load_checkpoint(tmp_path / "nowhere.pth")
    with pytest.raises(ModelError, match="holds no model"):
        load_checkpoint(tmp_path)
    for name in ("a.pth", "b.pth"):
        (tmp_path / name).touch()
    with pytest.raises(ModelError, match="several"):
        load_checkpoint(tmp_path)


def test_cleaning_keeps_every_weight() -> None:
    network, state = published_state(1)
    assert clean_state(state, Path("x")).keys() == network.state_dict().keys()
