"""Encoders from files: folders of transformers, our converted ones, and model.bin by its script."""

from __future__ import annotations

import json
import struct
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gptasr_subs.errors import ModelError, OutputError
from gptasr_subs.model.config import EncoderConfig
from gptasr_subs.model.encoder import build_encoder
from gptasr_subs.training.encoders import (
    DESCRIPTION_FILE,
    MOONSHINE_COPYRIGHT,
    WEIGHTS_FILE,
    fit_encoder,
    load_encoder,
    save_encoder,
)
from tests.support.processes import load_script

CONFIG = EncoderConfig(kind="moonshine", layers=2, width=16, heads=2, inner=32, rotary=4)
FACTS = {
    "name": "Moonshine base",
    "licence": "MIT",
    "copyright": MOONSHINE_COPYRIGHT,
    "source": "a package",
}


@pytest.fixture
def converted(tmp_path: Path) -> Path:
    """A folder with an encoder in our form."""
    folder = tmp_path / "some" / "encoder"
    save_encoder(folder, CONFIG, encoder=build_encoder(CONFIG), facts=FACTS)
    return folder


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    encoder = build_encoder(CONFIG)
    save_encoder(tmp_path, CONFIG, encoder=encoder, facts=FACTS)
    config, loaded, facts = load_encoder(str(tmp_path))
    assert (config, facts) == (CONFIG, FACTS)
    assert not loaded.training
    for name, value in encoder.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_half_precision_is_saved_and_loaded_in_full(tmp_path: Path) -> None:
    save_encoder(tmp_path, CONFIG, encoder=build_encoder(CONFIG).half(), facts=FACTS)
    _, loaded, _ = load_encoder(tmp_path)
    assert {value.dtype for value in loaded.state_dict().values()} == {torch.float32}


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="could not be written"):
        save_encoder(tmp_path / "file" / "x", CONFIG, encoder=build_encoder(CONFIG), facts=FACTS)


@pytest.mark.parametrize(
    ("description", "said"),
    [
        ("", "does not describe an encoder"),
        ("[]", "does not describe an encoder"),
        ("{}", "does not describe an encoder"),
        ('{"config": {"kind": "moonshine", "wings": 2}}', "wings"),
        (json.dumps({"config": asdict(CONFIG) | {"kind": "conformer"}}), "no encoder 'conformer'"),
        (json.dumps({"config": asdict(CONFIG) | {"layers": 3}}), "do not fit"),
    ],
)
def test_a_wrong_description_is_told(converted: Path, description: str, said: str) -> None:
    (converted / DESCRIPTION_FILE).write_text(description)
    with pytest.raises(ModelError, match=said):
        load_encoder(converted)


def test_missing_and_damaged_weights_are_told(converted: Path) -> None:
    (converted / WEIGHTS_FILE).write_bytes(b"no weights")
    with pytest.raises(ModelError, match=WEIGHTS_FILE):
        load_encoder(converted)
    (converted / WEIGHTS_FILE).unlink()
    with pytest.raises(ModelError, match=WEIGHTS_FILE):
        load_encoder(converted)


def test_a_folder_without_an_encoder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds no encoder; give a folder with encoder\.json"):
        load_encoder(tmp_path)


def test_a_missing_transformers_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"pip install 'gptasr-subs\[train\]'"):
        load_encoder(tmp_path)


def test_a_layer_without_its_key_is_told() -> None:
    state = {"layers.0.self_attn.q_proj.weight": torch.zeros(16, 16)}
    with pytest.raises(ModelError, match="weights in here do not fit"):
        fit_encoder(CONFIG, state, "here")


