"""What the journal knows of one video: the words of its windows, and the sounds in them.

A recogniser whose words depend on no more of a glossary than the terms that may be spoken in a
window gives its sounds along. They are kept, and tell which terms those are: a window is known as
long as they stay the same, and another glossary has few windows read again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from gptasr_subs.errors import error_line
from gptasr_subs.glossary.terms import Glossary
from gptasr_subs.recognition.transcript import Transcript, WordsWithSounds, recognized_window
from gptasr_subs.speech.segmentation import Window
from gptasr_subs.types import Span, Word

if TYPE_CHECKING:  # they bring torch along, which what was recognised already does without
    from gptasr_subs.glossary.writing import TermWriter
    from gptasr_subs.model.decoding.spotting import TermSpotter

TABLES = {"words": "windows", "sounds": "sounds"}  # of the parts of a video


class Record:
    """What the journal knows of one video, and what of it has failed in this run."""

    def __init__(
        self,
        ask: Callable[..., list[tuple[Any, ...]]],
        number: int | None,
        settings: bytes,
        *,
        plain: bytes,
        glossary: Glossary,
        readings: bool,
    ) -> None:
        """Made by ``Journal.record``; without a ``number`` nothing is remembered.

        ``ask`` gives rows of its database; ``plain`` are the ``settings`` without the ``glossary``.
        """
        self._ask = ask
        self._number = number
        self._settings = settings
        self._plain = plain
        self._glossary = glossary
        self._readings = readings
        self._keys: dict[Span, tuple[bytes, bytes]] = {}  # of a window's sounds, and of its words
        self._finished: Transcript | None = None
        self.failed: list[tuple[Span, str]] = []

    def recall(self, window: Window) -> list[Word] | None:
        """The words of a window, in seconds from its start; None where it has to be recognised."""
        return None if self._number is None else self._words(self._key(window))

    def store(self, window: Window, words: Sequence[Word]) -> None:
        """Put the words of a window on disk at once."""
        if isinstance(words, WordsWithSounds):
            if self._number is not None:
                # The window may have failed before.
                failure = "DELETE FROM windows WHERE key = ? AND words IS NULL"
                self._ask(failure, self._key(window))
                key = self._keys.pop(window.span)[0]  # that of the words changes with the sounds
                sql = "INSERT OR REPLACE INTO sounds (key, film, sounds) VALUES (?, ?, ?)"
                self._ask(sql, key, self._number, words.sounds)
            words = words.plain
        count = 5 if self._readings else 4
        fields = [[w.text, w.start, w.end, w.confidence, w.readings][:count] for w in words]
        self._write(window, json.dumps(fields))

    def mark_failed(self, window: Window, error: Exception) -> None:
        """Note that a window could not be recognised; the next run tries it again."""
        reason = error_line(error)
        self.failed.append((window.span, reason))
        self._write(window, None, reason)

    def finish(self, transcript: Transcript) -> None:
        """Note that the video is done, and where its windows lie."""
        if self._number is None or self.failed:
            return
        windows = [
            [*_pair(h.span), [_pair(s) for s in h.speech], *map(bytes.hex, self._keys[h.span])]
            for h in transcript.windows
        ]
        layout = json.dumps([transcript.seconds, windows])
        sql = "UPDATE films SET layout = ?, model = ? WHERE id = ?"
        self._ask(sql, layout, transcript.model, self._number)

    def finished(self) -> Transcript | None:
        """The whole video, if it was finished and all of it is still there."""
        if self._finished is None and (layout := self._layout()) is not None:
            seconds, windows = layout
            recognized = []
            for start, end, speech, _, key in windows:
                words = self._words(bytes.fromhex(key))
                if words is None:
                    return None
                recognized.append(
                    recognized_window(Span(start, end), [Span(*pair) for pair in speech], words)
                )
            rows = self._ask("SELECT model FROM films WHERE id = ?", self._number)
            self._finished = Transcript(rows[0][0], seconds, tuple(recognized))
        return self._finished

    def windows_with(self, glossary: Glossary) -> list[Span]:
        """Where in a finished video a term of ``glossary`` may be spoken, by the sounds alone."""
        from gptasr_subs.model.decoding.spotting import TermSpotter

        spotter = TermSpotter(glossary.sounds)
        _, windows = self._layout() or (0.0, [])
        return [
            Span(start, end)
            for start, end, _, sounds, _ in windows
            if self._spotted(bytes.fromhex(sounds), spotter)
        ]

    def _layout(self) -> list[Any] | None:
        rows = self._ask("SELECT layout FROM films WHERE id = ?", self._number)
        return _unpacked(rows[0][0]) if rows else None

    def _key(self, window: Window) -> bytes:
        if window.span not in self._keys:
            samples = window.samples.tobytes()
            sounds = hash_of(self._plain, samples)
            terms = self._spotted(sounds, self._spotter)
            # Where no term of the glossary is spotted, the words are those without one.
            words = hash_of(self._settings, samples) if terms is None else hash_of(sounds, terms)
            self._keys[window.span] = sounds, words
        return self._keys[window.span][1]

    def _spotted(self, key: bytes, spotter: TermSpotter) -> bytes | None:
        """The terms that may be spoken in a window; None where its sounds are not known."""
        from gptasr_subs.model.decoding.spotting import unpack

        sounds = unpack(self._kept("sounds", key))
        if sounds is None:
            return None
        terms = sorted(spotter.spot(sounds))
        return repr((terms, spotter.log_prior)).encode() if terms else b""

    @cached_property
    def _spotter(self) -> TermSpotter:
        from gptasr_subs.model.decoding.spotting import TermSpotter

        return TermSpotter(self._glossary.sounds)

    @cached_property
    def _term_writer(self) -> TermWriter:
        from gptasr_subs.glossary.writing import TermWriter

        return TermWriter(self._glossary)

    def _words(self, key: bytes) -> list[Word] | None:
        stored = _unpacked(self._kept("words", key))
        if stored is None or (self._readings and any(len(fields) < 5 for fields in stored)):
            return None
        words = [Word(*fields[:4], *map(tuple, fields[4:])) for fields in stored]
        return words if self._plain == self._settings else self._term_writer.write(words)

    def _kept(self, what: str, key: bytes) -> Any:
        """The ``words`` or ``sounds`` of a window; None where there are none."""
        table = TABLES[what]
        rows = self._ask(f"SELECT {what}, film FROM {table} WHERE key = ?", key)
        # Of another video with the same audio; it must not be forgotten with that one
        if rows and rows[0][1] != self._number:
            self._ask(f"UPDATE {table} SET film = ? WHERE key = ?", self._number, key)
        return rows[0][0] if rows else None

    def _write(self, window: Window, words: str | None, error: str | None = None) -> None:
        if self._number is not None:
            sql = "INSERT OR REPLACE INTO windows (key, film, words, error) VALUES (?, ?, ?, ?)"
            self._ask(sql, self._key(window), self._number, words, error)


def hash_of(*parts: bytes) -> bytes:
    """Return 16 bytes that stand for ``parts``."""
    state = blake2b(digest_size=16)
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.digest()


def _unpacked(text: str | None) -> list[Any] | None:
    """A stored list; None where there is none, or it is damaged."""
    try:
        stored = json.loads(text or "null")
    except ValueError:
        return None
    return stored if isinstance(stored, list) else None


def _pair(span: Span) -> list[float]:
    return [span.start, span.end]
