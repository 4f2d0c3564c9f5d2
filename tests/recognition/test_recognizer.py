"""A tiny network trained on three sounds gives their words back, loaded as any checkpoint is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from gptasr_subs.errors import ModelError
from gptasr_subs.model import ctc
from gptasr_subs.model.checkpoint import Checkpoint, save_checkpoint
from gptasr_subs.model.decoding.decode import DecodingOptions
from gptasr_subs.model.files import described_config
from gptasr_subs.model.log_mel import LogMel
from gptasr_subs.model.network import GptAsr
from gptasr_subs.recognition import batching
from gptasr_subs.recognition import gptasr as module
from gptasr_subs.recognition.gptasr import GptAsrRecognizer, choose_device
from gptasr_subs.recognition.loading import LazyRecognizer, lazy_model, load_model, split_model
from gptasr_subs.recognition.recognizer import Recognizer
from gptasr_subs.types import FloatArray, Word
from tests.support.tiny import tiny_checkpoint, tiny_config, train_bpe

RATE = 22050
SAID = {
    300.0: "hello there",
    1100.0: "good day",
    0.0: "",
}  # the text of each tone, and of near silence
TRAINING_STEPS = 150


def sound(pitch: float, seconds: float = 1.0) -> FloatArray:
    """A tone with a little noise; only the noise where ``pitch`` is 0."""
    time = np.arange(int(RATE * seconds)) / RATE
    noise = np.random.default_rng(0).normal(size=len(time)) * 0.001
    return (0.3 * np.sin(2 * np.pi * pitch * time) + noise).astype(np.float32)


def taught_checkpoint() -> Checkpoint:
    torch.manual_seed(0)
    texts = list(SAID.values())
    tokenizer = train_bpe(texts, 40)
    network = GptAsr(tiny_config(2, ctc=True, vocabulary=tokenizer.size))
    mel = LogMel(network.config.front_end)(
        torch.from_numpy(np.stack([sound(pitch) for pitch in SAID]))
    )
    lengths = torch.full((len(SAID),), mel.shape[-1])
    tokens = [torch.tensor([1, *tokenizer.encode(text), 0]) for text in texts]
    padded = torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True, padding_value=-100)
    optimiser = torch.optim.Adam(network.parameters(), 3e-3, betas=(0.8, 0.95))
    for _ in range(TRAINING_STEPS):
        encoded = network.encode(mel, lengths)
        assert network.ctc_head is not None and encoded.lengths is not None
        spelled = -ctc.score(network.ctc_head(encoded.features), encoded.lengths * 3, texts).mean()
        logits = network.read(encoded, padded[:, :-1].clamp_min(0))
        loss = (
            F.cross_entropy(logits.transpose(1, 2), padded[:, 1:], ignore_index=-100)
            + 0.1 * spelled
        )
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return Checkpoint(
        "taught", network.config, network.eval(), tokenizer, decoding=DecodingOptions(beam_size=2)
    )


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> GptAsrRecognizer:
    folder = tmp_path_factory.mktemp("taught")
    save_checkpoint(folder, taught_checkpoint())
    return load_model(folder, device="cpu")


def words_of(
    recognizer: GptAsrRecognizer, clips: Sequence[FloatArray], **how: int
) -> list[list[Word]]:
    found = dict(recognizer.transcribe(clips, **how))
    assert sorted(found) == list(range(len(clips)))
    return [found[index] for index in range(len(clips))]


@pytest.mark.parametrize(
    "how", [{}, {"beams": 1}, {"batch_size": 1}, {"batch_size": 2, "beams": 3}]
)
def test_taught_sounds_give_their_words_back_in_any_batch(
    taught: GptAsrRecognizer, how: dict[str, int]
) -> None:
    clips = [sound(1100.0), sound(0.0), sound(300.0), sound(1100.0)]
    words = words_of(taught, clips, **how)
    assert [" ".join(word.text for word in clip) for clip in words] == [
        "good day",
        "",
        "hello there",
        "good day",
    ]
    for clip in words:
        assert all(0 <= word.start < word.end <= 1.0 and word.confidence > 0.3 for word in clip)
        assert all(left.end <= right.start for left, right in pairwise(clip))


def test_empty_and_very_short_clips_are_no_trouble(taught: GptAsrRecognizer) -> None:
    assert words_of(taught, []) == []
    assert words_of(
        taught, [np.zeros(0, np.float32), np.zeros(1, np.float32), np.zeros(300, np.float32)]
    ) == [[], [], []]


def test_the_longest_clip_fits_and_a_longer_one_is_refused(
    taught: GptAsrRecognizer,
) -> None:
    longest = np.zeros(int(taught.max_seconds * RATE), np.float32)
    assert words_of(taught, [longest]) == [[]]
    with pytest.raises(ModelError, match="split it"):
        words_of(taught, [np.zeros(len(longest) + RATE, np.float32)])


def one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (module, batching):
        monkeypatch.setattr(place, "count_workers", lambda device: 1)


def test_long_clips_come_first_and_share_batches(
    taught: GptAsrRecognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_worker(monkeypatch)
    batches: list[list[int]] = []
    decode = taught.decode

    def spy(clips: Sequence[FloatArray], options: DecodingOptions) -> list[object]:
        batches.append([len(clip) for clip in clips])
        return list(decode(clips, options))

    monkeypatch.setattr(taught, "decode", spy)
    words_of(taught, [sound(300.0, seconds) for seconds in (0.5, 1.0, 0.8, 0.9)], batch_size=3)
    assert batches == [[22050, 17640], [19845, 11025]]


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (torch.cuda.OutOfMemoryError("out of memory"), "The GPU .* fewer beams, or --device cpu"),
        (
            RuntimeError(
                "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
            ),
            "fewer beams",
        ),
        (MemoryError(), "fewer beams"),
    ],
)
def test_too_little_memory_halves_the_batch_then_says_so(
    taught: GptAsrRecognizer, monkeypatch: pytest.MonkeyPatch, error: Exception, advice: str
) -> None:
    one_worker(monkeypatch)
    log_mels, sizes = taught.log_mels, []

    def crowded(most: int) -> None:
        def refuse(clips: Sequence[FloatArray]) -> tuple[torch.Tensor, torch.Tensor]:
            sizes.append(len(clips))
            if len(clips) > most:
                raise error
            return log_mels(clips)

        monkeypatch.setattr(taught, "log_mels", refuse)

    crowded(1)
    words = words_of(taught, [sound(300.0), sound(1100.0), sound(300.0)], batch_size=3)
    assert [clip[0].text for clip in words] == ["hello", "good", "hello"]
    assert sizes == [3, 1, 2, 1, 1]
    crowded(0)
    with pytest.raises(ModelError, match=advice):
        words_of(taught, [sound(300.0)])


@pytest.mark.parametrize("generation", [1, 2])
def test_checkpoints_without_ctc_give_words_in_order(generation: int) -> None:
    recognizer = GptAsrRecognizer(tiny_checkpoint(generation, ctc=False))
    (words,) = words_of(recognizer, [sound(300.0)], beams=2)
    assert words
    assert all(0 <= word.start <= word.end <= 1.0 for word in words)
    assert all(left.end <= right.start for left, right in pairwise(words))


def test_it_says_what_it_is(taught: GptAsrRecognizer) -> None:
    assert (taught.name, taught.sample_rate) == ("taught", RATE)
    assert taught.max_seconds == pytest.approx(399 * 256 / RATE)


def test_devices_that_are_not_there_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == "cpu"
    for wanted in ("cuda", "cuda:0", "mps", "tpu", "cpu:3"):
        with pytest.raises(ModelError, match=r"--device|choose"):
            choose_device(wanted)


def test_auto_prefers_the_gpu_and_checks_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("auto") == "cuda"
    assert choose_device("cuda:1") == "cuda:1"
    with pytest.raises(ModelError, match="number"):
        choose_device("cuda:2")


def test_a_missing_gpu_is_noticed_before_the_checkpoint_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ModelError, match="cuda"):
        load_model(tmp_path / "nothing here", device="cuda")


def test_recognisers_of_other_packages_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    group = "gptasr_subs.recognizers"
    points = [
        EntryPoint("mine", f"{__name__}:make_mine", group),
        EntryPoint("broken", "no_such_package:thing", group),
        EntryPoint("failing", f"{__name__}:fail", group),
    ]
    monkeypatch.setattr("gptasr_subs.plugins.entry_points", lambda group: points)
    assert load_model("mine:tiny: 1.5", "cpu", "de") == ("tiny: 1.5", "cpu", "de")
    assert load_model("mine:") == ("", "auto", "en")
    with pytest.raises(ModelError, match="reinstall"):
        load_model("broken:x")
    with pytest.raises(ModelError, match="'failing' cannot load 'x' \\(no such thing\\)"):
        load_model("failing:x")
    with pytest.raises(ModelError, match="there are: broken, failing, gptasr, mine"):
        load_model("other:x")


def make_mine(*arguments: str) -> tuple[str, ...]:
    return arguments


def fail(*arguments: str) -> None:
    raise ValueError("no such thing")


def test_what_has_no_prefix_or_is_a_file_belongs_to_gptasr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert split_model("whisper:tiny.en") == ("whisper", "tiny.en")
    for name in ("default", "C:\\models\\mine", "/models/a:b", Path("x")):
        assert split_model(name) == ("gptasr", name)
    (tmp_path / "mine:v2").mkdir()
    assert split_model("mine:v2") == ("gptasr", "mine:v2")


def test_importing_the_seam_does_not_import_torch() -> None:
    code = (
        "import sys, gptasr_subs.recognition.gptasr;"
        " sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_a_model_takes_is_known_before_it_is_loaded() -> None:
    loads = []

    def load() -> Recognizer:
        loads.append(1)
        return load_model("default", "cpu")

    lazy = lazy_model("default", "cpu")
    watched = LazyRecognizer(load, describe=lambda: described_config("default"))
    assert (watched.sample_rate, watched.max_seconds) == (
        lazy.load().sample_rate,
        lazy.load().max_seconds,
    )
    assert not loads
    watched.begin()
    assert watched.load() is watched.load()
    assert loads == [1]


def test_errors_of_loading_ahead_come_where_the_model_is_needed(
    tmp_path: Path,
) -> None:
    lazy = lazy_model(tmp_path / "nothing", "cpu")
    lazy.begin()
    with pytest.raises(ModelError, match="There is no model"):
        lazy.transcribe([])


def test_readings_come_with_the_same_words(taught: GptAsrRecognizer) -> None:
    clips = [sound(300.0), sound(1100.0, 0.7), sound(700.0)]
    telling = taught.with_readings()
    plain = dict(taught.transcribe(clips))
    told = dict(telling.transcribe(clips))
    assert {i: [replace(word, readings=()) for word in words] for i, words in told.items()} == plain
    assert not any(word.readings for words in plain.values() for word in words)
