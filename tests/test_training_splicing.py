"""Parts of clips put together anew: cut between words, text and sound still the same, and never beyond a limit."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tones import PITCHES, WORD_SECONDS, make_store, tiny_setting
from typer.testing import CliRunner

from gptasr_subs.cli.train import app
from gptasr_subs.errors import ModelError, UsageError
from gptasr_subs.model import ctc
from gptasr_subs.model.checkpoint import Checkpoint, save_checkpoint
from gptasr_subs.model.features import LogMel
from gptasr_subs.training import splicing
from gptasr_subs.training.batches import NO_TOKEN, Batches
from gptasr_subs.training.corpora import MelStore
from gptasr_subs.training.options import Augmentation, Sampling
from gptasr_subs.training.sampling import Part, Sampler
from gptasr_subs.training.splicing import Cuts, find_words
from gptasr_subs.types import FloatArray
from tests.tiny import tiny_config, tiny_network

EACH = WORD_SECONDS + 0.05  # seconds from one word to the next
FRAME = tiny_config(2, ctc=True).seconds_per_ctc_frame
SPLICED = Sampling(batch_seconds=5.0, longest=4.0, spliced=1.0, noise_only=0.0)
AS_IT_IS = Augmentation(amount=0.0)


@pytest.fixture
def store(tmp_path: Path) -> MelStore:
    return make_store(tmp_path, clips=16)


def true_edges(store: MelStore, index: int) -> list[int]:
    """Frames in the middle of the gaps."""
    words, rate = len(store.text(index).split()), store.front.frames_per_second
    return [0, *(round((word * EACH + 0.025) * rate) for word in range(1, words)), store.place(index)[1]]


def as_heard(store: MelStore, index: int, sure: float = 0.99) -> FloatArray:
    """What a CTC head that is ``sure`` would say: the letters of each word from the beginning of its tone on."""
    classes = np.zeros(round(store.seconds(index) / FRAME), np.int64)
    for word, text in enumerate(store.text(index).split()):
        first = round((word * EACH + 0.05) / FRAME)
        letters = [letter for one in ctc.spell(text) for letter in (one, ctc.BLANK)]
        letters += [ctc.SPACE] if word else []
        classes[first : first + len(letters)] = letters[: len(classes) - first]
    probabilities = np.full((len(classes), ctc.CLASSES), (1 - sure) / (ctc.CLASSES - 1))
    probabilities[np.arange(len(classes)), classes] = sure
    return np.log(probabilities).astype(np.float32)


def tones_in(mel: FloatArray, store: MelStore) -> list[str]:
    """The words whose tones are heard in ``mel`` (n_frames, n_mels), in order."""
    loud = mel.max(1) > mel.max() - 5
    edges = np.flatnonzero(np.diff(loud, prepend=False, append=False))
    bins = tone_bins(store)
    loudest = [int(mel[first:after].max(0).argmax()) for first, after in zip(edges[::2], edges[1::2], strict=True)]
    return [min(bins, key=lambda word: abs(bins[word] - bin)) for bin in loudest]


def tone_bins(store: MelStore) -> dict[str, int]:
    """The mel bin of each word's tone."""
    time = np.arange(store.front.sample_rate) / store.front.sample_rate
    tones = {word: np.sin(2 * np.pi * hertz * time) for word, hertz in PITCHES.items()}
    log_mel = LogMel(store.front)
    return {word: int(log_mel.raw(torch.tensor(tone)[None].float())[0, :, 20].argmax()) for word, tone in tones.items()}


def write_cuts(store: MelStore) -> None:
    lines = (json.dumps(true_edges(store, index)) + "\n" for index in range(len(store)))
    (store.folder / "words.jsonl").write_text("".join(lines), encoding="utf-8")


