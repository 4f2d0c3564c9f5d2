"""The config of a checkpoint: its front end and its network; the published ones by name."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

Generation = Literal[1, 2, 3]
FrontEndKind = Literal["log-mel", "whisper", "samples"]
EncoderKind = Literal["moonshine", "whisper"]
MelScale = Literal["slaney", "htk"]


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """How samples become what the encoder reads.

    Generation 1 and 2 differ in power, mel scale and normalisation.

    ``kind`` "log-mel" is theirs, "whisper" Whisper's log-mel, "samples" the samples themselves (one
    to a frame). ``shift`` and ``scale`` hold one number a mel bin, or none: mel = (log-mel - shift)
    / scale. ``level`` is the RMS that each clip is brought to first (``None``: left as it is).
    """

    sample_rate: int = 22050
    n_fft: int = 1024
    hop: int = 256
    n_mels: int = 80
    f_max: float = 8000.0
    power: int = 1
    mel_scale: MelScale = "slaney"
    floor: float = 1e-5
    shift: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    level: float | None = None
    kind: FrontEndKind = "log-mel"

    @property
    def frames_per_second(self) -> float:
        """Mel frames in a second of audio."""
        return self.sample_rate / self.hop


GENERATION_1 = FrontEnd()
GENERATION_2 = FrontEnd(power=2, mel_scale="htk")
SAMPLES = FrontEnd(sample_rate=16000, hop=1, n_mels=1, kind="samples")
WHISPER_LOG_MEL = FrontEnd(sample_rate=16000, n_fft=400, hop=160, power=2, kind="whisper")


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """The config of an open speech encoder.

    ``inner`` is the width inside the MLP, ``rotary`` how many dimensions of each head Moonshine
    rotates, ``max_frames`` the rows of Whisper's position table and ``n_mels`` the log-mels that it
    reads.
    """

    kind: EncoderKind
    layers: int
    width: int
    heads: int
    inner: int
    rotary: int = 32
    max_frames: int = 1500
    n_mels: int = 80

    @property
    def frames_per_second(self) -> float:
        """Frames that come out for a second of audio."""
        return 16000 / 384 if self.kind == "moonshine" else 50.0

    @property
    def hop(self) -> int:
        """Front-end frames to one frame of the encoder: 384 samples, or two log-mels."""
        return 384 if self.kind == "moonshine" else 2


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """The config of the adapter: ``frames`` encoder frames become one position of the GPT."""

    frames: int
    width: int = 384
    blocks: int = 4
    kernel: int = 7
    groups: int = 8
    inner: int = 768


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The config of one GPT-ASR network.

    ``blocks`` counts the residual blocks of the mel encoder's three stages (generation 1 and 2);
    generation 3 has an open ``encoder`` and an ``adapter`` in its place; ``ctc_classes`` is 0 where
    the checkpoint has no CTC head, else its classes (0 is the blank), each mel position giving
    ``ctc_frames``.
    """

    generation: Generation
    layers: int
    width: int
    heads: int
    vocabulary: int
    start_token: int
    max_mel_frames: int
    max_text_tokens: int
    stop_token: int = 0
    blocks: tuple[int, int, int] = (1, 1, 1)
    ctc_classes: int = 0
    ctc_frames: int = 3
    text_solo: bool = False
    front_end: FrontEnd = field(default_factory=FrontEnd)
    encoder: EncoderConfig | None = None
    adapter: AdapterConfig | None = None

    @property
    def reduction(self) -> int:
        """Front-end frames that become one position."""
        if self.encoder and self.adapter:
            return self.encoder.hop * self.adapter.frames
        return 4 if self.generation == 1 else 8

    @property
    def max_mel_positions(self) -> int:
        """Rows of the mel position table."""
        return self.max_mel_frames // self.reduction

    @property
    def max_seconds(self) -> float:
        """The longest clip in seconds."""
        return (self.max_mel_frames - 1) * self.front_end.hop / self.front_end.sample_rate

    @property
    def seconds_per_position(self) -> float:
        """Length of one mel position in seconds."""
        return self.reduction * self.front_end.hop / self.front_end.sample_rate

    @property
    def seconds_per_ctc_frame(self) -> float:
        """Length of one frame of the CTC head's output in seconds."""
        return self.seconds_per_position / self.ctc_frames

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> ModelConfig:
        """Inverse of ``to_dict``; raises ``TypeError`` on unknown or missing names."""
        front = dict(values["front_end"])
        front |= {name: tuple(front[name]) for name in ("shift", "scale") if name in front}
        changed: dict[str, Any] = {
            "blocks": tuple(values["blocks"]),
            "front_end": FrontEnd(**front),
        }
        if values.get("encoder"):
            changed["encoder"] = EncoderConfig(**values["encoder"])
        if values.get("adapter"):
            changed["adapter"] = AdapterConfig(**values["adapter"])
        return ModelConfig(**{**values, **changed})


_SYMBOLS = 148  # characters and ARPAbet of generation 1; its start token is the next number

_MEDIUM = ModelConfig(
    generation=1,
    layers=12,
    width=512,
    heads=8,
    vocabulary=_SYMBOLS + 1,
    start_token=_SYMBOLS,
    max_mel_frames=1400,
    max_text_tokens=250,
    blocks=(2, 2, 2),
    front_end=GENERATION_1,
)
_SMALL = ModelConfig(
    generation=2,
    layers=10,
    width=384,
    heads=6,
    vocabulary=256,
    start_token=255,
    max_mel_frames=3200,
    max_text_tokens=500,
    text_solo=True,
    front_end=GENERATION_2,
)

PUBLISHED: dict[str, ModelConfig] = {
    "medium": _MEDIUM,
    "medium-distilled": replace(_MEDIUM, layers=6),
    "small": _SMALL,
    "large": replace(_SMALL, layers=20, width=512, heads=8),
}
