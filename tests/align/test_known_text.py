"""A known text is timed by the audio: on planted letters, on the sample and on real voices."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from gptasr_subs.align.known_text import (
    CtcEmissions,
    align_script,
    compute_emissions,
    read_text_or_cues,
)
from gptasr_subs.align.retiming import align_cues
from gptasr_subs.errors import FormatError
from gptasr_subs.formats import Document, read, render, write
from gptasr_subs.model import files
from gptasr_subs.model.ctc import normalize_text
from gptasr_subs.pipeline.recognize import recognize_file
from gptasr_subs.recognition.gptasr import GptAsrRecognizer
from gptasr_subs.types import Cue, Span
from tests.support.ended import Program, one_line
from tests.support.films import REFERENCE_TALK as TALK
from tests.support.films import make_film
from tests.support.planted import said

REPOSITORY = Path(__file__).parents[2]
SAMPLE = REPOSITORY / "examples" / "sample.mp4"
SHIPPED = files.SHIPPED  # before a fixture hides it

LINES = ["one for the money", "two for the show", "three to make ready", "and four to go"]


FILLER = ["a long speech about something else altogether", "that nobody wrote down anywhere"]


def shifted(spans: list[Span], lines: list[str], ratio: float, offset: float) -> list[Cue]:
    return [
        Cue(ratio * span.start + offset, ratio * span.end + offset, (line,))
        for span, line in zip(spans, lines, strict=True)
    ]


def test_a_script_is_timed_and_what_is_not_said_is_told() -> None:
    emissions, spans = said(LINES)
    words, unspoken = align_script(
        "One for the money, [a door] \n two for the show: abracadabra!\n" + "\n".join(LINES[2:]),
        emissions,
    )
    assert normalize_text(" ".join(word.text for word in words)) == " ".join(LINES)
    assert unspoken == ["abracadabra!", "[a door]"]
    firsts = [word for word in words if word.text.lower() in ("one", "two", "three", "and")]
    assert [word.start for word in firsts] == pytest.approx([span.start for span in spans])


@pytest.mark.parametrize("text", ["", "1 2 3\n", "君がそうだったように", "[a door]"])
def test_a_text_without_a_word_to_listen_for_is_refused_at_once(tmp_path: Path, text: str) -> None:
    (tmp_path / "script.txt").write_text(text, encoding="utf-8")
    with pytest.raises(FormatError, match="no word in Latin letters to listen for"):
        read_text_or_cues(tmp_path / "script.txt")


@pytest.mark.parametrize(
    ("name", "like"), [("old.ssa", "ass"), ("old.dfxp", "ttml"), ("old.xml", "ttml")]
)
def test_subtitles_of_rarer_names_are_not_taken_for_a_script(
    name: str, like: str, tmp_path: Path
) -> None:
    cues = [Cue(1.0, 2.0, ("One for the money",))]
    (tmp_path / name).write_text(render(Document(tuple(cues)), like))
    assert read_text_or_cues(tmp_path / name) == cues


def test_of_a_text_that_is_far_longer_than_the_film_what_is_said_is_placed() -> None:
    emissions, spans = said(LINES)
    elsewhere = "\n".join(FILLER)
    words, unspoken = align_script("\n".join([elsewhere, *LINES, elsewhere]), emissions)
    found = [word for word in words if word.text in ("one", "two", "three", "and")]
    assert [word.start for word in found] == pytest.approx([span.start for span in spans], abs=0.1)
    assert len(" ".join(unspoken).split()) >= 0.8 * 2 * len(elsewhere.split())
    alphabet = [f"{letter}{line}" for letter in "bcdfghjkl" for line in FILLER]
    with pytest.raises(FormatError, match="belong together"):
        align_script("\n".join([*LINES, *alphabet]), said(LINES[:1])[0])


@pytest.mark.parametrize("each", [True, False, None])
def test_a_subtitle_comes_back_to_its_voice(each: bool | None) -> None:
    emissions, spans = said(LINES)
    timed = align_cues(shifted(spans, LINES, 1.0, 3.2), emissions, each=each)
    assert [cue.text for cue in timed.cues] == LINES
    assert [cue.start for cue in timed.cues] == pytest.approx(
        [span.start for span in spans], abs=0.02
    )
    assert all(cue.end >= span.end - 0.02 for cue, span in zip(timed.cues, spans, strict=True))
    assert timed.shift.offset == pytest.approx(-3.2, abs=0.02) and timed.shift.confidence > 0.9
    assert timed.unspoken == ()


def test_each_cue_finds_its_own_voice_where_no_one_shift_fits() -> None:
    emissions, spans = said(LINES)
    crooked = [
        Cue(span.start + late, span.end + late, (line,))
        for span, line, late in zip(spans, LINES, (0, 0.9, -0.4, 1.5), strict=True)
    ]
    timed = align_cues(crooked, emissions, each=True)
    assert [cue.start for cue in timed.cues] == pytest.approx(
        [span.start for span in spans], abs=0.02
    )


def test_a_cue_that_is_not_said_keeps_its_place_and_is_told() -> None:
    emissions, spans = said(LINES)
    cues = shifted(spans, LINES, 1.0, 1.0)
    cues.insert(2, Cue(cues[1].end + 0.1, cues[2].start - 0.1, ("abracadabra zebra xylophone",)))
    timed = align_cues(cues, emissions)
    assert [cue.text for cue in timed.cues] == [cue.text for cue in cues]
    assert timed.unspoken == ("abracadabra zebra xylophone",)
    assert timed.cues[2].start == pytest.approx(cues[2].start - 1.0, abs=0.05)


def test_a_text_of_another_film_is_refused() -> None:
    emissions, _spans = said(LINES)
    strange = ["whereas", "quixotic", "jugglers", "vexed", "many"]
    with pytest.raises(FormatError, match="belong together"):
        align_script(" ".join(strange), emissions)
    with pytest.raises(FormatError, match="belong together"):
        align_cues([Cue(0, 1, (word,)) for word in strange], emissions)


@pytest.fixture(scope="module")
def sample(model: GptAsrRecognizer) -> list[Cue]:
    """The sample's cues at their true times."""
    return list(recognize_file(SAMPLE, model).cues)


