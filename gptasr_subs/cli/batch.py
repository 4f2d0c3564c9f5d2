"""Many media files with one model: one that fails does not stop the others."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gptasr_subs.errors import FormatError, OutputError, UsageError
from gptasr_subs.formats import get_format
from gptasr_subs.jobs.hooks import Event, Hooks, event_of, reason_of
from gptasr_subs.media.languages import same_language
from gptasr_subs.outputs.burning import burned_path
from gptasr_subs.pipeline.options import Options, ProgressCallback, Result
from gptasr_subs.pipeline.plan import make_plan, target_paths
from gptasr_subs.pipeline.recognize import open_record
from gptasr_subs.pipeline.subtitle import subtitle
from gptasr_subs.recognition.cache import open_journal
from gptasr_subs.recognition.loading import OWN, LazyRecognizer, split_model

STDOUT = Path("-")

_log = logging.getLogger(__name__)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")


@dataclass(frozen=True, slots=True)
class Failure:
    """A media file that got no subtitles, and why."""

    media: Path
    error: Exception


def check_options(options: Options, model: str = "default") -> None:
    """Raise UsageError for what no file could be written with, before any work is done."""
    if not _LANGUAGE.fullmatch(options.language):
        raise UsageError(f"{options.language!r} is no language code; write it like en or en-US.")
    if split_model(model)[0] == OWN and not same_language(options.language, "en"):
        _log.warning("The models write English; --lang %s only goes into the file's name.", options.language)
    if options.burn and not re.fullmatch(r"[\w&=,. #-]+", options.burn_style):
        raise UsageError("--burn-style is outline, box, or ASS fields such as Fontname=Arial,Fontsize=20.")
    try:
        target_paths(Path("film.mp4"), options)
    except FormatError as error:
        raise UsageError(str(error)) from error


def check_output(output: Path, formats: Sequence[str], inputs: int, *, into_film: bool = False) -> None:
    """Raise UsageError where one ``output`` (``-`` for stdout) cannot hold all that is asked for.

    ``formats`` are those a person named, if any; ``into_film``: the film is to be changed or copied, too.
    """
    if into_film and output == STDOUT:
        raise UsageError("--embed and --burn write films, so nothing can go to stdout; leave out --output -.")
    if inputs > 1:
        raise UsageError(f"--output names one file, but there are {inputs} inputs; use --output-dir instead.")
    if len(formats) > 1:
        raise UsageError(f"--output names one file, but --format asks for {len(formats)}; use --output-dir instead.")
    if formats and output != STDOUT and get_format(output.suffix).name not in formats:
        raise UsageError(f"--output {output.name!r} is no {formats[0]} file; leave out --format or change the name.")


def parse_formats(text: str) -> tuple[str, ...]:
    """Names of formats as ``srt,vtt`` lists them, each once. Raises UsageError."""
    try:
        names = [get_format(name.strip()).name for name in text.split(",") if name.strip()]
    except FormatError as error:
        raise UsageError(str(error)) from error
    if not names:
        raise UsageError("--format names no format; write for example --format srt,vtt.")
    return tuple(dict.fromkeys(names))


class Batch:
    """Subtitles one file after the other with the same options; the model is loaded once, when first needed."""

    def __init__(self, model: LazyRecognizer, options: Options, hooks: Hooks | None = None) -> None:
        """``model`` as ``lazy_model`` gives it; ``hooks`` are told of each file, by default the notifiers alone."""
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
            except Exception as error:  # a bug met in one film is no reason to leave out the next
                return self._failure(media, error)
        self._hooks.tell(event_of(result, self._options))
        return result

    def _failure(self, media: Path, error: Exception) -> Failure:
        self._hooks.tell(Event(media, "failed", reason=reason_of(error), language=self._options.language))
        return Failure(media, error)

    def _refuse_same_target(self, media: Path) -> None:
        """Films of one name in several folders would overwrite each other's subtitles in one --output-dir."""
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
