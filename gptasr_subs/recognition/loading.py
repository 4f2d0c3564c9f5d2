"""A recogniser that is loaded when it is needed, and what the journal knows it by before."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path

from gptasr_subs.errors import ModelError
from gptasr_subs.media.languages import same_language, shortest_code
from gptasr_subs.model.config import ModelConfig
from gptasr_subs.model.folders import described_config
from gptasr_subs.recognition import gptasr as recognizers
from gptasr_subs.recognition.gptasr import OWN, Recognizer, own_identity, split_model
from gptasr_subs.types import FloatArray, Word


class LazyRecognizer:
    """A recogniser that is loaded when it is needed; its identity and what it takes may be known before."""

    def __init__(
        self,
        load: Callable[[], Recognizer],
        identity: str = "",
        describe: Callable[[], ModelConfig | None] = lambda: None,
    ) -> None:
        """``load`` gives the recogniser; ``identity`` is what its ``identity`` will be, empty where not known.

        ``describe`` gives the shape of the network, if it can be told without loading it.
        """
        self._load, self._identity, self._describe = load, identity, describe
        self._loaded: Recognizer | None = None
        self._loading = threading.Lock()

    def load(self) -> Recognizer:
        """The recogniser itself; raises what loading raises."""
        with self._loading:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def begin(self) -> None:
        """Load it in a thread, while sound is decoded and cut; what goes wrong is raised where it is needed."""

        def load() -> None:
            with suppress(Exception):
                self.load()

        threading.Thread(target=load, name="loading the model").start()

    @property
    def identity(self) -> str:
        """Which weights these are."""
        return self._identity or raw_identity(self.load())

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.load().name

    @property
    def sample_rate(self) -> int:
        """Samples a second that ``transcribe`` expects."""
        return self._described.front_end.sample_rate if self._described else self.load().sample_rate

    @property
    def max_seconds(self) -> float:
        """The longest window it takes."""
        return self._described.max_seconds if self._described else self.load().max_seconds

    @cached_property
    def _described(self) -> ModelConfig | None:
        return self._describe()

    def transcribe(
        self, clips: Sequence[FloatArray], *, batch_size: int = 0, beams: int = 0
    ) -> Iterator[tuple[int, list[Word]]]:
        """As the protocol says."""
        return self.load().transcribe(clips, batch_size=batch_size, beams=beams)


def lazy_model(name_or_path: str | Path = "default", device: str = "auto", language: str = "en") -> LazyRecognizer:
    """What ``load_model`` gives, loaded when it is needed. Raises nothing before."""
    spoken = () if same_language(language, "en") else (language,)  # models expect English unless they are told
    load = partial(recognizers.load_model, name_or_path, device, *spoken)
    return LazyRecognizer(load, _known_identity(name_or_path), partial(_known_config, name_or_path))


def _known_config(name_or_path: str | Path) -> ModelConfig | None:
    recognizer, model = split_model(name_or_path)
    return described_config(model or "default") if recognizer == OWN else None


def _known_identity(name_or_path: str | Path) -> str:
    recognizer, model = split_model(name_or_path)
    try:
        return own_identity(model or "default") if recognizer == OWN else ""
    except (ModelError, OSError):  # loading it will say what is wrong
        return ""


def identity_of(recognizer: Recognizer, language: str = "en") -> str:
    """What the journal knows a recogniser by: two that may find other words in the same sound must differ in it.

    That is its attribute ``identity`` where it has one (empty: nothing is to be remembered), else its class and name,
    with the language that it was told is spoken.
    """
    identity = raw_identity(recognizer)
    return f"{identity} {shortest_code(language)}" if identity else ""


def raw_identity(recognizer: Recognizer) -> str:
    """As ``identity_of``, without the language."""
    if hasattr(recognizer, "identity"):
        return str(recognizer.identity)
    kind = type(recognizer)
    return f"{kind.__module__}.{kind.__qualname__} {recognizer.name}"