class TestTransformers:
    """Folders and names that transformers opens, or not."""

    @pytest.fixture(autouse=True)
    def transformers(self, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
        module: ModuleType = pytest.importorskip("transformers")
        # Not by HF_HUB_OFFLINE, which is read once: other tests may have imported the hub before.
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        return module

    def moonshine(self, transformers: ModuleType, **settings: Any) -> Any:
        sizes = {
            "hidden_size": 16,
            "intermediate_size": 32,
            "encoder_num_hidden_layers": 1,
            "decoder_num_hidden_layers": 1,
            "encoder_num_attention_heads": 2,
            "decoder_num_attention_heads": 2,
            "vocab_size": 20,
        }
        config = transformers.MoonshineConfig(**sizes | settings)
        return transformers.MoonshineForConditionalGeneration(config)

    def test_a_recogniser_in_half_precision(self, transformers: ModuleType, tmp_path: Path) -> None:
        self.moonshine(transformers).half().save_pretrained(tmp_path / "moonshine-nano")
        config, encoder, facts = load_encoder(tmp_path / "moonshine-nano")
        assert (config.layers, config.width, config.heads, config.rotary) == (1, 16, 2, 7)
        assert {value.dtype for value in encoder.state_dict().values()} == {torch.float32}
        assert facts == {
            "name": "Moonshine nano",
            "licence": "unknown",
            "copyright": "",
            "source": "moonshine-nano",
        }

    @pytest.mark.parametrize(
        "settings",
        [
            {"encoder_hidden_act": "relu"},
            {"attention_bias": True},
            {"encoder_num_key_value_heads": 1},
            {"rope_parameters": {"rope_type": "default", "rope_theta": 500.0}},
        ],
    )
    def test_an_encoder_of_another_make(
        self, transformers: ModuleType, tmp_path: Path, settings: dict[str, Any]
    ) -> None:
        self.moonshine(transformers, **settings).config.save_pretrained(tmp_path)
        with pytest.raises(ModelError, match=f"another make .its {next(iter(settings))}"):
            load_encoder(tmp_path)

    def test_another_kind_of_model(self, transformers: ModuleType, tmp_path: Path) -> None:
        transformers.BertConfig().save_pretrained(tmp_path)
        with pytest.raises(ModelError, match="is a bert model; give a Moonshine or a Whisper"):
            load_encoder(tmp_path)

    def test_a_folder_without_weights(self, transformers: ModuleType, tmp_path: Path) -> None:
        self.moonshine(transformers).config.save_pretrained(tmp_path)
        with pytest.raises(ModelError, match="transformers cannot open"):
            load_encoder(tmp_path)

    def test_a_name_that_nobody_has(self) -> None:
        with pytest.raises(ModelError, match="'nobody/has-this'; check the name"):
            load_encoder("nobody/has-this")

    @pytest.mark.parametrize(
        ("source", "name", "licence"),
        [
            ("UsefulSensors/moonshine-base", "Moonshine base", "MIT"),
            ("UsefulSensors/moonshine-tiny-ja", "Moonshine tiny ja", "unknown"),
            ("openai/whisper-tiny.en", "Whisper tiny.en", "MIT"),
            ("somebody/whisper-base", "Whisper base", "unknown"),
        ],
    )
    def test_facts_of_names_on_the_hub(
        self,
        transformers: ModuleType,
        monkeypatch: pytest.MonkeyPatch,
        source: str,
        name: str,
        licence: str,
    ) -> None:
        model = self.moonshine(transformers).model
        for opener, opened in (("AutoConfig", model.config), ("AutoModel", model)):
            found = partial(lambda value, *given, **named: value, opened)
            monkeypatch.setattr(getattr(transformers, opener), "from_pretrained", found)
        _, _, facts = load_encoder(source)
        assert (facts["name"], facts["licence"], facts["source"]) == (name, licence, source)
        assert bool(facts["copyright"]) == (licence == "MIT")


def ctranslate2_file(state: dict[str, Tensor], layers: int, kind: type = np.float32) -> bytes:
    """A model.bin with the encoder ``state`` of transformers' Whisper, and little of a decoder."""
    outer = {"conv1": "conv1", "conv2": "conv2", "layer_norm": "layer_norm"}
    inner = {
        "self_attn_layer_norm": "self_attention/layer_norm",
        "self_attn.out_proj": "self_attention/linear_1",
        "final_layer_norm": "ffn/layer_norm",
        "fc1": "ffn/linear_0",
        "fc2": "ffn/linear_1",
    }
    for layer in range(layers):
        outer |= {f"layers.{layer}.{a}": f"layer_{layer}/{b}" for a, b in inner.items()}
    numbers: dict[str, Any] = {
        "decoder/embeddings/weight": np.zeros((20, 4), kind),
        "encoder/num_heads": np.array(2, np.int16),
        "encoder/position_encodings/encodings": state["embed_positions.weight"].numpy(),
    }
    for theirs, name in outer.items():
        weight, bias = ("gamma", "beta") if name.endswith("layer_norm") else ("weight", "bias")
        numbers[f"encoder/{name}/{weight}"] = state[f"{theirs}.weight"].numpy()
        numbers[f"encoder/{name}/{bias}"] = state[f"{theirs}.bias"].numpy()
    for layer in range(layers):
        attention = f"layers.{layer}.self_attn."
        weights = [state[f"{attention}{part}_proj.weight"] for part in "qkv"]
        query, value = (state[f"{attention}{part}_proj.bias"] for part in "qv")
        name = f"encoder/layer_{layer}/self_attention/linear_0"
        numbers[f"{name}/weight"] = torch.cat(weights).numpy()
        numbers[f"{name}/bias"] = torch.cat([query, 0 * query, value]).numpy()
    begin = struct.pack("<I", 6) + _string("WhisperSpec") + struct.pack("<II", 3, len(numbers))
    return begin + b"".join(_variable(name, value, kind) for name, value in numbers.items())


def _string(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def _variable(name: str, value: Any, kind: type) -> bytes:
    stored = value if value.dtype == np.int16 else value.astype(kind)
    code = {"float32": 0, "int16": 2, "float16": 4}[stored.dtype.name]
    shape = struct.pack(f"<B{stored.ndim}I", stored.ndim, *stored.shape)
    return _string(name) + shape + struct.pack("<BI", code, stored.nbytes) + stored.tobytes()


@pytest.fixture
def whisper() -> Any:
    transformers = pytest.importorskip("transformers")
    config = transformers.WhisperConfig(
        d_model=16,
        encoder_layers=2,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        vocab_size=20,
        max_source_positions=20,
        num_mel_bins=8,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
        decoder_start_token_id=0,
        init_std=0.3,
    )
    return transformers.WhisperModel(config).encoder.eval()


def test_a_converted_whisper_gives_what_the_original_gives(whisper: Any, tmp_path: Path) -> None:
    data = ctranslate2_file(whisper.state_dict(), 2)
    (tmp_path / "part1").write_bytes(data[:5000])
    (tmp_path / "part2").write_bytes(data[5000:])
    parts = [tmp_path / "part1", tmp_path / "part2"]
    load_script("convert_whisper").convert(parts, tmp_path / "out", source="a package")
    config, encoder, facts = load_encoder(tmp_path / "out")
    assert (config.layers, config.heads, config.max_frames, config.n_mels) == (2, 2, 20, 8)
    assert facts["source"] == "a package"
    mels = torch.randn(1, 8, 40)
    with torch.inference_mode():
        frames, _ = encoder(mels, torch.tensor([40]))
        expected = whisper(mels).last_hidden_state
    torch.testing.assert_close(frames, expected, rtol=0, atol=1e-4)


def test_half_precision_of_a_whisper_is_read_exactly(whisper: Any, tmp_path: Path) -> None:
    state = whisper.half().float().state_dict()
    (tmp_path / "model.bin").write_bytes(ctranslate2_file(state, 2, np.float16))
    load_script("convert_whisper").convert([tmp_path / "model.bin"], tmp_path)
    _, encoder, _ = load_encoder(tmp_path)
    assert torch.equal(encoder.state_dict()["conv2.weight"], state["conv2.weight"])


@pytest.mark.parametrize("data", [b"", b"nothing of the kind", b"\6\0\0\0\6\0Other\0" + bytes(8)])
def test_another_file_than_a_model_bin_is_told(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "model.bin").write_bytes(data)
    with pytest.raises(ModelError, match="no whole Whisper model"):
        load_script("convert_whisper").convert([tmp_path / "model.bin"], tmp_path)


def test_a_model_bin_that_is_cut_short_is_told(whisper: Any, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(ctranslate2_file(whisper.state_dict(), 2)[:-100])
    with pytest.raises(ModelError, match="no whole Whisper model"):
        load_script("convert_whisper").convert([tmp_path / "model.bin"], tmp_path)


def test_another_file_than_an_ort_graph_is_told(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("flatbuffers")
    (tmp_path / "encoder_model.ort").write_bytes(b"something else")
    with pytest.raises(ModelError, match=r"no \.ort file"):
        load_script("convert_moonshine").convert(tmp_path / "encoder_model.ort", tmp_path)
