"""GPT-ASR as a recogniser: any checkpoint of it, on one device."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gptasr_subs.errors import ModelError
from gptasr_subs.glossary.terms import Glossary
from gptasr_subs.model.files import checkpoint_identity
from gptasr_subs.recognition.batching import batch_size as clips_that_fit
from gptasr_subs.recognition.batching import (
    count_workers,
    halve_on_out_of_memory,
    run_batches,
    split_batches,
)
from gptasr_subs.recognition.transcript import WordsWithSounds
from gptasr_subs.types import FloatArray, Word

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from gptasr_subs.glossary.writing import TermWriter
    from gptasr_subs.model.checkpoint import Checkpoint
    from gptasr_subs.model.decoding.decode import Decoded, DecodingOptions
    from gptasr_subs.model.decoding.spotting import TermSpotter

PRECISION = "GPTASR_SUBS_PRECISION"


class GptAsrRecognizer:
    """GPT-ASR: any checkpoint that ``load_model`` knows, on one device."""

    def __init__(self, checkpoint: Checkpoint, device: str = "cpu", identity: str = "") -> None:
        """``device`` is where the checkpoint's network already is: cpu, cuda (or cuda:1) or mps.

        ``identity`` says which weights these are; without one nothing is put into the journal. As
        ``weights`` it stays the same with a glossary.
        """
        from gptasr_subs.model.log_mel import build_front_end

        self.checkpoint = checkpoint
        self.device = device
        self.identity = identity
        self.weights = identity
        self.gives_readings = False
        self._spotter: TermSpotter | None = None
        self._term_writer: TermWriter | None = None
        self._heads = checkpoint.heads
        self._front_end = build_front_end(checkpoint.config.front_end).to(device)

    @property
    def name(self) -> str:
        """The checkpoint's name."""
        return self.checkpoint.name

    @property
    def sample_rate(self) -> int:
        """Samples a second that ``transcribe`` expects."""
        return self.checkpoint.config.front_end.sample_rate

    @property
    def max_seconds(self) -> float:
        """The longest window the network has positions for."""
        return self.checkpoint.config.max_seconds

    def transcribe(
        self, clips: Sequence[FloatArray], *, batch_size: int = 0, beams: int = 0
    ) -> Iterator[tuple[int, list[Word]]]:
        """As the protocol says, longest first.

        Raises ``ModelError`` for a clip too long or memory too small.
        """
        self._refuse_long(clips)
        options = self.checkpoint.decoding
        options = replace(options, beam_size=beams) if beams else options
        options = replace(options, rivals=self.gives_readings)
        order = sorted(
            (i for i, clip in enumerate(clips) if len(clip)), key=lambda i: -len(clips[i])
        )
        yield from ((index, []) for index, clip in enumerate(clips) if not len(clip))
        if not order:
            return
        size = batch_size or clips_that_fit(
            self.checkpoint.config,
            len(clips[order[0]]) / self.sample_rate,
            rows=options.rows,
            device=self.device,
            bytes_each=self.checkpoint.model.gpt.dtype.itemsize,
        )
        batches = split_batches(order, size, count_workers(self.device))

        def recognize(batch: list[int]) -> list[list[Word]]:
            some = [clips[index] for index in batch]
            decoded = halve_on_out_of_memory(
                lambda part: self.decode(part, options), some, self.name
            )
            return [self.words_of(clip, result) for clip, result in zip(some, decoded, strict=True)]

        found = run_batches(recognize, batches, self.device)
        for batch, words in zip(batches, found, strict=True):
            yield from zip(batch, words, strict=True)

    def with_glossary(self, glossary: Glossary) -> GptAsrRecognizer:
        """As the protocol ``GlossaryRecognizer`` says. Without a CTC head, terms are only written
        as the glossary has them."""
        from gptasr_subs.glossary.writing import TermWriter
        from gptasr_subs.model.decoding.spotting import TermSpotter

        listening = copy(self)
        listening.identity = glossary_identity(self.weights, glossary)
        listening._spotter = TermSpotter(glossary.sounds)
        listening._term_writer = TermWriter(glossary)
        return listening

    def with_readings(self) -> GptAsrRecognizer:
        """The same recogniser, whose words also have their ``readings``."""
        telling = copy(self)
        telling.gives_readings = True
        return telling

    @property
    def frame_seconds(self) -> float:
        """Length of a frame of ``ctc_log_probs``."""
        return self.checkpoint.config.seconds_per_ctc_frame

    @property
    def ctc_offsets(self) -> tuple[float, float]:
        """Seconds to add to where words begin and end in ``ctc_log_probs``.

        A CTC recogniser may have them.
        """
        return self.checkpoint.start_offset, self.checkpoint.end_offset

    def ctc_log_probs(self, clips: Sequence[FloatArray]) -> list[FloatArray]:
        """As the protocol ``CtcRecognizer`` says.

        Raises ``ModelError`` where the checkpoint has no CTC head, or as ``transcribe`` does.
        """
        import torch

        network = self.checkpoint.model
        if network.ctc_head is None:
            raise ModelError(
                f"The model {self.name!r} has no CTC head to align a text with;"
                " use --model default."
            )
        self._refuse_long(clips)
        found = []
        with torch.inference_mode():
            for clip in clips:  # one at a time: without the text there is little to gain by batches
                encoded = network.encode(*self.log_mels([clip]))
                found.append(network.ctc_head(encoded.features)[0].cpu().numpy())
        return found

    def _refuse_long(self, clips: Sequence[FloatArray]) -> None:
        longest = max((len(clip) for clip in clips), default=0) / self.sample_rate
        if longest > self.max_seconds + 1 / self.sample_rate:
            raise ModelError(
                f"A clip of {longest:.1f} s is too long for the model {self.name!r}; "
                f"split it into windows of at most {self.max_seconds:.2f} s."
            )

    def decode(self, clips: Sequence[FloatArray], options: DecodingOptions) -> list[Decoded]:
        """The hypotheses of each clip, and what the CTC head says of it."""
        from gptasr_subs.model.decoding.decode import decode

        mel, lengths = self.log_mels(clips)
        return decode(
            self.checkpoint.model,
            self.checkpoint.tokenizer,
            mel=mel,
            lengths=lengths,
            options=options,
            spotter=self._spotter,
        )

    def log_mels(self, clips: Sequence[FloatArray]) -> tuple[Tensor, Tensor]:
        """Log-mels (B, n_mels, T) and lengths (B,).

        Each clip by itself, for its edges are reflected.
        """
        import torch
        from torch.nn.utils.rnn import pad_sequence

        mels = [
            self._front_end(torch.tensor(clip, device=self.device)[None])[0].T for clip in clips
        ]
        lengths = torch.tensor([len(mel) for mel in mels], device=self.device)
        return pad_sequence(mels, batch_first=True).transpose(1, 2), lengths

    def words_of(self, clip: FloatArray, decoded: Decoded) -> list[Word]:
        """The words of a clip, with the terms in them as the glossary writes them."""
        from gptasr_subs.model.decoding.spotting import pack, sounds_of

        plain = self._timed_words(clip, decoded)
        words = self._term_writer.write(plain) if self._term_writer else plain
        if decoded.ctc_log_probs is None:
            return words
        return WordsWithSounds(words, plain, pack(sounds_of(decoded.ctc_log_probs)))

    def _timed_words(self, clip: FloatArray, decoded: Decoded) -> list[Word]:
        """By the CTC head where there is one, else by attention, else spread over the speech."""
        from gptasr_subs.model.alignment.words import (
            align_words,
            combine_confidences,
            word_confidences,
            words_by_tokens,
            words_without_ctc,
        )
        from gptasr_subs.model.decoding.readings import read_otherwise

        if not decoded.text:
            return []
        checkpoint = self.checkpoint
        best = decoded.hypotheses[0]
        words: list[Word] = []
        seconds = len(clip) / self.sample_rate
        if decoded.ctc_log_probs is not None:
            words = align_words(
                best.text,
                decoded.ctc_log_probs,
                checkpoint.config.seconds_per_ctc_frame,
                seconds=seconds,
                start_offset=checkpoint.start_offset,
                end_offset=checkpoint.end_offset,
            )
        pieces = checkpoint.tokenizer.pieces(best.tokens)
        words = combine_confidences(words, word_confidences(pieces, best.token_log_probs))
        if not words and best.tokens:
            begins = self._token_times(clip, best.tokens)
            words = words_by_tokens(pieces, best.token_log_probs, begins, seconds)
        words = words or words_without_ctc(pieces, best.token_log_probs, clip, self.sample_rate)
        if self.gives_readings:
            readings = iter(read_otherwise(best.text, decoded.rivals, checkpoint.tokenizer))
            parts = [[next(readings, ()) for _ in word.text.split()] for word in words]
            words = [
                replace(word, readings=others[0]) if len(others) == 1 else word
                for word, others in zip(words, parts, strict=True)
            ]
        return words

    def _token_times(self, clip: FloatArray, tokens: Sequence[int]) -> list[float]:
        """When each token begins and the last one ends, by attention.

        Heads not stored are chosen by the first clip.
        """
        from gptasr_subs.model.alignment.cross_attention import (
            attention_to_audio,
            choose_heads,
            token_positions,
        )

        checkpoint = self.checkpoint
        attention = attention_to_audio(checkpoint.model, *self.log_mels([clip]), tokens)
        self._heads = self._heads or choose_heads([attention])
        times: list[float] = (
            checkpoint.config.seconds_per_position * token_positions(attention, self._heads)
        ).tolist()
        return times


