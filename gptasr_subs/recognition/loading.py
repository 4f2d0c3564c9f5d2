"""Recognisers by name: GPT-ASR or one of a plugin, loaded at once or when it is first needed."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path

from gptasr_subs.errors import GptasrError, ModelError
from gptasr_subs.glossary.terms import Glossary
from gptasr_subs.media.languages import same_language, shortest_code
from gptasr_subs.model.config import ModelConfig
from gptasr_subs.model.files import described_config
from gptasr_subs.plugins import find_entries
from gptasr_subs.recognition.gptasr import glossary_identity, load_gptasr, own_identity
from gptasr_subs.recognition.recognizer import GlossaryRecognizer, Recognizer
from gptasr_subs.types import FloatArray, Word

OWN = "gptasr"

_log = logging.getLogger(__name__)

_PREFIX = re.compile(r"([A-Za-z][\w.-]+):(.*)", re.DOTALL)  # one letter would be a disk of Windows


def load_model(
    name_or_path: str | Path = "default", device: str = "auto", language: str = "en"
) -> Recognizer:
    """Load GPT-ASR with a shipped, cached or own checkpoint, or a plugin's ``NAME:MODEL``.

    ``device`` is auto, cpu, cuda (or cuda:1) or mps; ``language`` is what is spoken. Raises
    ``ModelError`` where the model or the device is not there.
    """
    recognizer, model = split_model(name_or_path)
    if recognizer == OWN:
        return load_gptasr(model, device, language)
    try:
        return find_recognizer(recognizer)(str(model), device, language)
    except GptasrError:
        raise
    except Exception as error:  # third-party code may fail in any way
        raise ModelError(
            f"The recogniser {recognizer!r} cannot load {str(model)!r} ({error})."
        ) from error


def split_model(name_or_path: str | Path) -> tuple[str, str | Path]:
    """Split into recogniser and model: ``whisper:tiny.en`` is ``("whisper", "tiny.en")``.

    What has no prefix, and every file that is there, belongs to GPT-ASR.
    """
    prefix = _PREFIX.fullmatch(str(name_or_path))
    if not prefix or Path(name_or_path).exists():
        return OWN, name_or_path
    return prefix[1], prefix[2]


def find_recognizer(name: str) -> Callable[[str, str, str], Recognizer]:
    """What a plugin offers by this name: a function of a model's name, a device and a language.

    An empty name is the plugin's usual model. Raises ``ModelError`` where no installed package
    offers that name, or the one that does cannot be imported.
    """
    offered = {entry.name: entry for entry in find_entries("recognizers")}
    if name not in offered:
        known = ", ".join(sorted(offered)) or "none"
        raise ModelError(
            f"No installed package offers the recogniser {name!r}; there are: {known}."
        )
    try:
        return make_recognizer(offered[name].load())
    except Exception as error:  # a third-party import may fail in any way
        raise ModelError(
            f"The recogniser {name!r} cannot be loaded ({error}); reinstall its package."
        ) from error


def make_recognizer(plugin: object) -> Callable[[str, str, str], Recognizer]:
    """The function that a plugin's entry point names. Raises TypeError where it is none."""
    if not callable(plugin):
        raise TypeError("it is no function of a model, a device and a language")
    return plugin


