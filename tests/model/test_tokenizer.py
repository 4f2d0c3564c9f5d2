"""Every vocabulary writes what it can and reads back what it wrote."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken
from tokenizers import Tokenizer as Backend
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import Whitespace

from gptasr_subs.errors import ModelError
from gptasr_subs.model.tokenizer import (
    BpeTokenizer,
    CharacterTokenizer,
    Tokenizer,
    tokenizer_from_json,
)
from tests.support.tiny import train_bpe

START = 1
STOP = 0

TEXTS = ["Hello there, it's a long day.", "What's the day-to-day?", "the long and the short of it"]
OWN = train_bpe(TEXTS, 50)


def published_like() -> BpeTokenizer:
    """A vocabulary of the published form: lower case, spaces and the unknown as tokens."""
    letters = ["[STOP]", "[UNK]", "[SPACE]", *"!',.?", *"abcdefghijklmnopqrstuvwxyz", "th", "the"]
    vocabulary = {token: index for index, token in enumerate(letters)}
    backend = Backend(BPE(vocabulary, [("t", "h"), ("th", "e")], unk_token="[UNK]"))
    backend.add_special_tokens([AddedToken(token, normalized=False) for token in letters[:3]])
    backend.pre_tokenizer = Whitespace()
    return BpeTokenizer(backend.to_str())


def test_generation_1_symbols_stand_where_its_weights_expect_them() -> None:
    tokenizer = CharacterTokenizer()
    assert tokenizer.size == 148
    places = {
        "_": 0,
        "-": 1,
        "!": 2,
        "'": 3,
        " ": 11,
        "A": 12,
        "Z": 37,
        "a": 38,
        "z": 63,
        "@AA": 64,
        "@ZH": 147,
    }
    assert {symbol: tokenizer.symbols.index(symbol) for symbol in places} == places
    assert len(set(tokenizer.symbols)) == 148


def test_characters_keep_case_and_drop_what_they_cannot_write() -> None:
    tokenizer = CharacterTokenizer()
    assert tokenizer.decode(tokenizer.encode("Hello,  wor-ld é5_?")) == "Hello, wor-ld ?"
    assert tokenizer.decode([0, 19, 148, 70, 42, 999]) == "He"


def test_published_form_writes_spaces_as_a_token_and_lowers_case() -> None:
    tokenizer = published_like()
    tokens = tokenizer.encode("The  man,\nthe day")
    assert tokens[:2] == [tokenizer.size - 1, 2] and tokens.count(2) == 3
    assert tokenizer.decode([*tokens, STOP, tokenizer.size]) == "the man, the day"
    assert tokenizer.pieces([STOP, 1, 2, tokenizer.size, tokens[0]]) == ["", "", " ", "", "the"]


def test_published_form_drops_what_it_does_not_know() -> None:
    tokenizer = published_like()
    assert tokenizer.decode(tokenizer.encode("a “b” 7 c")) == "a b c"


def test_trained_vocabulary_reserves_stop_and_start() -> None:
    assert OWN.pieces([STOP, START]) == ["", ""]
    assert OWN.size == 50
    assert min(OWN.encode("the day")) > START


def test_first_word_and_later_words_share_their_tokens() -> None:
    assert OWN.encode("the long the") == [
        *OWN.encode("the"),
        *OWN.encode("long"),
        *OWN.encode("the"),
    ]


def test_special_tokens_cannot_be_written_by_the_text() -> None:
    assert not {STOP, START} & set(OWN.encode("the [STOP] day [START]"))


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(sorted({c for text in TEXTS for c in text})), max_size=40).map("".join)
)
def test_what_the_alphabet_can_write_reads_back(text: str) -> None:
    assert OWN.decode(OWN.encode(text)) == " ".join(text.split())


@pytest.mark.parametrize(
    "tokenizer",
    [CharacterTokenizer(), OWN, published_like()],
    ids=["characters", "own", "published"],
)
def test_pieces_join_to_the_text_and_json_reads_back(tokenizer: Tokenizer) -> None:
    tokens = tokenizer.encode("it's the long day?")
    assert (
        "".join(tokenizer.pieces(tokens)).strip()
        == tokenizer.decode(tokens)
        == "it's the long day?"
    )
    again = tokenizer_from_json(tokenizer.to_json())
    assert (again.encode("the short day"), again.size) == (
        tokenizer.encode("the short day"),
        tokenizer.size,
    )
    json.loads(tokenizer.to_json())


@pytest.mark.parametrize("text", ["", "not json", "[]", "{}", '{"model": 5}'])
def test_other_text_is_no_vocabulary(text: str) -> None:
    with pytest.raises(ModelError, match="fetch"):
        tokenizer_from_json(text)
