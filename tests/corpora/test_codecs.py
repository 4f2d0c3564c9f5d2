"""Copies through codecs are spoilt as the codec does, keep their times, and are repeatable."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gptasr_subs.cli.train import app
from gptasr_subs.corpora.audio import read_manifest, read_samples
from gptasr_subs.corpora.codecs import (
    CODECS,
    COPY,
    Codec,
    Copies,
    choose_codec,
    degrade,
    with_copies,
)
from gptasr_subs.corpora.manifest import Clip
from gptasr_subs.errors import MediaError
from gptasr_subs.training.preparation import prepare
from gptasr_subs.training.store import AudioStore
from gptasr_subs.types import FloatArray
from tests.support.fake_recognizer import say as say_like_a_voice
from tests.support.media_maker import RATE
from tests.support.tones import make_corpus, spoken, texts

CLIP = Clip(Path("a.flac"), 0.0, 2.0, "s", "tones", "CC0", "Bah dee.")


def voice() -> FloatArray:
    """Words with clicks that no codec may move."""
    sound = say_like_a_voice([(0.3, "one"), (1.1, "three"), (1.9, "Six.")], 3.0)
    hiss = np.random.default_rng(0).normal(0, 0.01, len(sound))
    return (sound + hiss).astype(np.float32)


def power(sound: FloatArray, low: float, high: float) -> float:
    spectrum = np.abs(np.fft.rfft(sound)) ** 2
    frequency = np.fft.rfftfreq(len(sound), 1 / RATE)
    return float(spectrum[(frequency >= low) & (frequency < high)].sum())


def loudness(sound: FloatArray) -> FloatArray:
    """Log power of every 25 ms."""
    frames = sound[: len(sound) // 551 * 551].reshape(-1, 551)
    return np.log(1e-4 + np.square(frames).mean(1))


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_sound_keeps_its_length_and_its_place(codec: Codec) -> None:
    sound = voice()
    spoilt = degrade(sound, RATE, codec)
    assert spoilt.shape == sound.shape and spoilt.dtype == np.float32
    size = 1 << 17
    together = np.fft.irfft(np.fft.rfft(spoilt, size) * np.conj(np.fft.rfft(sound, size)))
    lag = int(np.argmax(together))
    assert min(lag, size - lag) <= 0.002 * RATE
    assert 0.3 < np.corrcoef(sound, np.roll(spoilt, -lag))[0, 1] < 0.9999
    np.testing.assert_array_equal(spoilt, degrade(sound, RATE, codec))


def test_a_telephone_has_a_narrow_band() -> None:
    sound, [telephone] = voice(), [codec for codec in CODECS if codec.name == "telephone"]
    spoilt = degrade(sound, RATE, telephone)
    assert power(spoilt, 4100, 11000) < 0.01 * power(sound, 4100, 11000)
    assert power(spoilt, 0, 150) < 0.3 * power(sound, 0, 150)
    assert power(spoilt, 500, 3000) == pytest.approx(power(sound, 500, 3000), rel=0.2)


def test_fewer_bits_are_further_from_the_sound() -> None:
    sound = voice()

    def error(codec: Codec) -> float:
        return float(np.square(degrade(sound, RATE, codec) - sound).sum())

    mp3 = [error(codec) for codec in CODECS if codec.name.startswith("mp3")]
    assert mp3 == sorted(mp3, reverse=True)


def test_the_choice_follows_from_seed_and_clip_and_is_fair() -> None:
    clips = [replace(CLIP, offset=float(number)) for number in range(1500)]
    chosen = [choose_codec(clip, Copies(0.4)) for clip in clips]
    assert chosen == [choose_codec(clip, Copies(0.4)) for clip in clips]
    assert chosen != [choose_codec(clip, Copies(0.4, seed=1)) for clip in clips]
    found = [codec.name.partition(" ")[0] for codec in chosen if codec]
    assert len(found) / 1500 == pytest.approx(0.4, abs=0.04)
    assert all(
        count / len(found) == pytest.approx(1 / 3, abs=0.06) for count in Counter(found).values()
    )
    assert {codec for codec in chosen if codec} == set(CODECS)
    more = [choose_codec(clip, Copies(0.6)) for clip in clips]
    assert all(other == codec for codec, other in zip(chosen, more, strict=True) if codec)


def test_copies_come_beside_the_clips_each_from_its_own(tmp_path: Path) -> None:
    clips = read_manifest(make_corpus(tmp_path, texts(12)))
    sounds = list(read_samples(clips, RATE))
    found = list(with_copies(iter(sounds), Copies(1.0), RATE))
    clean = [(clip, samples) for clip, samples in found if not clip.source.endswith(COPY)]
    copies = {clip.offset: samples for clip, samples in found if clip.source == "tones" + COPY}
    assert [clip for clip, _ in clean] == clips and len(copies) == 12
    for clip, samples in clean:
        copy = copies[clip.offset]
        assert len(copy) == len(samples)
        # its words, when they were said
        assert np.corrcoef(loudness(samples), loudness(copy))[0, 1] > 0.95


def test_a_store_with_copies_is_reported_and_the_same_every_time(tmp_path: Path) -> None:
    manifest = make_corpus(tmp_path, texts(10))
    for name in ("one", "two"):
        report = prepare([manifest], tmp_path / name, copies=Copies(0.5, seed=3))
    sources = {entry["source"]: entry["clips"] for entry in report.to_dict()["sources"]}
    assert sources["tones"] == 10 and 1 <= sources["tones" + COPY] <= 9
    for file in ("samples.i16", "clips.json", "report.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_the_command_copies_a_share_and_nothing_held_out(tmp_path: Path) -> None:
    sentences = texts(8)
    train, dev = (
        make_corpus(tmp_path / "train", sentences),
        make_corpus(tmp_path / "dev", sentences[:2], name="dev"),
    )
    words = ["prepare", str(train), "--dev", str(dev), "--codecs", "1", "--seed", "1"]
    done = CliRunner().invoke(app, [*words, "--store", str(tmp_path / "store")])
    assert done.exit_code == 0, done.output
    assert "tones+codec: 6 clips" in done.stderr
    store = AudioStore(tmp_path / "store")
    assert len(spoken(store)) == 12 and not set(spoken(store)) & set(sentences[:2])
    assert all(np.isfinite(store.samples(index)).all() for index in range(len(store)))


def test_a_codec_that_ffmpeg_lacks_is_named() -> None:
    with pytest.raises(MediaError, match=r"as wax .*leave out --codecs"):
        degrade(voice(), RATE, Codec("wax", ".wav", (("acodec", "wax_cylinder"),)))
