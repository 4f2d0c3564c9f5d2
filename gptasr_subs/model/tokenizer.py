"""Text to tokens and back: characters in generation 1, byte-pair encodings otherwise."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Protocol

from tokenizers import Tokenizer as Backend

from gptasr_subs.errors import ModelError

_SPACE_TOKEN = "[SPACE]"  # how the published vocabulary writes a space
_WORD_START = "\u2581"  # how our own does: at the front of each word
_CHARACTERS = "characters"
_VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW"
_CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH"


class Tokenizer(Protocol):
    """What decoding needs to know of a vocabulary."""

    @property
    def size(self) -> int:
        """Number of tokens, a start token that stands outside the vocabulary not counted."""

    def __hash__(self) -> int:
        """What is computed from a tokenizer is kept for it."""

    def encode(self, text: str) -> list[int]:
        """Return tokens of ``text`` without start and stop.

        What the vocabulary cannot write is left out.
        """

    def pieces(self, tokens: Sequence[int]) -> list[str]:
        """Return what each token adds to the text; empty for special and unknown tokens."""

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of ``tokens``, special tokens skipped, spaces single."""

    def to_json(self) -> str:
        """Return what ``tokenizer_from_json`` reads back."""


class CharacterTokenizer:
    """One token a character: what generation 1 writes. Its ARPAbet symbols decode to nothing."""

    def __init__(self) -> None:
        """Build the table."""
        # 148 symbols: pad, punctuation, letters, ARPAbet with stress digits
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        stressed = [vowel + stress for vowel in _VOWELS.split() for stress in ("", "0", "1", "2")]
        phones = ["@" + phone for phone in sorted([*stressed, *_CONSONANTS.split()])]
        self.symbols = [*"_-!'(),.:;? ", *letters, *letters.lower(), *phones]
        self._ids = {
            symbol: index for index, symbol in enumerate(self.symbols) if index and len(symbol) == 1
        }
        self._characters = {index: symbol for symbol, index in self._ids.items()}

    @property
    def size(self) -> int:
        """148; the start token is the next number."""
        return len(self.symbols)

    def encode(self, text: str) -> list[int]:
        """One token for each character that the table has."""
        return [self._ids[character] for character in text if character in self._ids]

    def pieces(self, tokens: Sequence[int]) -> list[str]:
        """One character for each token, or none."""
        return [self._characters.get(token, "") for token in tokens]

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the characters, spaces single."""
        return _tidy(self.pieces(tokens))

    def to_json(self) -> str:
        """Return a name: the table never changes."""
        return json.dumps({"type": _CHARACTERS})


class BpeTokenizer:
    """Byte-pair encoding from the JSON of Hugging Face ``tokenizers``, published or our own."""

    def __init__(self, text: str) -> None:
        """``text`` is that JSON; raises ``ModelError`` where it is not."""
        try:
            self._backend = Backend.from_str(text)
        except Exception as error:  # the backend raises bare ``Exception``
            raise ModelError(
                f"The vocabulary of the checkpoint cannot be read ({error}); fetch it again."
            ) from error
        vocabulary = self._backend.get_vocab()
        self._published = _SPACE_TOKEN in vocabulary
        special = {token.content for token in self._backend.get_added_tokens_decoder().values()}
        # Our own vocabulary marks the front of a word, the published one has a token for the space.
        self._pieces = {
            index: token if self._published else token.replace(_WORD_START, " ")
            for token, index in vocabulary.items()
            if token not in special
        }
        if self._published:
            self._pieces[vocabulary[_SPACE_TOKEN]] = " "
        self._size = max(vocabulary.values()) + 1

    @property
    def size(self) -> int:
        """Tokens in the vocabulary.

        255 in the published one, whose start token is the next number.
        """
        return self._size

    def encode(self, text: str) -> list[int]:
        """Return tokens of ``text``; the published vocabulary knows lower case only."""
        text = " ".join(text.split())
        if self._published:
            text = text.lower().replace(" ", _SPACE_TOKEN)
        known: list[int] = [
            token for token in self._backend.encode(text).ids if token in self._pieces
        ]
        return known

    def pieces(self, tokens: Sequence[int]) -> list[str]:
        """Return what each token adds to the text."""
        return [self._pieces.get(token, "") for token in tokens]

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text, spaces single."""
        return _tidy(self.pieces(tokens))

    def to_json(self) -> str:
        """Return the JSON this was built from, as the backend writes it."""
        return self._backend.to_str()


def tokenizer_from_json(text: str) -> Tokenizer:
    """Inverse of ``to_json`` for every tokenizer; raises ``ModelError``."""
    try:
        kind = json.loads(text).get("type")
    except (ValueError, AttributeError) as error:
        raise ModelError(
            "The vocabulary of the checkpoint is not JSON; fetch the checkpoint again."
        ) from error
    return CharacterTokenizer() if kind == _CHARACTERS else BpeTokenizer(text)


def _tidy(pieces: Sequence[str]) -> str:
    return " ".join("".join(pieces).split())
