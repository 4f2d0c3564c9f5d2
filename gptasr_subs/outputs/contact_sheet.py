"""One picture of a video and its subtitles, for a quick look and for bug reports: cues over their
frames, and a timeline.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gptasr_subs.errors import UsageError
from gptasr_subs.media.decode import decode_blocks
from gptasr_subs.media.ffmpeg import build_command, join_streams, open_input, run_ffmpeg
from gptasr_subs.media.probe import MediaInfo, choose_track, probe
from gptasr_subs.speech.segmentation import Window, segment_blocks
from gptasr_subs.types import Cue, FloatArray, Span, Word

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

# frames in a row, pixels of a frame's width, and between things
_COLUMNS = 3
_FRAME = 480
_GAP = 16
_WIDTH = _COLUMNS * (_FRAME + _GAP) + _GAP
# seconds and height of a row of the timeline
_ROW_SECONDS = 10.0
_ROW = 244
_RATE = 16000

_PAPER = "#14161b"
_INK = "#e8eaf0"
_FAINT = "#7d8597"
_WAVE = "#5b8def"
_WINDOW = "#2a2f3a"
_SPEECH = "#1f3d33"
_WORD = "#f2b65a"
_CUE = "#4cc38a"
# Where the timeline has a colour as a background, its name has a brighter one.
_LEGEND = {
    "audio": _WAVE,
    "window": "#566074",
    "speech": "#3f7d68",
    "word": _WORD,
    "subtitle": _CUE,
}


@dataclass(frozen=True)
class Sight:
    """What to draw: ``cues``, the ``words`` they are made of where known, and which part of the
    video.
    """

    cues: Sequence[Cue]
    words: Sequence[Word] = ()
    start: float = 0.0
    seconds: float = 40.0
    frames: int = 9


def draw_preview(media: Path, sight: Sight) -> bytes:
    """Draw a PNG: cues over their frames where there is a picture, and the timeline of a part of
    the audio.

    Raises UsageError where Pillow is missing, MediaError where the media cannot be read.
    """
    image = _pillow("Image")
    info = probe(media)
    parts = [_sheet(media, sight)] if info.width else []
    parts.append(_timeline(media, info, sight))
    whole: Image = image.new("RGB", (_WIDTH, sum(part.height for part in parts)), _PAPER)
    top = 0
    for part in parts:
        whole.paste(part, (0, top))
        top += part.height
    file = io.BytesIO()
    whole.save(file, "PNG", optimize=True)
    return file.getvalue()


def _pillow(module: str) -> Any:
    """Return a module of Pillow, which only pictures need."""
    try:
        return import_module(f"PIL.{module}")
    except ImportError as error:
        raise UsageError(
            "Pictures need the package Pillow; pip install 'gptasr-subs[preview]'."
        ) from error


def _font(size: int) -> Any:
    return _pillow("ImageFont").load_default(size)


def _sheet(media: Path, sight: Sight) -> Image:
    """Return the contact sheet."""
    # Spread evenly over the video
    count = min(sight.frames, len(sight.cues))
    places = np.linspace(0, len(sight.cues) - 1, count).round().astype(int).tolist()
    chosen = [sight.cues[place] for place in dict.fromkeys(places)]
    frames = [frame for cue in chosen if (frame := _captioned_frame(media, cue))]
    height = max((frame.height for frame in frames), default=0)
    rows = -(-len(frames) // _COLUMNS)
    sheet: Image = _pillow("Image").new("RGB", (_WIDTH, _GAP + rows * (height + _GAP)), _PAPER)
    for index, frame in enumerate(frames):
        row, column = divmod(index, _COLUMNS)
        sheet.paste(frame, (_GAP + column * (_FRAME + _GAP), _GAP + row * (height + _GAP)))
    return sheet


def _captioned_frame(media: Path, cue: Cue) -> Image | None:
    """Return the picture in the middle of a cue, its text drawn into it, times and speed below."""
    source = open_input(media, ss=f"{(cue.start + cue.end) / 2:.3f}")
    png = {"format": "image2pipe", "c:v": "png", "frames:v": 1, "vf": f"scale={_FRAME}:-2"}
    with run_ffmpeg(build_command(join_streams(source["V:0"], to="-", **png))) as (child, _):
        data = child.stdout.read() if child.stdout else b""
    if not data:  # behind the last frame, for the audio may be longer
        return None
    frame: Image = _pillow("Image").open(io.BytesIO(data)).convert("RGB")
    below = 26
    whole: Image = _pillow("Image").new("RGB", (_FRAME, frame.height + below), _PAPER)
    whole.paste(frame)
    draw = _pillow("ImageDraw").Draw(whole)
    place = (_FRAME / 2, frame.height - 12)
    text = {"font": _font(19), "align": "center", "anchor": "md"}
    draw.multiline_text(
        place, cue.text, fill="white", stroke_width=2, stroke_fill="black", spacing=3, **text
    )
    seconds = cue.end - cue.start
    speed = len(cue.text) / max(seconds, 1e-3)
    facts = f"{_clock(cue.start)}   {seconds:.2f} s   {speed:.0f} characters/s"
    draw.text((2, frame.height + 7), facts, fill=_FAINT, font=_font(14))
    return whole


def _timeline(media: Path, info: MediaInfo, sight: Sight) -> Image:
    """Return rows of waveform, windows and speech, words and cues."""
    n_samples = round(sight.seconds * _RATE)
    audio = np.zeros(0, np.float32)
    track = info.audio[choose_track(info, None)]
    for block in decode_blocks(media, track=track, sample_rate=_RATE, start=sight.start):
        audio = np.concatenate([audio, block])[:n_samples]
        if len(audio) == n_samples:
            break
    windows = [window.shifted(sight.start) for window in segment_blocks([audio], _RATE)]
    seconds = len(audio) / _RATE
    rows = max(1, -(-int(np.ceil(seconds)) // int(_ROW_SECONDS)))
    picture: Image = _pillow("Image").new("RGB", (_WIDTH, rows * _ROW + 40), _PAPER)
    draw = _pillow("ImageDraw").Draw(picture)
    loudest = float(np.abs(audio).max(initial=1e-6))
    for row in range(rows):
        first = sight.start + row * _ROW_SECONDS
        part = audio[round(row * _ROW_SECONDS * _RATE) : round((row + 1) * _ROW_SECONDS * _RATE)]
        _Row(draw, first, 10 + row * _ROW).draw(part / loudest, windows, sight)
    left = _GAP
    top = picture.height - 26
    for name, colour in _LEGEND.items():
        draw.rectangle((left, top + 3, left + 12, top + 13), fill=colour)
        draw.text((left + 18, top), name, fill=_INK, font=_font(14))
        left += 110
    return picture


class _Row:
    """One stretch of the timeline, from ``first`` seconds on, ``top`` pixels down."""

    def __init__(self, draw: ImageDraw, first: float, top: int) -> None:
        self._draw = draw
        self._first = first
        self._top = top

    def draw(self, audio: FloatArray, windows: Iterable[Window], sight: Sight) -> None:
        """Draw background to foreground."""
        for window in windows:
            self._box(window.span, 22, 122, _WINDOW)
            for part in window.speech:
                self._box(part, 22, 122, _SPEECH)
        width = round(self._x(self._first + len(audio) / _RATE)) - _GAP
        for column, piece in enumerate(np.array_split(audio, max(1, width))):
            if len(piece):
                low = self._top + 72 - 48 * piece.max()
                high = self._top + 72 - 48 * piece.min()
                self._draw.line((_GAP + column, low, _GAP + column, max(high, low + 1)), fill=_WAVE)
        for second in range(int(_ROW_SECONDS) + 1):
            x = self._x(self._first + second)
            self._draw.line((x, self._top + 18, x, self._top + 22), fill=_FAINT)
            if second % 5 == 0 and second < _ROW_SECONDS:
                self._draw.text(
                    (x + 3, self._top),
                    _clock(self._first + second)[:8],
                    fill=_FAINT,
                    font=_font(13),
                )
        for index, word in enumerate(sight.words):
            room = sight.words[index + 2].start if index + 2 < len(sight.words) else word.end
            self._labelled(
                Span(word.start, word.end),
                128 + 19 * (index % 2),
                height=17,
                colour=_WORD,
                text=word.text,
                until=max(word.end, room),
            )
        for cue in sight.cues:
            self._labelled(Span(cue.start, cue.end), 174, height=52, colour=_CUE, text=cue.text)

    def _x(self, moment: float) -> float:
        return _GAP + (moment - self._first) / _ROW_SECONDS * (_WIDTH - 2 * _GAP)

    def _edges(self, span: Span) -> tuple[float, float] | None:
        """Left and right end in this row, if any of it lies here."""
        low = max(span.start, self._first)
        high = min(span.end, self._first + _ROW_SECONDS)
        return (self._x(low), self._x(high)) if low < high else None

    def _box(self, span: Span, top: int, bottom: int, colour: str) -> None:
        if edges := self._edges(span):
            self._draw.rectangle(
                (edges[0], self._top + top, edges[1], self._top + bottom), fill=colour
            )

    def _labelled(
        self, span: Span, top: int, height: int, colour: str, text: str, until: float | None = None
    ) -> None:
        """Draw a box with its text, which has room to the moment ``until``."""
        if not (edges := self._edges(span)):
            return
        left, right = edges
        bottom = self._top + top + height
        self._draw.rounded_rectangle(
            (left, self._top + top, max(left + 2, right - 1), bottom), 3, outline=colour
        )
        if span.start >= self._first:  # what began in the row above has its text there
            room = self._x(min(until or span.end, self._first + _ROW_SECONDS)) - left - 8
            shown = "\n".join(_wrapped(text, room, height // 16))
            self._draw.multiline_text(
                (left + 4, self._top + top + 1), shown, fill=_INK, font=_font(13), spacing=2
            )


def _wrapped(text: str, width: float, most: int) -> list[str]:
    """Wrap ``text`` to at most ``most`` lines of ``width`` pixels; what has no room is left out."""
    font = _font(13)
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
        elif len(lines) < most and lines[-1]:
            lines.append(word)
        else:
            return [*lines[:-1], f"{lines[-1]} …" if lines[-1] else ""]
    return lines


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{seconds % 60:05.2f}"