def stretched(cues: list[Cue]) -> list[Cue]:
    ratio = 25 / 23.976
    return [Cue(ratio * cue.start + 3.2, ratio * cue.end + 3.2, cue.lines) for cue in cues]


def test_a_stretched_and_shifted_subtitle_of_the_sample_comes_back(
    model: GptAsrRecognizer,
    sample: list[Cue],
    program: Program,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(files, "SHIPPED", SHIPPED)
    write(tmp_path / "late.srt", stretched(sample))
    ended = program("align", SAMPLE, tmp_path / "late.srt", "-o", tmp_path / "mended.srt")
    assert ended.code == 0, ended.err
    assert "runs slow by 25/23.976 and begins 3.2" in ended.err
    mended = read(tmp_path / "mended.srt")
    assert [cue.text for cue in mended] == [cue.text for cue in sample]
    apart = [abs(cue.start - true.start) for cue, true in zip(mended, sample, strict=True)]
    assert np.median(apart) <= 0.1 and max(apart) <= 0.3


def test_fix_with_the_film_times_cues_by_their_voices(
    program: Program, fake: object, tmp_path: Path
) -> None:
    film = make_film(tmp_path / "talk.mp4")
    write(
        tmp_path / "late.srt", [Cue(3.5, 5.0, ("one two three",)), Cue(7.5, 8.5, ("four Five.",))]
    )
    ended = program("fix", tmp_path / "late.srt", "--video", film, "-o", tmp_path / "fixed.srt")
    assert ended.code == 0, ended.err
    fixed = read(tmp_path / "fixed.srt")
    assert [cue.text for cue in fixed] == ["one two three", "four Five."]
    assert [cue.start for cue in fixed] == pytest.approx([1.0, 5.0], abs=0.1)


def test_the_script_of_the_sample_becomes_subtitles(model: GptAsrRecognizer) -> None:
    text = (REPOSITORY / "examples" / "sample.txt").read_text(encoding="utf-8")
    words, unspoken = align_script(text, compute_emissions(SAMPLE, model))
    assert len(unspoken) <= 2 and len(words) >= 0.95 * len(text.split())
    assert all(before.end <= after.start + 1e-9 for before, after in itertools.pairwise(words))


def test_problems_are_one_sentence(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "SHIPPED", SHIPPED)
    (tmp_path / "strange.txt").write_text(
        "whereas quixotic jugglers vexed many dozens of xylophone buyers " * 5
    )
    ended = program(
        "align", "--quiet", SAMPLE, tmp_path / "strange.txt", "-o", tmp_path / "out.srt"
    )
    assert ended.code == 1 and "belong together" in one_line(ended.err)
    assert not (tmp_path / "out.srt").exists()
    (tmp_path / "out.srt").write_text("mine")
    ended = program("align", SAMPLE, tmp_path / "strange.txt", "-o", tmp_path / "out.srt")
    assert ended.code == 1 and "--overwrite" in one_line(ended.err)
    assert (tmp_path / "out.srt").read_text() == "mine"


@pytest.mark.skipif(not TALK.exists(), reason="the reference film is not at hand")
def test_a_subtitle_of_real_voices_comes_back(model: GptAsrRecognizer) -> None:
    truth = json.loads(TALK.with_name("talk.truth.json").read_text())["speech"]
    true = [Cue(utterance["start"], utterance["end"], (utterance["text"],)) for utterance in truth]
    emissions = compute_emissions(TALK, model)
    for each in (False, True):
        timed = align_cues(stretched(true), emissions, each=each)
        apart = [
            abs(cue.start - utterance.start)
            for cue, utterance in zip(timed.cues, true, strict=True)
        ]
        assert np.median(apart) <= 0.1 and np.percentile(apart, 95) <= 0.25
        assert timed.shift.confidence > 0.8


@pytest.mark.skipif(not TALK.exists(), reason="the reference film is not at hand")
def test_a_piece_of_real_voices_is_found_to_its_first_and_last_word(
    model: GptAsrRecognizer,
) -> None:
    truth = json.loads(TALK.with_name("talk.truth.json").read_text())["speech"]
    emissions = compute_emissions(TALK, model)
    lost = total = 0
    for piece in map(list, zip(truth, truth[1:], truth[2:], strict=False)):
        text = " ".join(part["text"] for part in piece)
        _, unspoken = align_script(text, emissions)
        lost += sum(len(phrase.split()) for phrase in unspoken)
        total += len(text.split())
    assert lost <= 0.03 * total


def unclear(emissions: CtcEmissions, span: Span, noise: float = 0.2) -> None:
    """Make what is said in a span less clear."""
    inside = slice(round(span.start / emissions.frame), round(span.end / emissions.frame))
    clear = np.exp(emissions.log_probs[inside])
    emissions.log_probs[inside] = np.log((1 - noise) * clear + noise / clear.shape[1])


@pytest.mark.parametrize("place", [0, 2, 6])
def test_an_unclear_word_is_found_between_its_neighbours_and_not_elsewhere(place: int) -> None:
    """The first, a middle and the last word of a text, in a film that says them again."""
    text = "one for the money and the show"
    word = text.split()[place]
    emissions, spans = said([f"{word} before", *FILLER, text, *FILLER, f"then {word}"])
    letters = sum(len(other) for other in text.split()[:place])
    start = spans[1 + len(FILLER)].start + emissions.frame * (2 * letters + 3 * place)
    span = Span(start, start + 2 * len(word) * emissions.frame)
    unclear(emissions, span, noise=0.6)
    words, unspoken = align_script(text, emissions)
    assert unspoken == []
    assert words[place].start == pytest.approx(span.start, abs=0.1)


@pytest.mark.parametrize("times", [2, 3])
def test_a_text_that_is_spoken_several_times_is_found_at_one_of_them(times: int) -> None:
    lines = [*LINES, "five for the road", "and six for the toll"]
    emissions, spans = said(lines * times)
    for index in (4, 5, 6, 7):  # clearer at another time
        unclear(emissions, spans[index])
    words, unspoken = align_script("\n".join(lines), emissions)
    assert unspoken == []
    assert [word.text for word in words] == " ".join(lines).split()
    seconds = words[-1].end - words[0].start
    assert seconds == pytest.approx(spans[len(lines) - 1].end - spans[0].start, abs=0.1)
    often, unspoken = align_script("\n".join(lines * times), emissions)
    assert unspoken == [] and len(often) == times * len(words)
    assert often[-1].end == pytest.approx(spans[-1].end, abs=0.1)


def test_parts_of_a_text_that_are_spoken_apart_stay_apart() -> None:
    emissions, spans = said([*LINES[:2], *FILLER * 2, *LINES[2:]])
    words, unspoken = align_script("\n".join(LINES), emissions)
    assert unspoken == []
    firsts = [word for word in words if word.text in ("one", "two", "three", "and")]
    wanted = [span.start for span in (*spans[:2], *spans[-2:])]
    assert [word.start for word in firsts] == pytest.approx(wanted)
