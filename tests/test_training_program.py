"""The trainer as a real program: killed with SIGKILL at any moment, and started by torchrun, it computes the same."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from test_training_run import SHAPE
from tones import make_store

from gptasr_subs.training.curves import CURVES_FILE
from gptasr_subs.training.trainer import read_state

STEPS = 14
PLAN = f"--steps {STEPS} --ctc-steps 6 --save-every 3 --report-every 1 --batch 3 --shortest-limit 3 --no-bf16"

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")


def start(folder: Path, run: str, *more: str, launcher: Sequence[str] = (sys.executable,)) -> subprocess.Popen[str]:
    words = [
        "run",
        "--store",
        folder / "store",
        "--out",
        folder / run,
        "--config",
        folder / "shape.json",
        *PLAN.split(),
    ]
    command = [*launcher, "-m", "gptasr_subs.cli.train", *map(str, words), "--vocabulary", "64", *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)


def kill_after(child: subprocess.Popen[str], step: int, seconds: float) -> None:
    """Kill it some time after it has said that ``step`` is done: in a step or a save, no one knows."""
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
    """All losses ever reported of each step: more than one, where a kill had it done twice, must be equal."""
    found: defaultdict[int, set[str]] = defaultdict(set)
    for line in (run / CURVES_FILE).read_text(encoding="utf-8").splitlines():
        step, name, value = line.split("\t")
        if name == "train/loss":
            found[int(step)].add(value)
    return dict(found)


def test_a_trainer_killed_at_random_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    make_store(tmp_path, clips=12)
    (tmp_path / "shape.json").write_text(json.dumps(SHAPE), encoding="utf-8")
    whole, killed = start(tmp_path, "whole"), start(tmp_path, "killed")
    chance = random.Random()
    kill_after(killed, chance.randint(1, 4), chance.uniform(0, 0.1))
    _, said = whole.communicate(timeout=300)
    assert whole.returncode == 0, said
    killed = start(tmp_path, "killed")
    kill_after(killed, chance.randint(10, 12), chance.uniform(0, 0.1))
    last = start(tmp_path, "killed")
    _, said = last.communicate(timeout=300)
    assert last.returncode == 0, said
    alone, resumed = losses(tmp_path / "whole"), losses(tmp_path / "killed")
    assert sorted(alone) == list(range(1, STEPS + 1))
    assert resumed == alone and all(len(values) == 1 for values in alone.values())
    states = [read_state(tmp_path / run) for run in ("whole", "killed")]
    assert [state["step"] for state in states] == [STEPS, STEPS]
    for part in ("network", "average"):
        assert all(torch.equal(value, states[1][part][name]) for name, value in states[0][part].items())
    assert not list((tmp_path / "killed").glob("*.tmp"))


@pytest.mark.slow
def test_torchrun_gives_the_losses_of_one_process_with_the_same_batches(tmp_path: Path) -> None:
    make_store(tmp_path, clips=12)
    (tmp_path / "shape.json").write_text(json.dumps(SHAPE), encoding="utf-8")
    together = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    children = start(tmp_path, "one", "--accumulate", "2"), start(tmp_path, "two", launcher=together)
    for child in children:
        _, said = child.communicate(timeout=600)
        assert child.returncode == 0, said
    one, two = ({step: float(*values) for step, values in losses(tmp_path / run).items()} for run in ("one", "two"))
    assert list(one) == list(range(1, STEPS + 1)) and two == pytest.approx(one, rel=1e-4)
