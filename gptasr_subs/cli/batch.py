"""Many media files with one model: one that fails does not stop the others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gptasr_subs.errors import OutputError
from gptasr_subs.jobs.hooks import Event, Hooks, event_of, reason_of
from gptasr_subs.outputs.burning import burned_path
from gptasr_subs.pipeline.options import Options, ProgressCallback, Result
from gptasr_subs.pipeline.plan import make_plan, target_paths
from gptasr_subs.pipeline.recognize import open_record
from gptasr_subs.pipeline.subtitle import subtitle
from gptasr_subs.recognition.cache import open_journal
from gptasr_subs.recognition.loading import LazyRecognizer


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

        ``hooks`` are told of each file, by default the notifiers alone.
        """
        self._model = model
        self._options = options
        self._hooks = hooks or Hooks()
        self._taken: dict[Path, Path] = {}

    def subtitle(self, media: Path, on_progress: ProgressCallback | None = None) -> Result | Failure:
        """Subtitle one file. Raises what loading the model raises, for then no file can be done."""
        try:
            self._refuse_same_target(media)
            plan = make_plan(media, self._options)
        except Exception as error:
            return self._failure(media, error)
        with open_journal(self._options.journal and plan.needs_model) as journal:
            record = None
            if plan.needs_model:
                record = open_record(journal, media, self._model, self._options)
                if record.finished() is None:
                    self._model.load()
            try:
                result = subtitle(
                    media, self._model, options=self._options, on_progress=on_progress, plan=plan, record=record
                )
            except Exception as error:  # a bug met in one video is no reason to leave out the next
                return self._failure(media, error)
        self._hooks.tell(event_of(result, self._options))
        return result

    def _failure(self, media: Path, error: Exception) -> Failure:
        self._hooks.tell(Event(media, "failed", reason=reason_of(error), language=self._options.language))
        return Failure(media, error)

    def _refuse_same_target(self, media: Path) -> None:
        """Videos of one name in several folders would overwrite each other's subtitles in one
        --output-dir.
        """
        folder = self._options.output_dir
        if not folder:
            return
        targets = list(target_paths(media, self._options).values())
        if self._options.burn:
            targets.append(burned_path(media, folder))
        for target in targets:
            other = self._taken.setdefault(target, media)
            if other != media:
                raise OutputError(
                    f"{str(media)!r} would be written to the same {target.name!r} as {str(other)!r}; "
                    "give each folder its own --output-dir."
                )
