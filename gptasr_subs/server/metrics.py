"""``/metrics``: what the server does, as Prometheus reads it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from gptasr_subs.jobs.queue import Queue, State
from gptasr_subs.server.queueing import ask_queue
from gptasr_subs.server.recognition import Recognition
from gptasr_subs.server.services import services_of


async def metrics(request: Request) -> Response:
    """All measurements of this moment."""
    recognition = services_of(request).recognition
    jobs = await ask_queue(Queue.counts)
    text = generate_latest(Measurements(recognition, jobs))
    return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})


class Measurements(Collector):
    """What is measured, as a collector of Prometheus' library."""

    def __init__(self, recognition: Recognition, jobs: dict[State, int]) -> None:
        """``jobs``: how many are in each state."""
        self._recognition = recognition
        self._jobs = jobs

    def collect(self) -> Iterator[Metric]:
        """As Prometheus' library says."""
        recognition = self._recognition
        totals = recognition.totals
        jobs = GaugeMetricFamily("gptasr_subs_jobs", "Jobs of the queue.", labels=["state"])
        for state in State:
            jobs.add_metric([state.value], self._jobs.get(state, 0))
        yield jobs
        yield GaugeMetricFamily(
            "gptasr_subs_recognitions_waiting",
            "Requests that are being recognised or wait for it; equal ones count once.",
            recognition.waiting,
        )
        yield CounterMetricFamily(
            "gptasr_subs_recognitions", "Recognitions that were finished.", totals.finished
        )
        yield CounterMetricFamily(
            "gptasr_subs_failures", "Recognitions that ended with an error.", totals.failed
        )
        yield CounterMetricFamily(
            "gptasr_subs_audio_seconds", "Audio that was recognised.", totals.audio
        )
        yield CounterMetricFamily(
            "gptasr_subs_recognition_seconds",
            "What its recognition took, waiting for the model included.",
            totals.elapsed,
        )
        yield GaugeMetricFamily(
            "gptasr_subs_rtfx",
            "Seconds of audio that were recognised in one second, since the start.",
            totals.audio / totals.elapsed if totals.elapsed else 0.0,
        )
        yield GaugeMetricFamily(
            "gptasr_subs_model_loaded",
            "1 while the model is in memory.",
            float(recognition.state == "ready"),
        )
        yield self._memory()

    def _memory(self) -> Metric:
        family = GaugeMetricFamily(
            "gptasr_subs_resident_memory_bytes", "Memory in use, on Linux.", labels=["process"]
        )
        processes = {"server": os.getpid(), "recognition": self._recognition.process_id}
        for name, number in processes.items():
            size = 0  # where the system does not say, or the process has ended
            if number:
                with suppress(OSError):
                    pages = Path(f"/proc/{number}/statm").read_text().split()[1]
                    size = int(pages) * os.sysconf("SC_PAGE_SIZE")
            family.add_metric([name], size)
        return family
