"""gptasr-subs: good English subtitles beside any video, offline.

The names here are the public library. They are imported on first use, so that ``import
gptasr_subs`` (and ``gptasr-subs --help``) costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gptasr_subs.cues.norms import Norms as Norms
    from gptasr_subs.cues.repair import fix_cues as fix_cues
    from gptasr_subs.cues.shaping import shape_cues as shape_cues
    from gptasr_subs.formats import read as read
    from gptasr_subs.formats import write as write
    from gptasr_subs.media.decode import decode_audio as decode_audio
    from gptasr_subs.pipeline.recognize import transcribe as transcribe
    from gptasr_subs.pipeline.subtitle import subtitle as subtitle
    from gptasr_subs.recognition.loading import load_model as load_model
    from gptasr_subs.speech.segmentation import split_speech as split_speech
    from gptasr_subs.types import Cue as Cue
    from gptasr_subs.types import Span as Span
    from gptasr_subs.types import Word as Word

__version__ = "0.1.0"

_HOMES = {
    "Cue": "types",
    "Norms": "cues.norms",
    "Span": "types",
    "Word": "types",
    "decode_audio": "media.decode",
    "fix_cues": "cues.repair",
    "load_model": "recognition.loading",
    "read": "formats",
    "shape_cues": "cues.shaping",
    "split_speech": "speech.segmentation",
    "subtitle": "pipeline.subtitle",
    "transcribe": "pipeline.recognize",
    "write": "formats",
}

__all__ = [
    "Cue",
    "Norms",
    "Span",
    "Word",
    "decode_audio",
    "fix_cues",
    "load_model",
    "read",
    "shape_cues",
    "split_speech",
    "subtitle",
    "transcribe",
    "write",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
