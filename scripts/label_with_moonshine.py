"""Let Moonshine's own decoder write the texts of a corpus, with casing and punctuation.

    python scripts/label_with_moonshine.py CORPUS MODELS --out LABELLED --min-confidence 0.7

MODELS has ``encoder_model.ort``, ``decoder_model_merged.ort`` and ``tokenizer.bin`` of Moonshine
base; ``scripts/convert_moonshine.py`` says where they are. LABELLED is a corpus of the same audio,
cut at pauses where a recording is long. What has a transcript already keeps its words, and takes
casing and punctuation from where Moonshine writes the same; where it mostly writes something else,
the clip is left out. A stopped command resumes. Needs onnxruntime, flatbuffers and transformers.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from math import exp
from pathlib import Path
from typing import Any

import torch
from convert_moonshine import dequantised, encoder_state, read_graph, tensor_of
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import MoonshineConfig, MoonshineForConditionalGeneration

from gptasr_subs.corpora.manifest import COLUMNS, Clip, read_clips
from gptasr_subs.corpora.pseudo_labels import LabelOptions, label
from gptasr_subs.evaluation.wer import is_unformatted, normalize
from gptasr_subs.model.alignment.words import spread_words
from gptasr_subs.storage.files import write_atomically
from gptasr_subs.types import FloatArray, Span, Word

_BASE = MoonshineConfig(
    vocab_size=32768,
    hidden_size=416,
    intermediate_size=1664,
    encoder_num_hidden_layers=8,
    decoder_num_hidden_layers=8,
    encoder_num_attention_heads=8,
    decoder_num_attention_heads=8,
    partial_rotary_factor=0.62,
)
_START = 1
_END = 2
_TOKENS_A_SECOND = 7  # more are the loop of a decoder that has lost its way
_BATCH_SECONDS = 400.0
_PADDING = 0.5  # seconds that may be missing at a clip's end
_MIN_AGREEMENT = 0.7  # share of a transcript's words that Moonshine writes, too

_PRODUCT = re.compile(r"/model/decoder/(layers\.\d+)/(\w+)/(\w+)/MatMul$")
_VECTOR = re.compile(r"model\.decoder\.(.*(?:norm\.weight|\.bias))_merged_0$")
_EMBEDDING = "model.decoder.embed_tokens.weight_merged_0_add_tensor"
_NAMES = {
    "dense": "o_proj",
    "up_proj": "fc1",
    "down_proj": "fc2",
}  # of the package, of transformers
_BYTE = re.compile(rb"<0x([0-9A-F]{2})>")
_SPACE = "\u2581".encode()


class Moonshine:
    """Moonshine base as a recogniser for labels: its words have no times of their own."""

    name = "moonshine-base"
    sample_rate = 16000
    max_seconds = 15.6

    def __init__(self, folder: Path) -> None:
        """Read the files of a package; raises ModelError where they are something else."""
        self._network = load_network(folder)
        self._pieces = read_pieces((folder / "tokenizer.bin").read_bytes())

    def transcribe(
        self, clips: Sequence[FloatArray], *, batch_size: int = 0, beams: int = 0
    ) -> Iterator[tuple[int, list[Word]]]:
        """Words of each clip spread over it, by greedy search in batches of like length."""
        order = sorted(range(len(clips)), key=lambda index: len(clips[index]))
        while order:
            longest = len(clips[order[-1]]) / self.sample_rate
            size = max(1, int(_BATCH_SECONDS / longest))
            batch = order[-size:]
            del order[-size:]
            found = self._write([clips[index] for index in batch])
            for index, (tokens, confidence) in zip(batch, found, strict=True):
                text = text_of(self._pieces, tokens)
                whole = Span(0.0, len(clips[index]) / self.sample_rate)
                yield index, spread_words(text, [confidence for _ in text.split()], whole)

    @torch.inference_mode()
    def _write(self, clips: Sequence[FloatArray]) -> list[tuple[list[int], float]]:
        """Tokens of each clip, and the geometric mean of their probabilities."""
        samples = pad_sequence([torch.from_numpy(clip) for clip in clips], batch_first=True)
        lengths = torch.tensor([len(clip) for clip in clips])
        inside = (torch.arange(samples.shape[1]) < lengths[:, None]).long()
        network = self._network
        encoded = network.model.encoder(samples.to(network.dtype), attention_mask=inside)
        read = torch.full((len(clips), 1), _START)
        going = torch.ones(len(clips), dtype=torch.bool)
        tokens: list[list[int]] = [[] for _ in clips]
        log_probs = torch.zeros(len(clips))
        cache = None
        for _ in range(int(_TOKENS_A_SECOND * samples.shape[1] / self.sample_rate) + 10):
            out = network.model.decoder(
                input_ids=read,
                encoder_hidden_states=encoded.last_hidden_state,
                encoder_attention_mask=encoded.attention_mask,
                past_key_values=cache,
                use_cache=True,
            )
            cache = out.past_key_values
            logits = network.proj_out(out.last_hidden_state[:, 0]).float()
            best, token = logits.log_softmax(-1).max(1)
            log_probs += torch.where(going, best, 0.0)
            for row in going.nonzero().flatten().tolist():
                tokens[row].append(int(token[row]))
            going &= token != _END
            read = token[:, None]
            if not going.any():
                break
        # A text without an end is that of a loop.
        return [
            (ids[:-1], exp(float(log_probs[row]) / len(ids))) if ids[-1] == _END else ([], 0.0)
            for row, ids in enumerate(tokens)
        ]


def load_network(folder: Path) -> Any:
    """The weights of a package in the network of transformers, in bfloat16."""
    graph = read_graph(folder / "decoder_model_merged.ort")
    floats = dequantised(graph.constants)
    state = {"embed_tokens.weight": tensor_of(floats[_EMBEDDING])}
    for name, value in floats.items():
        if found := _VECTOR.fullmatch(name):
            state[_renamed(found[1])] = tensor_of(value)
    for node in graph.nodes:
        found = _PRODUCT.match(node.name)
        if found and node.kind == "MatMul" and node.inputs[1] in floats:
            name = _renamed(".".join((*found.groups(), "weight")))
            state[name] = tensor_of(floats[node.inputs[1]].T)
    encoder = encoder_state(read_graph(folder / "encoder_model.ort"))
    whole: dict[str, Tensor] = {f"model.decoder.{name}": value for name, value in state.items()}
    whole |= {f"model.encoder.{name}": value for name, value in encoder.items()}
    whole["proj_out.weight"] = state["embed_tokens.weight"]
    network = MoonshineForConditionalGeneration(_BASE)
    network.load_state_dict(whole)
    return network.to(torch.bfloat16).eval()


def _renamed(name: str) -> str:
    return ".".join(_NAMES.get(part, part) for part in name.split("."))


def read_pieces(data: bytes) -> list[bytes]:
    """The pieces of text in ``tokenizer.bin``: each behind its length in one byte or two."""
    pieces = []
    place = 0
    while place < len(data):
        size = data[place]
        place += 1
        if size >= 128:  # the lower seven bits, then the rest
            size += 128 * data[place] - 128
            place += 1
        pieces.append(data[place : place + size])
        place += size
    return pieces


def text_of(pieces: Sequence[bytes], tokens: Sequence[int]) -> str:
    """The text that ``tokens`` stand for."""
    written = b""
    for token in tokens:
        piece = pieces[token]
        byte = _BYTE.fullmatch(piece)
        written += bytes([int(byte[1], 16)]) if byte else piece.replace(_SPACE, b" ")
    return written.decode("utf-8", "replace").strip()


def formatted(plain: str, written: str) -> str:
    """``plain`` with casing and punctuation of the words that ``written`` has too; else empty."""
    words = plain.split()
    others = written.split()
    spelled = [normalize(word) for word in others]
    matcher = SequenceMatcher(None, [normalize(word) for word in words], spelled, autojunk=False)
    same = 0
    for block in matcher.get_matching_blocks():
        words[block.a : block.a + block.size] = others[block.b : block.b + block.size]
        same += block.size
    if not words or same < _MIN_AGREEMENT * len(words):
        return ""
    text = " ".join(words)
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".?!" else text.rstrip(",;:-") + "."


def keep_transcripts(corpus: Path, labelled: Path) -> None:
    """Put the words of the transcripts of ``corpus`` into the manifest of ``labelled``."""
    said = {_place(clip): clip for clip in read_clips(corpus)}
    lines = ["\t".join(COLUMNS)]
    for clip in read_clips(labelled):
        whole = said.get(_place(clip))
        # The first piece of a clip that was cut has its place, but not all of its words.
        is_cut = whole and whole.seconds and clip.seconds < whole.seconds - _PADDING
        text = whole.text if whole and not is_cut else ""
        if text and is_unformatted(text):
            text = formatted(text, clip.text)
            if not text:
                continue
        facts = (str(clip.file), f"{clip.offset:.4f}", f"{clip.seconds:.4f}")
        about = (clip.speaker, clip.source, clip.licence)
        lines.append("\t".join((*facts, *about, text or clip.text)))
    write_atomically(labelled / "with-transcripts.tsv", "\n".join(lines) + "\n")


def _place(clip: Clip) -> tuple[Path, float]:
    return clip.file.resolve(), round(clip.offset, 2)


def main() -> None:
    """Read the command line, and label."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path, help="a manifest, or a folder with manifest.tsv")
    parser.add_argument("models", type=Path, help="the files of Moonshine base")
    parser.add_argument("--out", type=Path, required=True, help="folder of the labelled corpus")
    parser.add_argument("--min-confidence", type=float, default=0.7)
    given = parser.parse_args()
    options = LabelOptions(min_confidence=given.min_confidence)
    report = label(given.corpus, Moonshine(given.models), given.out, options)
    print(*report.lines(), sep="\n")
    keep_transcripts(given.corpus, given.out)


if __name__ == "__main__":
    main()
