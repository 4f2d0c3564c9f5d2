"""The checkpoint that ships, end to end: real sound in, the right words out, and nothing where nobody speaks."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from media_maker import run_ffmpeg

import gptasr_subs as gs
from gptasr_subs.pipeline import recognize_file
from gptasr_subs.recognizer import GptAsrRecognizer
from gptasr_subs.scoring import normalize, tally

REPOSITORY = Path(__file__).parent.parent
SAMPLE = REPOSITORY / "examples" / "sample.mp4"
TALK = REPOSITORY.parent / "shared" / "media" / "talk.mkv"

SILENCES = {
    "silence": "anullsrc=r=44100:cl=mono",
    "white noise": "anoisesrc=color=white:amplitude=0.1:seed=1",
    "pink noise": "anoisesrc=color=pink:amplitude=0.3:seed=2",
    "brown noise": "anoisesrc=color=brown:amplitude=0.5:seed=3",
    "hum": "sine=frequency=100",
    "chord": "aevalsrc=0.2*sin(2*PI*220*t)+0.2*sin(2*PI*277.2*t)+0.2*sin(2*PI*329.6*t)",
    "beat": "aevalsrc=0.6*sin(2*PI*80*t)*exp(-12*mod(t\\,0.5))+0.2*sin(2*PI*440*t)*exp(-4*mod(t\\,0.25))",
}


@pytest.fixture(scope="module")
def model() -> GptAsrRecognizer:
    return gs.load_model("default", device="cpu")


def test_the_sample_is_written_with_at_most_a_quarter_of_its_words_wrong(model: GptAsrRecognizer) -> None:
    document = recognize_file(SAMPLE, model)
    said = normalize((REPOSITORY / "examples" / "sample.txt").read_text(encoding="utf-8"))
    assert tally(said, normalize(" ".join(word.text for word in document.words))).wer <= 25


def test_its_words_and_cues_are_in_order_and_inside_the_film(model: GptAsrRecognizer) -> None:
    document = recognize_file(SAMPLE, model)
    assert document.seconds is not None and document.words[-1].end <= document.seconds
    assert all(before.start <= after.start for before, after in pairwise(document.words))
    assert all(before.end <= after.start for before, after in pairwise(document.cues))
    assert all(0 < word.confidence <= 1 for word in document.words)


@pytest.mark.parametrize("sound", SILENCES)
def test_where_nobody_speaks_nothing_is_written(sound: str, model: GptAsrRecognizer, tmp_path: Path) -> None:
    run_ffmpeg("-f", "lavfi", "-i", SILENCES[sound], "-t", "20", str(tmp_path / "quiet.wav"))
    assert recognize_file(tmp_path / "quiet.wav", model).words == ()


@pytest.mark.skipif(not TALK.exists(), reason="the reference film is not at hand")
def test_real_voices_and_no_cue_over_what_is_not_speech(model: GptAsrRecognizer) -> None:
    truth = json.loads(TALK.with_name("talk.truth.json").read_text())
    document = recognize_file(TALK, model)
    said = normalize(" ".join(utterance["text"] for utterance in truth["speech"]))
    assert tally(said, normalize(" ".join(word.text for word in document.words))).wer < 80
    quiet = [(stretch["start"], stretch["end"]) for stretch in truth["no_speech"]]
    assert not [cue for cue in document.cues for start, end in quiet if start <= cue.start < end]
