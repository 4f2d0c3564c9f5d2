"""``--ray local:2`` starts a cluster here and looks for none."""

from __future__ import annotations

from typing import Any

import pytest

from gptasr_subs.farm import cluster


def test_workers_here_are_no_host_and_port(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    begun: list[dict[str, Any]] = []
    monkeypatch.setattr(ray, "init", lambda **settings: begun.append(settings))
    with cluster.joined("local:2", lambda: print):  # type: ignore[arg-type, return-value]
        pass
    assert [(settings["address"], settings["num_cpus"]) for settings in begun] == [("local", 2)]
