"""The card of a checkpoint on the Hugging Face hub, made from its ``model.json``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

_TASK = "automatic-speech-recognition"


def model_card(description: Mapping[str, Any], name: str, licence: str = "") -> str:
    """The text of ``README.md``, with the facts that the hub reads in front.

    ``description`` is what ``read_description`` gives; ``name`` is ``USER/NAME``, ``licence`` one
    of the hub's identifiers.
    """
    facts = description.get("metadata", {})
    title = name.rpartition("/")[2]
    rows = [f"| {dataset} | {rate:.1f} % |" for dataset, rate in facts.get("wer", {}).items()]
    scores = "\n".join(["| word error rate on | |", "|---|---|", *rows]) if rows else ""
    parts = [
        f"---\n{_header(facts, title, licence)}\n---",
        f"# {title}",
        "English speech in, text with casing and punctuation out: a GPT-ASR checkpoint for\n"
        "gptasr-subs, which makes subtitles of it.",
        f"```sh\ngptasr-subs models pull hf:{name}\ngptasr-subs --model {name} movie.mp4\n```",
        scores,
        _origin(description.get("config", {}), facts),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _header(facts: Mapping[str, Any], title: str, licence: str) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type=_TASK,
            dataset_type=re.sub(r"\W+", "-", dataset.lower()).strip("-"),
            dataset_name=dataset,
            metric_type="wer",
            metric_value=rate,
        )
        for dataset, rate in facts.get("wer", {}).items()
    ]
    data = ModelCardData(
        language="en",
        license=licence or None,
        library_name="gptasr-subs",
        pipeline_tag=_TASK,
        tags=["gpt-asr", "subtitles"],
        model_name=title,
        eval_results=results or None,
    )
    return data.to_yaml()


def _origin(config: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Whose encoder it is, how large the GPT, how long it was trained, as far as that is known."""
    patterns = (
        "Encoder begun with {name} ({licence}, {copyright})",
        "GPT of {layers} layers of width {width}, {vocabulary} tokens",
        "Trained for {steps} steps, in which it heard {hours} hours of audio",
    )
    known = {**config, **facts, **facts.get("encoder", {})}
    lines = []
    for pattern in patterns:
        with suppress(KeyError):
            lines.append(f"- {pattern.format_map(known)}.")
    return "\n".join(lines)
