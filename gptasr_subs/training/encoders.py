"""Open speech encoders to begin generation 3 with: in the format of transformers, or converted."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from gptasr_subs.errors import ModelError
from gptasr_subs.model.config import EncoderConfig
from gptasr_subs.model.encoder import build_encoder
from gptasr_subs.model.published import read_tensors
from gptasr_subs.storage.files import write_atomically

Facts = dict[str, str]
"""For people: ``name``, ``licence``, ``copyright`` (may be empty) and ``source`` of an encoder."""

WEIGHTS_FILE = "encoder.safetensors"
DESCRIPTION_FILE = "encoder.json"

MOONSHINE_COPYRIGHT = "Copyright (c) 2025 Moonshine AI"
WHISPER_COPYRIGHT = "Copyright (c) 2022 OpenAI"

_MIT = (  # neither Moonshine's other languages nor fine-tunes
    (re.compile(r"UsefulSensors/moonshine-(tiny|base)"), MOONSHINE_COPYRIGHT),
    (re.compile(r"openai/whisper-[\w.-]+"), WHISPER_COPYRIGHT),
)
_WHISPER_NAMES = (  # transformers' to ours
    (re.compile(r"\.self_attn_layer_norm\."), ".input_layernorm."),
    (re.compile(r"\.final_layer_norm\."), ".post_attention_layernorm."),
    (re.compile(r"\.self_attn\.out_proj\."), ".self_attn.o_proj."),
    (re.compile(r"(layers\.\d+)\.fc"), r"\1.mlp.fc"),
    (re.compile(r"^embed_positions\.weight$"), "embed_positions"),
)
_FIRST_QUERY = re.compile(r"(.*\.self_attn\.)q_proj\.weight")


def load_encoder(source: str | Path) -> tuple[EncoderConfig, nn.Module, Facts]:
    """Return the config of the encoder at ``source``, itself with weights in float32, and its
    facts.

    ``source`` is a folder that ``save_encoder`` wrote, or a folder or hub name of a Moonshine or
    Whisper model that transformers opens. Raises ModelError with what to do if there is none.
    """
    folder = Path(source)
    description_file = folder / DESCRIPTION_FILE
    if description_file.is_file():
        try:
            description = json.loads(description_file.read_text(encoding="utf-8"))
            config = EncoderConfig(**description.pop("config"))
        except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
            reason = f"{description_file} does not describe an encoder ({error})"
            raise ModelError(f"{reason}; convert it again.") from error
        weights = folder / WEIGHTS_FILE
        encoder = fit_encoder(config, read_tensors(weights), str(weights))
        return config, encoder, {name: str(value) for name, value in description.items()}
    if folder.is_dir() and not (folder / "config.json").is_file():
        needed = f"{DESCRIPTION_FILE} or config.json"
        raise ModelError(f"{folder} holds no encoder; give a folder with {needed}.")
    return _load_published(str(source))


def save_encoder(
    folder: str | Path,
    config: EncoderConfig,
    *,
    encoder: nn.Module,
    facts: Facts,
) -> None:
    """Write weights in float32, config and ``facts`` into ``folder``, made where missing.

    Either file is there whole or as it was before. Raises OutputError.
    """
    folder = Path(folder)
    with suppress(OSError):  # the write that follows says why, in a sentence
        folder.mkdir(parents=True, exist_ok=True)
    state = encoder.state_dict()
    plain = {name: value.detach().cpu().float().contiguous() for name, value in state.items()}
    description = json.dumps({"config": asdict(config), **facts}, indent=1, ensure_ascii=False)
    write_atomically(folder / WEIGHTS_FILE, save(plain))
    write_atomically(folder / DESCRIPTION_FILE, description + "\n")


def fit_encoder(config: EncoderConfig, state: Mapping[str, Tensor], source: str) -> nn.Module:
    """Return the encoder of ``config`` with the weights of ``state``, by our names or
    transformers'.

    Raises ModelError, which names ``source``, where they do not fit.
    """
    try:
        encoder = build_encoder(config)
        encoder.load_state_dict(_renamed(state, config.kind))
    except (KeyError, RuntimeError, ValueError) as error:  # names, shapes or sizes
        reason = f"The weights in {source} do not fit its {config.kind} encoder"
        raise ModelError(f"{reason}; fetch them again.") from error
    return encoder.float().eval()


def _renamed(state: Mapping[str, Tensor], kind: str) -> dict[str, Tensor]:
    """``state`` by our names, with query, key and value of each layer in one matrix."""
    renamed = {}
    for name, value in state.items():
        for pattern, ours in _WHISPER_NAMES if kind == "whisper" else ():
            name = pattern.sub(ours, name)
        renamed[name] = value
    for attention in [found[1] for found in map(_FIRST_QUERY.fullmatch, renamed) if found]:
        weights = [renamed.pop(f"{attention}{part}_proj.weight") for part in "qkv"]
        renamed[f"{attention}qkv_proj.weight"] = torch.cat(weights)
        if f"{attention}q_proj.bias" in renamed:
            # Whisper's key has no bias: it would add the same to all scores of a softmax.
            none = torch.zeros_like(renamed[f"{attention}q_proj.bias"])
            biases = [renamed.pop(f"{attention}{part}_proj.bias", none) for part in "qkv"]
            renamed[f"{attention}qkv_proj.bias"] = torch.cat(biases)
    return renamed


def _load_published(source: str) -> tuple[EncoderConfig, nn.Module, Facts]:
    try:
        from transformers import AutoConfig, AutoModel
    except ImportError as error:
        reason = f"transformers is needed to open {source}"
        raise ModelError(f"{reason}; run: pip install 'gptasr-subs[train]'") from error
    try:
        published = AutoConfig.from_pretrained(source)
        if published.model_type == "moonshine":
            config = _moonshine(published, source)
        elif published.model_type == "whisper":
            config = _whisper(published, source)
        else:
            kind = published.model_type
            raise ModelError(f"{source} is a {kind} model; give a Moonshine or a Whisper model.")
        state = AutoModel.from_pretrained(source, config=published).encoder.state_dict()
    except (OSError, ValueError) as error:
        reason = f"transformers cannot open {source!r}"
        raise ModelError(f"{reason}; check the name, and that the hub is reached.") from error
    return config, fit_encoder(config, state, source), _facts(source)


def _moonshine(published: Any, source: str) -> EncoderConfig:
    heads = published.encoder_num_attention_heads
    rope = getattr(published, "rope_parameters", None) or vars(published)  # before transformers 5
    _require(published, source, encoder_hidden_act="gelu", attention_bias=False)
    _require(published, source, encoder_num_key_value_heads=heads)
    if rope.get("rope_theta", 10000.0) != 10000.0 or rope.get("rope_type", "default") != "default":
        raise _unlike_published(source, "rope_parameters")
    return EncoderConfig(
        kind="moonshine",
        layers=published.encoder_num_hidden_layers,
        width=published.hidden_size,
        heads=heads,
        inner=published.intermediate_size,
        rotary=int(published.hidden_size // heads * rope.get("partial_rotary_factor", 0.9)),
    )


def _whisper(published: Any, source: str) -> EncoderConfig:
    _require(published, source, activation_function="gelu")
    return EncoderConfig(
        kind="whisper",
        layers=published.encoder_layers,
        width=published.d_model,
        heads=published.encoder_attention_heads,
        inner=published.encoder_ffn_dim,
        max_frames=published.max_source_positions,
        n_mels=published.num_mel_bins,
    )


def _require(published: Any, source: str, **settings: Any) -> None:
    for name, value in settings.items():
        if getattr(published, name) != value:
            raise _unlike_published(source, name)


def _unlike_published(source: str, setting: str) -> ModelError:
    made = f"{source} has an encoder of another make (its {setting})"
    return ModelError(f"{made}; give a model as it was published.")


def _facts(source: str) -> Facts:
    """Return facts by the hub name; of a local folder only its own name is known."""
    last = Path(source).resolve().name
    name = last.replace("-", " ")
    local = Path(source).is_dir()
    owners = [owner for pattern, owner in _MIT if pattern.fullmatch(source) and not local]
    return {
        "name": name[:1].upper() + name[1:],
        "licence": "MIT" if owners else "unknown",
        "copyright": owners[0] if owners else "",
        "source": last if local else source,
    }
