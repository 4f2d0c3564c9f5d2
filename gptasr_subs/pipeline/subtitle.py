"""One media file in, its subtitles out."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

from gptasr_subs.errors import FormatError
from gptasr_subs.formats import Document, read_with_remarks, render
from gptasr_subs.glossary.terms import Glossary
from gptasr_subs.outputs.burning import burn
from gptasr_subs.outputs.embedding import embed
from gptasr_subs.outputs.progressive import Preview, previews
from gptasr_subs.pipeline.options import Options, Progress, ProgressCallback, Result
from gptasr_subs.pipeline.plan import Plan, embedded_as, make_plan, refuse_unwritable
from gptasr_subs.pipeline.recognize import recognize_file
from gptasr_subs.recognition.recognizer import Recognizer
from gptasr_subs.recognition.record import Record
from gptasr_subs.storage.files import write_atomically


def subtitle(
    media: str | os.PathLike[str],
    model: str | Recognizer = "default",
    *,
    device: str = "auto",
    options: Options = Options(),
    on_progress: ProgressCallback | None = None,
    plan: Plan | None = None,
    record: Record | None = None,
    glossary: Glossary | None = None,
    on_document: Preview | None = None,
) -> Result:
    """Write subtitles for one media file; ``model`` is a recogniser or what ``load_model`` takes.

    A subtitle that is already there is kept unless ``options.overwrite``; if all are, nothing is
    recognised. Raises MediaError, ModelError, OutputError or FormatError; no partial file is ever
    left.

    ``plan``, ``record`` and ``glossary`` are what ``make_plan``, ``open_record`` and
    ``glossary_of`` give, where they are known already. ``on_document`` is called with what is known
    so far, again and again, and with the whole in the end.
    """
    began = time.monotonic()
    path = Path(media)
    plan = plan or make_plan(path, options)
    if plan.is_done:
        return Result(path, written=(), kept=plan.kept)
    refuse_unwritable(plan.outputs(path))
    if plan.ready:
        document = _read_whole(plan.ready)
    else:
        with previews(plan.wanted if options.progressive else {}, on_document) as show:
            document = recognize_file(
                path,
                model,
                device=device,
                options=options,
                on_progress=on_progress,
                preview=show if options.progressive or on_document else None,
                record=record,
                glossary=glossary,
            )
            if on_document:
                on_document(document)
    for name, target in plan.wanted.items():
        write_atomically(target, render(document, name))
    if not document.cues:  # nothing to put into the video, which stays as it is
        plan = replace(plan, embed=False, burned=None)
    _change_picture(path, plan, document, options=options, on_progress=on_progress)
    return Result(
        path,
        written=plan.outputs(path),
        kept=plan.kept,
        document=document,
        seconds=document.seconds or 0.0,
        elapsed=time.monotonic() - began,
        ready=plan.ready,
    )


def _read_whole(file: Path) -> Document:
    """Read a subtitle for the video. Raises FormatError where not all of it can be read."""
    reading = read_with_remarks(file)
    if reading.remarks:  # what is put into a video is not looked at again
        raise FormatError(
            f"{str(file)!r} is not put into the video: {reading.remarks[0]} "
            f"Check what 'gptasr-subs fix' makes of it, and put that in its place."
        )
    return Document(tuple(reading.cues))


def _change_picture(
    media: Path,
    plan: Plan,
    document: Document,
    *,
    options: Options,
    on_progress: ProgressCallback | None,
) -> None:
    def report(done: float, total: float) -> None:
        if on_progress:
            on_progress(Progress(done, total, "into the picture"))

    if plan.burned:
        burn(
            media,
            document.cues,
            plan.burned,
            quality=options.burn_quality,
            style=options.burn_style,
            on_progress=report,
        )
    if plan.embed:
        embed(media, document.cues, embedded_as(options))
