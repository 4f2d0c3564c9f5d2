"""How fast a network decodes, part by part, and where the time of a whole video goes."""

from __future__ import annotations

import multiprocessing
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np
import torch

from gptasr_subs.errors import UsageError
from gptasr_subs.formats import render
from gptasr_subs.media.decode import decode_blocks
from gptasr_subs.media.probe import choose_track, probe
from gptasr_subs.model.checkpoint import Checkpoint, load_checkpoint
from gptasr_subs.model.config import PUBLISHED
from gptasr_subs.model.decoding.decode import Decoded, DecodingOptions
from gptasr_subs.model.decoding.incremental import IncrementalDecoder
from gptasr_subs.model.network import GptAsr
from gptasr_subs.model.tokenizer import CharacterTokenizer
from gptasr_subs.pipeline.options import Options
from gptasr_subs.pipeline.recognize import document_of
from gptasr_subs.recognition.gptasr import GptAsrRecognizer, choose_device, number_format
from gptasr_subs.recognition.windows import recognize, window_limits
from gptasr_subs.speech.segmentation import segment_blocks
from gptasr_subs.types import FloatArray, Word

_T = TypeVar("_T")

_CLIP_SECONDS = 16.0
# Linux only
_PEAK = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


@dataclass(frozen=True, slots=True)
class Setting:
    """What is measured: exactly ``tokens`` steps with ``beams`` beams for ``batch`` clips."""

    batch: int
    beams: int
    tokens: int
    seconds: float = _CLIP_SECONDS


@dataclass(frozen=True, slots=True)
class Timing:
    """Medians over runs, in seconds for each transcription.

    ``peak`` is the memory of process or GPU in bytes.
    """

    setting: Setting
    front_end: float
    prefill: float
    steps: float
    peak: int

    @property
    def total(self) -> float:
        """Seconds for each transcription."""
        return self.front_end + self.prefill + self.steps

    @property
    def rtfx(self) -> float:
        """Seconds of audio for each second of work."""
        return self.setting.seconds / self.total


@dataclass(frozen=True, slots=True)
class Stages:
    """Where the time of one video goes, in seconds.

    What threads do at the same time is added up, ``whole`` is not.
    """

    media_seconds: float
    load: float
    decode: float
    segmentation: float
    recognition: float
    alignment: float
    cues: float
    whole: float
    peak: int


def random_recognizer(name: str, device: str = "auto") -> GptAsrRecognizer:
    """Return a published configuration with random weights, as fast as the trained one.

    Raises UsageError.
    """
    if name not in PUBLISHED:
        raise UsageError(
            f"There is no published configuration {name!r}; choose from: {', '.join(PUBLISHED)}."
        )
    torch.manual_seed(0)
    network = GptAsr(PUBLISHED[name]).eval()
    chosen = choose_device(device)
    network.to(chosen).prepare_for_inference(number_format(chosen))
    return GptAsrRecognizer(Checkpoint(name, network.config, network, CharacterTokenizer()), chosen)


@torch.inference_mode()
def measure(recognizer: GptAsrRecognizer, setting: Setting, runs: int = 5) -> Timing:
    """Decode noise with a forced number of tokens; the CTC head is not measured.

    A run to warm up goes before those counted. The internal language model is run
    too where the checkpoint's search uses it.
    """
    network = recognizer.checkpoint.model
    rate = recognizer.sample_rate
    limit = network.config.max_text_tokens
    if setting.tokens > limit or setting.seconds > recognizer.max_seconds:
        raise UsageError(
            f"{recognizer.name!r} takes at most {limit} tokens and {recognizer.max_seconds:.1f} s."
        )
    noise = np.random.default_rng(0).normal(0, 0.1, (setting.batch, int(setting.seconds * rate)))
    clips = list(noise.astype(np.float32))
    _forget_peak(recognizer.device)
    parts = [_run(recognizer, clips, setting) for _ in range(runs + 1)][1:]
    front_end, prefill, steps = (median(part) / setting.batch for part in zip(*parts, strict=True))
    return Timing(
        setting, front_end=front_end, prefill=prefill, steps=steps, peak=_peak(recognizer.device)
    )


def _run(
    recognizer: GptAsrRecognizer, clips: list[FloatArray], setting: Setting
) -> tuple[float, float, float]:
    network = recognizer.checkpoint.model
    with_ilm = recognizer.checkpoint.decoding.ilm_weight > 0
    front_end, (mel, lengths) = _timed(recognizer.device, lambda: recognizer.log_mels(clips))
    prefill, decoder = _timed(
        recognizer.device,
        lambda: IncrementalDecoder(
            network, network.encode_in_parts(mel, lengths), setting.beams, with_ilm
        ),
    )
    steps, _ = _timed(recognizer.device, lambda: force_steps(decoder, network, setting))
    return front_end, prefill, steps


