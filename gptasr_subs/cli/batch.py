"""Many media files with one model: one that fails does not stop the others."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from gptasr_subs.errors import SharedNameError
from gptasr_subs.glossary.terms import Glossary
from gptasr_subs.jobs.hooks import Event, Hooks, event_of, reason_of
from gptasr_subs.media.probe import probe
from gptasr_subs.pipeline.glossary import glossary_of
from gptasr_subs.pipeline.options import Options, ProgressCallback, Result
from gptasr_subs.pipeline.plan import make_plan, refuse_shared, refuse_unwritable
from gptasr_subs.pipeline.recognize import open_record
from gptasr_subs.pipeline.subtitle import subtitle
from gptasr_subs.recognition.cache import open_journal
from gptasr_subs.recognition.loading import LazyRecognizer, with_glossary

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Failure:
    """A media file that got no subtitles, and why."""

    media: Path
    error: Exception


class Batch:
    """Subtitles one file after the other with the same options.

    The model is loaded once, when first needed.
    """

    def __init__(self, model: LazyRecognizer, options: Options, hooks: Hooks | None = None) -> None:
        """``model`` as ``lazy_model`` gives it.

        ``hooks`` run for each file, by default the notifiers alone.
        """
        self._model = model
        self._options = options
        self._hooks = hooks or Hooks()
        self._done: list[Path] = []

    def subtitle(
        self, media: Path, on_progress: ProgressCallback | None = None
    ) -> Result | Failure:
        """Subtitle one file. Raises what loading the model raises, for then no file can be done."""
        try:
            self._refuse_shared(media)
            plan = make_plan(media, self._options)
            refuse_unwritable(plan.outputs(media))  # before the model is loaded
            info = probe(media) if plan.needs_model else None
            glossary = glossary_of(media, self._options) if plan.needs_model else Glossary()
        except Exception as error:
            return self._failure(media, error)
        with open_journal(self._options.journal and info is not None) as journal:
            record = None
            if info:
                model = with_glossary(self._model, glossary)
                record = open_record(
                    journal,
                    media,
                    info=info,
                    recognizer=model,
                    options=self._options,
                    glossary=glossary,
                )
                if record.finished() is None:
                    self._model.load()
            try:
                result = subtitle(
                    media,
                    self._model,
                    options=self._options,
                    on_progress=on_progress,
                    plan=plan,
                    record=record,
                    glossary=glossary,
                )
            except Exception as error:  # a bug met in one video is no reason to leave out the next
                return self._failure(media, error)
        self._done.append(media)
        self._hooks.notify(event_of(result, self._options))
        return result

    def _failure(self, media: Path, error: Exception) -> Failure:
        self._hooks.notify(
            Event(media, "failed", reason=reason_of(error), language=self._options.language)
        )
        return Failure(media, error)

    def _refuse_shared(self, media: Path) -> None:
        """Media files of one name would overwrite each other's subtitles.

        Where nothing is overwritten, those of the first stay, and it is said whose they are.
        """
        try:
            refuse_shared(media, self._done, self._options)
        except SharedNameError as error:
            if self._options.output_dir or self._options.overwrite:
                raise
            _log.warning("%s", error)
