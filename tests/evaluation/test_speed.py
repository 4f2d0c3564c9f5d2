"""The bench: what is forced is done, parts add up, and a film's stages are printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from gptasr_subs.cli.main import app
from gptasr_subs.errors import UsageError
from gptasr_subs.evaluation import speed as bench
from gptasr_subs.evaluation.speed import Setting, force_steps, measure
from gptasr_subs.model.decoding.incremental import IncrementalDecoder
from gptasr_subs.recognition.gptasr import GptAsrRecognizer
from tests.support.films import make_film
from tests.support.tiny import tiny_checkpoint


@pytest.fixture(scope="module")
def tiny() -> GptAsrRecognizer:
    return GptAsrRecognizer(tiny_checkpoint(2))


def test_every_step_asked_for_is_done(
    tiny: GptAsrRecognizer,
) -> None:
    network = tiny.checkpoint.model
    encoded = network.encode(torch.randn(2, 80, 64), torch.tensor([64, 64]))
    decoder = IncrementalDecoder(network, encoded, 3)
    with torch.no_grad():
        network.text_head.bias[network.config.stop_token] += 100.0
        force_steps(decoder, network, Setting(2, 3, 11))
        network.text_head.bias[network.config.stop_token] -= 100.0
    assert decoder.step_count == 11


def test_parts_add_up_and_are_told_for_each_clip(
    tiny: GptAsrRecognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "_run", lambda *_: (0.2, 0.4, 1.4))
    found = measure(tiny, Setting(4, 2, 5, 2.0), runs=3)
    assert (found.front_end, found.prefill, found.steps) == (0.05, 0.1, 0.35)
    assert found.rtfx == pytest.approx(2.0 / 0.5)


def test_what_the_network_has_no_positions_for_is_refused(tiny: GptAsrRecognizer) -> None:
    for setting in (Setting(1, 1, 1000, 1.0), Setting(1, 1, 5, 100.0)):
        with pytest.raises(UsageError, match="at most"):
            measure(tiny, setting)


def test_the_command_prints_what_it_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        bench, "random_recognizer", lambda name, device: GptAsrRecognizer(tiny_checkpoint(2))
    )
    arguments = [
        "bench",
        "--random",
        "small",
        "--batch-size",
        "1,2",
        "--beams",
        "1,2",
        "--tokens",
        "4",
        "--runs",
        "1",
    ]
    printed = CliRunner().invoke(app, [*arguments, "--seconds", "2"])
    assert printed.exit_code == 0 and printed.stdout.count("\n2 ") == 2
    printed = json.loads(CliRunner().invoke(app, [*arguments, "--seconds", "2", "--json"]).stdout)
    settings = [row["setting"] for row in printed["timings"]]
    assert [(one["batch"], one["beams"]) for one in settings] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    for row in printed["timings"]:
        assert row["total"] == pytest.approx(row["front_end"] + row["prefill"] + row["steps"])
        assert row["peak"] > 1 << 20


def test_numbers_that_are_none_are_a_usage_error() -> None:
    assert CliRunner().invoke(app, ["bench", "--beams", "1,x"]).exit_code == 2


def test_a_film_is_timed_stage_by_stage(tmp_path: Path) -> None:
    film = make_film(tmp_path / "talk.wav")
    printed = json.loads(
        CliRunner().invoke(app, ["bench", str(film), "--runs", "1", "--json"]).stdout
    )
    parts = [printed[name] for name in ("load", "decode", "segmentation", "recognition", "cues")]
    assert min(parts) > 0 and printed["whole"] > printed["load"]
    assert printed["path"].endswith("talk.wav")