def force_steps(decoder: IncrementalDecoder, network: GptAsr, setting: Setting) -> None:
    """A beam search that nothing ends before its last token."""
    shape = (setting.batch, setting.beams)
    vocabulary = network.config.vocabulary
    latest = torch.full(shape, network.config.start_token, device=decoder.bias.device)
    scores = torch.zeros(shape, device=decoder.bias.device)
    for _ in range(setting.tokens):
        log_probs = decoder.step(latest)
        log_probs[..., network.config.stop_token] = -torch.inf
        scores, best = (scores[..., None] + log_probs).flatten(1).topk(setting.beams)
        latest = best % vocabulary
        decoder.reorder(best // vocabulary)


def _timed(device: str, work: Callable[[], _T]) -> tuple[float, _T]:
    began = time.perf_counter()
    result = work()
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return time.perf_counter() - began, result


def measure_media(
    media: Path, model: str, device: str = "auto", batch_size: int = 0, beams: int = 0
) -> Stages:
    """Recognise a video, writing nothing, and say where the time went."""
    began = time.perf_counter()
    chosen = choose_device(device)
    checkpoint = load_checkpoint(model, chosen)
    checkpoint.model.prepare_for_inference(number_format(chosen))
    recognizer = _Timed(checkpoint, chosen)
    _forget_peak(chosen)
    loaded = time.perf_counter()
    info = probe(media)
    audio = _Waits(
        decode_blocks(media, track=choose_track(info, None), sample_rate=recognizer.sample_rate)
    )
    windows = _Waits(segment_blocks(audio, recognizer.sample_rate, window_limits(recognizer)))
    found = recognize(recognizer, windows, batch_size=batch_size, beams=beams)
    words = [word for _, some in found for word in some]
    shaping = time.perf_counter()
    render(document_of(words, media, info, recognizer.name, options=Options()), "srt")
    ended = time.perf_counter()
    return Stages(
        info.duration,
        load=loaded - began,
        decode=audio.seconds,
        segmentation=windows.seconds - audio.seconds,
        recognition=recognizer.seconds["decode"],
        alignment=recognizer.seconds["words"],
        cues=ended - shaping,
        whole=ended - began,
        peak=_peak(chosen),
    )


class _Waits(Iterable[_T]):
    """Passes items on and adds up how long each took to come."""

    def __init__(self, items: Iterable[_T]) -> None:
        self.seconds = 0.0
        self._items = iter(items)

    def __iter__(self) -> Iterator[_T]:
        return self

    def __next__(self) -> _T:
        began = time.perf_counter()
        try:
            return next(self._items)
        finally:
            self.seconds += time.perf_counter() - began


class _Timed(GptAsrRecognizer):
    """Adds up, over all threads and worker processes, how long decoding and alignment take."""

    def __init__(self, checkpoint: Checkpoint, device: str) -> None:
        super().__init__(checkpoint, device)
        self._sums = {part: multiprocessing.Value("d", 0.0) for part in ("decode", "words")}

    @property
    def seconds(self) -> dict[str, float]:
        """By part."""
        return {part: total.value for part, total in self._sums.items()}

    def _add(self, part: str, began: float) -> None:
        total = self._sums[part]
        with total.get_lock():
            total.value += time.perf_counter() - began

    def decode(self, clips: Sequence[FloatArray], options: DecodingOptions) -> list[Decoded]:
        """As the recogniser does."""
        began = time.perf_counter()
        decoded = super().decode(clips, options)
        self._add("decode", began)
        return decoded

    def words_of(self, clip: FloatArray, decoded: Decoded) -> list[Word]:
        """As the recogniser does."""
        began = time.perf_counter()
        words = super().words_of(clip, decoded)
        self._add("words", began)
        return words


def machine(device: str) -> str:
    """Return what it was measured on, in a line."""
    if device.startswith("cuda"):
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    processor = next(named, platform.processor() or platform.machine())
    return f"{processor}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def _forget_peak(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
    elif _CLEAR.exists():
        _CLEAR.write_text("5")


def _peak(device: str) -> int:
    """Return the most memory that this process took since ``_forget_peak``, in bytes.

    0 where the system does not tell.
    """
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device)
    if _PEAK.exists():
        lines = _PEAK.read_text().splitlines()
        peak = next((line for line in lines if line.startswith("VmHWM")), "VmHWM: 0 kB")
        return int(peak.split()[1]) << 10
    if sys.platform == "win32":
        return 0
    from resource import RUSAGE_SELF, getrusage

    return getrusage(RUSAGE_SELF).ru_maxrss << (0 if sys.platform == "darwin" else 10)
