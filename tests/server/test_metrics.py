"""What Prometheus reads, by its own parser, and the log of requests."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.films import TALK_SECONDS
from tests.support.served import Served, served

KEY = "a-key-of-more-than-sixteen"


def measured(server: Served) -> dict[str, float]:
    """Each measurement by its name and label."""
    answer = server.get(f"/k/{KEY}/metrics")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain")
    return {
        " ".join([sample.name.removeprefix("gptasr_subs_"), *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_measurements_follow_the_work(tmp_path: Path, film: bytes) -> None:
    with served(tmp_path, "--key", KEY) as server:
        before = measured(server)
        assert before["model_loaded"] == before["resident_memory_bytes recognition"] == 0
        assert before["resident_memory_bytes server"] > 10e6
        server.post(f"/k/{KEY}/v1/audio/transcriptions", files={"file": film})
        job = server.post(f"/k/{KEY}/jobs", files={"file": film}).json()["id"]
        assert '"done"' in server.get(f"/k/{KEY}/jobs/{job}/events").text
        after = measured(server)
        assert after["jobs done"] == 1 and after["jobs failed"] == 0
        assert after["recognitions_total"] == 2 and after["failures_total"] == 0
        assert after["audio_seconds_total"] == pytest.approx(2 * TALK_SECONDS, abs=0.3)
        assert after["rtfx"] == after["audio_seconds_total"] / after["recognition_seconds_total"]
        assert after["recognitions_waiting"] == 0 and after["model_loaded"] == 1
        assert after["resident_memory_bytes recognition"] > 10e6
        assert server.get("/metrics").status_code == 401
        lines = server.log.splitlines()
        assert (
            sum('"POST /k/***/v1/audio/transcriptions HTTP/1.1" 200' in line for line in lines) == 1
        )
        assert KEY not in server.log


def test_failures_are_counted(server: Served) -> None:
    def failures() -> float:
        text = server.get("/metrics").text
        found = {family.name: family for family in text_string_to_metric_families(text)}
        return found["gptasr_subs_failures"].samples[0].value

    before = failures()
    server.post("/v1/audio/transcriptions", files={"file": b"no media" * 97})
    assert failures() == before + 1
