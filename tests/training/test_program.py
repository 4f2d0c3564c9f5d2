"""The trainer as a real program: killed with SIGKILL at any moment, and started by torchrun."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from typer.main import get_command
from typer.testing import CliRunner

from gptasr_subs.cli.train import app
from gptasr_subs.model.checkpoint import load_checkpoint, save_checkpoint
from gptasr_subs.model.encoder import build_encoder
from gptasr_subs.training.encoders import save_encoder
from gptasr_subs.training.metrics_log import METRICS_FILE
from gptasr_subs.training.store import AudioStore
from gptasr_subs.training.trainer import read_state
from tests.support.tiny import tiny_checkpoint
from tests.support.tones import make_store, tiny_start

STEPS = 12
RECIPE = """
save_every = 3
report_every = 1
evaluate_every = 0
warmup = 2
longest = 3.0
[adapter]
steps = 4
batch_seconds = 3.0
[text]
steps = 4
batch_seconds = 3.0
[full]
steps = 4
batch_seconds = 3.0
"""

needs_sigkill = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")


@pytest.fixture
def workshop(tmp_path: Path) -> Path:
    make_store(tmp_path, clips=12)
    save_checkpoint(tmp_path / "onto", tiny_checkpoint(2))
    encoder = tiny_start(AudioStore(tmp_path / "store")).config.encoder
    assert encoder is not None
    torch.manual_seed(0)
    save_encoder(
        tmp_path / "encoder", encoder, encoder=build_encoder(encoder), facts={"name": "Tiny"}
    )
    (tmp_path / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    return tmp_path


def words(folder: Path, run: str) -> list[str]:
    options = {
        "encoder": "encoder",
        "onto": "onto",
        "store": "store",
        "out": run,
        "recipe": "recipe.toml",
    }
    named = [
        part for option, name in options.items() for part in (f"--{option}", str(folder / name))
    ]
    return ["graft", *named, "--device", "cpu"]


def start(
    folder: Path, run: str, launcher: Sequence[str] = (sys.executable,)
) -> subprocess.Popen[str]:
    command = [*launcher, "-m", "gptasr_subs.cli.train", *words(folder, run)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)


def kill_after(child: subprocess.Popen[str], step: int, seconds: float) -> None:
    """Kill it some time after it has said that ``step`` is done: in a step or in a save."""
    assert child.stderr is not None
    said = next((line for line in child.stderr if line.startswith(f"step {step}:")), "")
    assert said, f"it ended before step {step}"
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.kill()
    child.stderr.close()
    assert child.wait() in (-signal.SIGKILL, 0)


def losses(run: Path) -> dict[int, set[str]]:
    """All losses ever reported of each step; where a kill had it done twice, they must be equal."""
    found: defaultdict[int, set[str]] = defaultdict(set)
    for line in (run / METRICS_FILE).read_text(encoding="utf-8").splitlines():
        step, name, value = line.split("\t")
        if name == "train/loss":
            found[int(step)].add(value)
    return dict(found)


@needs_sigkill
def test_a_graft_killed_at_random_ends_as_if_it_had_not_been(workshop: Path) -> None:
    whole = start(workshop, "whole")
    killed = start(workshop, "killed")
    chance = random.Random()
    kill_after(killed, chance.randint(1, 3), chance.uniform(0, 0.1))
    _, said = whole.communicate(timeout=300)
    assert whole.returncode == 0, said
    killed = start(workshop, "killed")
    kill_after(killed, chance.randint(8, 10), chance.uniform(0, 0.1))
    last = start(workshop, "killed")
    _, said = last.communicate(timeout=300)
    assert last.returncode == 0, said
    alone = losses(workshop / "whole")
    assert sorted(alone) == list(range(1, STEPS + 1))
    resumed = losses(workshop / "killed")
    assert resumed == alone and all(len(values) == 1 for values in alone.values())
    states = [read_state(workshop / run) for run in ("whole", "killed")]
    assert [state["step"] for state in states] == [STEPS, STEPS]
    for part in ("network", "average"):
        assert all(
            torch.equal(value, states[1][part][name]) for name, value in states[0][part].items()
        )
    assert not list((workshop / "killed").glob("*.tmp"))


@pytest.mark.slow
def test_torchrun_shares_the_work(workshop: Path) -> None:
    together = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node",
        "2",
    ]
    children = (start(workshop, "one"), start(workshop, "two", launcher=together))
    for child in children:
        _, said = child.communicate(timeout=600)
        assert child.returncode == 0, said
    one, two = (read_state(workshop / run) for run in ("one", "two"))
    assert one["step"] == two["step"] == STEPS
    assert two["seconds"] > 1.5 * one["seconds"]


def test_the_command_line_grafts_and_exports(workshop: Path) -> None:
    done = CliRunner().invoke(app, [*words(workshop, "run"), "--stop-at", "5"])
    assert done.exit_code == 0 and "step 5 of 12" in done.stderr, done.output
    done = CliRunner().invoke(app, words(workshop, "run"))
    assert done.exit_code == 0 and "step 12 of 12" in done.stderr, done.output
    log = (workshop / "run" / "log.txt").read_text(encoding="utf-8")
    assert "12 clips, from step 0" in log and "12 clips, from step 5" in log
    done = CliRunner().invoke(
        app, ["export", str(workshop / "run"), str(workshop / "mine"), "--name", "mine"]
    )
    assert done.exit_code == 0, done.output
    checkpoint = load_checkpoint(workshop / "mine")
    assert checkpoint.name == "mine" and checkpoint.metadata["encoder"]["name"] == "Tiny"
    assert CliRunner().invoke(app, ["export", str(workshop), str(workshop / "x")]).exit_code == 1


def test_the_page_on_training_names_only_options_that_exist() -> None:
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    lines = re.findall(r"gptasr-subs-train (\w+) (.*)|gptasr_subs\.cli\.train (\w+) (.*)", page)
    used = {
        (name or other, option)
        for name, rest, other, more in lines
        for option in re.findall(r"--[\w-]+", rest + more)
    }
    commands = get_command(app).commands  # type: ignore[attr-defined]
    known = {(name, o) for name, part in commands.items() for p in part.params for o in p.opts}
    assert {name for name, _ in used} >= {
        "import",
        "synthesise",
        "label",
        "prepare",
        "graft",
        "calibrate",
    }
    assert used <= known
