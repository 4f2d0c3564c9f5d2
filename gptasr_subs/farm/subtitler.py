"""What a worker does with a film."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from gptasr_subs.farm.addresses import is_remote, subtitle_remote
from gptasr_subs.farm.films import Answer, Film, Halted, Outcome, Unfit
from gptasr_subs.jobs.hooks import Event, event_of, reason_of
from gptasr_subs.jobs.worker import StoppableRecognizer, Stopped, is_final, objection_to
from gptasr_subs.pipeline.options import Options, Progress, Result
from gptasr_subs.pipeline.plan import make_plan
from gptasr_subs.pipeline.subtitle import subtitle
from gptasr_subs.recognition.loading import LazyRecognizer, lazy_model
from gptasr_subs.storage.files import file_stamp, remove_abandoned

_Stopped = Callable[[], bool]


class CannotLoadError(Exception):
    """The model cannot be loaded here; the cause says why."""


class Subtitler:
    """Subtitles one film after the other; the model is loaded when the first one needs it."""

    def __init__(self, model: LazyRecognizer) -> None:
        """``model`` as ``lazy_model`` gives it."""
        self._model = model

    def __call__(self, film: Film, stopped: _Stopped) -> Answer:
        """Subtitle a film; whatever goes wrong with it is its outcome."""
        media = Path(film.place)
        stamp = file_stamp(media)
        with _remarks() as remarks:
            try:
                if is_remote(film):
                    event = subtitle_remote(film, partial(self._write, stopped=stopped))
                elif film.limits and (objection := objection_to(media, film.options, film.limits)):
                    event = objection
                else:
                    event = event_of(self._write(media, film.options, stopped), film.options)
            except Stopped:
                return Halted()
            except CannotLoadError as error:
                return Unfit(reason_of(error.args[0]))
            except Exception as error:  # a bug met in one film is no reason to leave out the next
                event = Event(media, "failed", reason=reason_of(error))
                return Outcome(event, is_final(error, media, stamp), tuple(remarks))
        return Outcome(event, remarks=tuple(remarks))

    def _write(self, media: Path, options: Options, stopped: _Stopped) -> Result:
        plan = make_plan(media, options)
        for target in plan.outputs(media):
            remove_abandoned(target)
        if plan.needs_model:
            try:
                self._model.load()
            except Exception as error:
                raise CannotLoadError(error) from error

        def check(progress: Progress) -> None:
            if stopped():
                raise Stopped

        model = StoppableRecognizer(self._model, stopped)
        return subtitle(media, model, options=options, on_progress=check, plan=plan)


def make_subtitler(model: str, device: str, language: str) -> Subtitler:
    """Make the subtitler of a worker, on its machine."""
    return Subtitler(lazy_model(model, device, language))


@contextmanager
def _remarks() -> Iterator[list[str]]:
    """Warnings of the package while the block runs."""
    log = logging.getLogger("gptasr_subs")
    collector = _Collector()
    log.addHandler(collector)
    try:
        yield collector.lines
    finally:
        log.removeHandler(collector)


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))