class LazyRecognizer:
    """A recogniser that is loaded when it is needed.

    Its identity and what it takes may be known before.
    """

    def __init__(
        self,
        load: Callable[[], Recognizer],
        identity: str = "",
        describe: Callable[[], ModelConfig | None] = lambda: None,
        weights: str = "",
    ) -> None:
        """``load`` gives the recogniser.

        ``identity`` is what its ``identity`` will be, empty where not known. ``describe`` gives the
        config of the network, if it is known without loading it. ``weights`` is its ``weights``,
        by default that identity.
        """
        self._load = load
        self._identity = identity
        self._weights = weights or identity
        self._describe = describe
        self._loaded: Recognizer | None = None
        self.gives_readings = False
        self._listening: dict[str, LazyRecognizer] = {}  # for each glossary, by its digest
        self._loading = threading.Lock()

    def load(self) -> Recognizer:
        """The recogniser itself; raises what loading raises."""
        with self._loading:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def begin(self) -> None:
        """Load it in a thread, while audio is decoded and cut.

        What goes wrong is raised where it is needed.
        """

        def load() -> None:
            with suppress(Exception):
                self.load()

        threading.Thread(target=load, name="loading the model").start()

    @property
    def identity(self) -> str:
        """Which weights these are."""
        return self._identity or raw_identity(self.load())

    @property
    def weights(self) -> str:
        """Which weights these are, whatever the glossary; empty where that is not known."""
        return self._weights or str(getattr(self.load(), "weights", ""))

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

    def with_glossary(self, glossary: Glossary) -> LazyRecognizer:
        """As the protocol ``GlossaryRecognizer`` says; a model that takes none stays as it is."""
        if glossary.digest not in self._listening:
            listening = self._listening[glossary.digest] = LazyRecognizer(
                lambda: with_glossary(self.load(), glossary),
                glossary_identity(self._identity, glossary),
                self._describe,
                self._weights,
            )
            listening.gives_readings = self.gives_readings
        return self._listening[glossary.digest]

    def with_readings(self) -> LazyRecognizer:
        """As the protocol ``ReadingsRecognizer`` says; a model that has none stays as it is."""
        telling = LazyRecognizer(lambda: with_readings(self.load()), self._identity, self._describe)
        telling.gives_readings = True
        return telling

    def transcribe(
        self, clips: Sequence[FloatArray], *, batch_size: int = 0, beams: int = 0
    ) -> Iterator[tuple[int, list[Word]]]:
        """As the protocol says."""
        return self.load().transcribe(clips, batch_size=batch_size, beams=beams)


def with_glossary(recognizer: Recognizer, glossary: Glossary) -> Recognizer:
    """The recogniser listening for the terms; one that cannot stays as it is, and that is said."""
    if not glossary:
        return recognizer
    if isinstance(recognizer, GlossaryRecognizer):
        return recognizer.with_glossary(glossary)
    _log.warning(
        "The model %r cannot be told which words to expect, so the glossary is not used.",
        recognizer.name,
    )
    return recognizer


def with_readings(recognizer: Recognizer) -> Recognizer:
    """The recogniser whose words also have their ``readings``; one that has none stays as it is."""
    # Not by isinstance, which would ask a lazy one for its name, and so load it
    if not hasattr(recognizer, "with_readings"):
        return recognizer
    telling: Recognizer = recognizer.with_readings()
    return telling


def gives_readings(recognizer: Recognizer) -> bool:
    """Whether the words of a recogniser have their ``readings``."""
    return bool(getattr(recognizer, "gives_readings", False))


def lazy_model(
    name_or_path: str | Path = "default", device: str = "auto", language: str = "en"
) -> LazyRecognizer:
    """What ``load_model`` gives, loaded when it is needed. Raises nothing before."""
    # Models expect English by default
    spoken = () if same_language(language, "en") else (language,)
    load = partial(load_model, name_or_path, device, *spoken)
    recognizer, model = split_model(name_or_path)
    if recognizer != OWN:
        return LazyRecognizer(load)
    identity = ""
    with suppress(ModelError, OSError):  # loading it will say what is wrong
        identity = own_identity(model or "default")
    return LazyRecognizer(load, identity, partial(described_config, model or "default"))


def identity_of(recognizer: Recognizer, language: str = "en") -> str:
    """Identify a recogniser for the journal: two that may find other words must differ in it.

    That is its attribute ``identity`` where it has one (empty: nothing is to be remembered), else
    its class and name, with the language that is spoken.
    """
    identity = raw_identity(recognizer)
    return f"{identity} {shortest_code(language)}" if identity else ""


def weights_of(recognizer: Recognizer, language: str = "en") -> str:
    """As ``identity_of``, the same for all glossaries; empty for one that does not tell."""
    weights = str(getattr(recognizer, "weights", ""))
    return f"{weights} {shortest_code(language)}" if weights else ""


def raw_identity(recognizer: Recognizer) -> str:
    """As ``identity_of``, without the language."""
    if hasattr(recognizer, "identity"):
        return str(recognizer.identity)
    kind = type(recognizer)
    return f"{kind.__module__}.{kind.__qualname__} {recognizer.name}"
