"""What else a word may be, by the beams that wrote other words on the way."""

from __future__ import annotations

import torch

from gptasr_subs.model.decoding.readings import Rival, RivalWatch, read_otherwise
from gptasr_subs.model.tokenizer import CharacterTokenizer
from tests.support.tiny import train_bpe

TEXTS = ["See the two white birds near the water.", "sea to a live alive in"]
TOKENIZER = train_bpe(TEXTS, 60)


def rival(text: str, behind: float, ended: bool = True) -> Rival:
    return Rival(tuple(TOKENIZER.encode(text)), ended, behind)


def read(text: str, *rivals: Rival) -> list[tuple[str, ...]]:
    return read_otherwise(text, rivals, TOKENIZER)


def test_readings_come_nearest_first_with_the_marks_of_the_word() -> None:
    found = read(
        "See the two white birds.",
        rival("Sea the two white birds.", 2.0),
        rival("See the to white birds.", 1.0),
        rival("see the two, white beds", 0.5),  # case and marks are no other reading
        rival("See the a white birds", 0.2),
    )
    assert found == [("Sea",), (), ("a", "to"), (), ("beds.",)]


def test_a_reading_may_be_several_words() -> None:
    assert read("near alive birds", rival("near a live birds", 1.0))[1] == ("a live",)
    assert read("near birds", rival("near the white water birds", 1.0)) == [(), ()]


def test_beams_that_were_dropped_count_up_to_their_last_whole_word() -> None:
    found = read("See the two white birds", rival("See the to whi", 1.0, ended=False))
    assert found == [(), (), ("to",), (), ()]


def test_the_watch_sees_what_beams_wrote_and_how_far_behind() -> None:
    watch = RivalWatch(stop=0)
    clips = torch.tensor([3, 5])
    tokens = torch.tensor([[[1, 7], [1, 8]], [[1, 9], [1, 9]]])
    scores = torch.tensor([[-1.0, -2.5], [-1.0, -100.0]])
    for step in range(2):
        watch.look(clips, torch.cat([tokens, torch.full((2, 2, step), 0)], -1), scores)
    assert watch.rivals(3) == (Rival((7,), True, 0.0), Rival((8,), True, 1.5))
    assert watch.rivals(5) == (Rival((9,), True, 0.0),)
    assert watch.rivals(4) == ()


def test_a_text_without_words_has_no_readings() -> None:
    assert read_otherwise("", [Rival((1,), True, 0.0)], CharacterTokenizer()) == []
