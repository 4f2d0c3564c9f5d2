"""The other side of ``against_whisper.py``: a film to SRT by faster-whisper's batched pipeline."""

from __future__ import annotations

import sys
from datetime import timedelta


def clock(seconds: float) -> str:
    """``00:01:02,345``."""
    whole = timedelta(milliseconds=round(seconds * 1000))
    hours, rest = divmod(int(whole.total_seconds()), 3600)
    return f"{hours:02d}:{rest // 60:02d}:{rest % 60:02d},{whole.microseconds // 1000:03d}"


def main(film: str, srt: str, model: str, batch_size: str, threads: str) -> None:
    """Write the SRT."""
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    whisper = WhisperModel(model, device="cpu", compute_type="int8", cpu_threads=int(threads))
    segments, _ = BatchedInferencePipeline(whisper).transcribe(
        film, language="en", batch_size=int(batch_size)
    )
    with open(srt, "w", encoding="utf-8") as file:  # noqa: PTH123
        for number, part in enumerate(segments, 1):
            file.write(
                f"{number}\n{clock(part.start)} --> {clock(part.end)}\n{part.text.strip()}\n\n"
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