def load_gptasr(
    name_or_path: str | Path = "default", device: str = "auto", language: str = "en"
) -> GptAsrRecognizer:
    """GPT-ASR; it writes English whatever ``language`` is. Raises ``ModelError``."""
    from gptasr_subs.model.checkpoint import load_checkpoint

    chosen = choose_device(device)
    name = name_or_path or "default"
    checkpoint = load_checkpoint(name, chosen)
    checkpoint.model.prepare_for_inference(number_format(chosen))
    return GptAsrRecognizer(checkpoint, chosen, own_identity(name))


def own_identity(name_or_path: str | Path) -> str:
    """Identify a GPT-ASR checkpoint for the journal: its weights, and the number format."""
    return f"{checkpoint_identity(name_or_path)} {os.environ.get(PRECISION, '')}".rstrip()


def glossary_identity(identity: str, glossary: Glossary) -> str:
    """What the journal knows a recogniser by that listens for a glossary; empty stays empty."""
    return f"{identity} {glossary.digest}".rstrip() if identity else ""


def number_format(device: str) -> torch.dtype:
    """What the network multiplies in: two bytes where the device is made for them, else float32.

    ``GPTASR_SUBS_PRECISION=float32`` asks for the latter.
    """
    import torch

    if os.environ.get(PRECISION) == "float32":
        return torch.float32
    if device.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    is_supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return torch.bfloat16 if device == "cpu" and is_supported() else torch.float32


def choose_device(wanted: str = "auto") -> str:
    """The device to run on: the one ``wanted``, or for ``auto`` a GPU where there is one."""
    import torch

    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if wanted == "auto":
        return next(device for device, available in there.items() if available)
    kind, _, number = wanted.partition(":")
    if kind not in there:
        raise ModelError(f"There is no device {wanted!r}; choose auto, cpu, cuda or mps.")
    if not there[kind]:
        reason = "it has none, or torch was installed without support for it"
        raise ModelError(
            f"This computer offers no {kind} device ({reason}); use --device cpu or auto."
        )
    if number and not (
        kind == "cuda" and number.isdigit() and int(number) < torch.cuda.device_count()
    ):
        raise ModelError(
            f"There is no device {wanted!r} on this computer;"
            " leave out the number, or use --device auto."
        )
    return wanted