def test_what_is_spliced_still_says_what_its_text_says(store: MelStore) -> None:
    write_cuts(store)
    config, tokenizer, _ = tiny_setting(store)
    batches = Batches(store, [], tokenizer, config, SPLICED)
    shift, scale = (np.array(column, np.float32) for column in (config.front_end.shift, config.front_end.scale))
    checked = set()
    for step in range(12):
        batch = batches.at(step, AS_IT_IS)
        for mel, tokens in zip(batch.mel.transpose(1, 2).numpy(), batch.tokens.tolist(), strict=True):
            text = tokenizer.decode([token for token in tokens if token != NO_TOKEN][1:-1])
            words = ["".join(filter(str.isalpha, word)) for word in text.lower().split()]
            assert tones_in(mel * scale + shift, store) == words
            checked.add(text)
    assert len(checked) > 20
    assert checked - {store.text(index) for index in range(len(store))}


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.floats(0.1, 3.0), min_size=0, max_size=8), min_size=2, max_size=20),
    st.floats(0.5, 6.0),
    st.integers(0, 99),
)
def test_parts_lie_within_their_clips_and_items_within_the_limit(
    words: list[list[float]], limit: float, seed: int
) -> None:
    edges = [np.cumsum([0.0, *clip]) if clip else np.zeros(0) for clip in words]
    seconds = np.array([max(0.3, float(clip[-1])) if len(clip) else 1.0 for clip in edges])
    seconds[0] = 0.4  # one at least is short enough
    edges[0] = np.zeros(0)
    sampling = replace(SPLICED, longest=limit, shortest_limit=limit, batch_seconds=limit, seed=seed)
    sampler = Sampler(["a"] * len(seconds), seconds, sampling, edges)
    for item in (item for batch in sampler.pool(0, 1) for item in batch):
        for part in item:
            assert part == Part(part.clip) or 0 <= part.first < part.last < len(edges[part.clip])
        if item[0].last:
            total = sum(edges[part.clip][part.last] - edges[part.clip][part.first] for part in item)
            assert total <= limit + 1e-9


def test_words_are_cut_where_they_are_heard(store: MelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = listener(store)
    monkeypatch.setattr(splicing, "_heard", lambda store, chosen, _: [as_heard(store, index) for index in chosen])
    assert [*find_words(store, checkpoint)] == [16]
    cuts, rate = Cuts(store), store.front.frames_per_second
    for index in range(len(store)):
        texts, edges = cuts.texts(index), cuts.edges(index)
        assert " ".join(texts) == store.text(index)
        assert len(edges) == len(texts) + 1
        np.testing.assert_allclose(edges / rate, np.array(true_edges(store, index)) / rate, atol=0.15)
        assert all(left < right for left, right in pairwise(edges))


def test_a_clip_whose_text_is_not_heard_is_not_cut(store: MelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = listener(store)
    unsure = {3: 0.2}
    monkeypatch.setattr(
        splicing,
        "_heard",
        lambda store, chosen, _: [as_heard(store, index, sure=unsure.get(index, 0.99)) for index in chosen],
    )
    [*find_words(store, checkpoint)]
    assert [index for index in range(16) if not len(Cuts(store).edges(index))] == [3]


def test_what_a_kill_broke_off_is_done_again_and_the_rest_is_not(
    store: MelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint, asked = listener(store), []
    file = store.folder / "words.jsonl"
    monkeypatch.setattr(
        splicing,
        "_heard",
        lambda store, chosen, _: asked.extend(chosen) or [as_heard(store, index) for index in chosen],
    )
    [*find_words(store, checkpoint)]
    whole = file.read_bytes()
    file.write_bytes(whole[: whole.index(b"\n", len(whole) // 2) + 4])
    kept = file.read_bytes().count(b"\n")
    with pytest.raises(UsageError, match="gptasr-subs-train place"):
        Cuts(store)
    asked.clear()
    [*find_words(store, checkpoint)]
    assert asked == [*range(kept, 16)]
    assert file.read_bytes() == whole


def listener(store: MelStore) -> Checkpoint:
    config, tokenizer, _ = tiny_setting(store)
    network = tiny_network(2, ctc=True)
    config = replace(network.config, front_end=config.front_end, ctc_frames=3)
    return Checkpoint("listener", config, network, tokenizer)


def test_a_model_that_cannot_hear_the_store_is_refused(store: MelStore) -> None:
    checkpoint = listener(store)
    deaf = replace(checkpoint, model=tiny_network(2))
    other = replace(checkpoint, config=replace(checkpoint.config, front_end=replace(store.front, hop=200)))
    for wrong in (deaf, other):
        with pytest.raises(ModelError, match="no CTC head, or is not made for"):
            next(find_words(store, wrong))


def test_place_is_a_command(store: MelStore, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "listener", listener(store))
    done = CliRunner().invoke(app, ["place", str(store.folder), "--model", str(tmp_path / "listener")])
    assert done.exit_code == 0, done.output
    assert len((store.folder / "words.jsonl").read_text(encoding="utf-8").splitlines()) == 16
