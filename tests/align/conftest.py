"""The shipped model, loaded once for the tests that align real voices."""

from __future__ import annotations

import pytest

import gptasr_subs as gs
from gptasr_subs.recognition.gptasr import GptAsrRecognizer


@pytest.fixture(scope="module")
def model() -> GptAsrRecognizer:
    return gs.load_model("default", device="cpu")
