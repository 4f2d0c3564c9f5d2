"""Make the pictures in docs/images, of a painted video with the voice of examples/sample.mp4.

It goes through ``gptasr-subs --burn`` and ``gptasr-subs preview``.

    python scripts/screenshot.py

Needs Pillow and ffmpeg.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

REPOSITORY = Path(__file__).parents[1]
SAMPLE = REPOSITORY / "examples" / "sample.mp4"
IMAGES = REPOSITORY / "docs" / "images"

WIDTH, HEIGHT = 960, 540
HORIZON = 300
LINE = "two white birds"  # the frame to show is the one with this subtitle
TIMELINE_START = 19.0


def main() -> None:
    """Write docs/images/subtitle.png and docs/images/preview.png."""
    IMAGES.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder:
        scene, video = Path(folder, "scene.png"), Path(folder, "garden.mp4")
        paint_scene().save(scene)
        make_video(scene, video)
        run_program("--burn", "--format", "srt", video)
        run_program(
            "preview", video, "--frames", "3", "--start", str(TIMELINE_START), "--seconds", "10",
            "-o", Path(folder, "preview.png"),
        )  # fmt: skip
        moment = find_line(video.with_suffix(".en.srt"), LINE)
        frame = Path(folder, "frame.png")
        run_ffmpeg(
            "-ss",
            f"{moment:.2f}",
            "-i",
            video.with_suffix(".subtitled.mp4"),
            "-frames:v",
            "1",
            frame,
        )
        save_small(Image.open(frame), IMAGES / "subtitle.png")
        save_small(Image.open(Path(folder, "preview.png")), IMAGES / "preview.png")


def paint_scene() -> Image.Image:
    """A river at sunrise with hills, trees, a boat and two white birds, RGB."""
    scale = 2  # painted larger, then reduced, so that edges are smooth
    width, height, horizon = WIDTH * scale, HEIGHT * scale, HORIZON * scale
    rows = np.linspace(0, 1, horizon)[:, None, None]
    sky = (1 - rows) * np.array([70, 112, 158]) + rows * np.array([250, 205, 150])
    sky_image = Image.fromarray(np.repeat(sky, width, axis=1).astype(np.uint8))
    picture = Image.new("RGB", (width, height))
    picture.paste(sky_image)
    draw = ImageDraw.Draw(picture)
    draw.ellipse((1250, 400, 1390, 540), fill=(255, 236, 190))
    x = np.arange(0, width + 8, 8)
    for base, swing, period, phase, colour in (
        (460, 70, 620, 0.4, (122, 133, 148)),
        (520, 50, 430, 2.0, (88, 112, 112)),
        (566, 26, 300, 4.2, (58, 88, 76)),
    ):
        ridge = base - swing * np.sin(x / period * 2 + phase) - swing * 0.4 * np.sin(x / period * 5)
        draw.polygon(
            [(0, horizon), *zip(x.tolist(), ridge.tolist(), strict=True), (width, horizon)],
            fill=colour,
        )
    reflection = picture.crop((0, 0, width, horizon)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    water = reflection.resize((width, height - horizon)).filter(ImageFilter.GaussianBlur(14))
    picture.paste(
        Image.blend(water, Image.new("RGB", water.size, (40, 84, 104)), 0.45), (0, horizon)
    )
    for ripple in np.random.default_rng(0).uniform(0, 1, (110, 3)):
        y = horizon + 16 + ripple[1] ** 1.3 * (height - horizon - 30)
        length = 20 + 120 * ripple[2] * (y - horizon) / (height - horizon)
        left = ripple[0] * width
        draw.line((left, y, left + length, y), fill=(150, 170, 170), width=2)
    _paint_trees(draw)
    _paint_boat(draw)
    for left, top in ((900, 700), (1080, 742)):
        _paint_bird(draw, left, top)
    return picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def _paint_trees(draw: ImageDraw.ImageDraw) -> None:
    draw.polygon([(0, 600), (420, 606), (560, 640), (430, 690), (0, 740)], fill=(46, 74, 54))
    for left, top, size in ((30, 250, 200), (190, 300, 170), (330, 360, 130)):
        draw.rectangle(
            (left + size * 0.46, top + size * 0.8, left + size * 0.55, 640), fill=(66, 50, 40)
        )
        for shift, lift in ((0, 0.25), (0.32, 0), (0.5, 0.3), (0.2, 0.45)):
            edge = (left + shift * size * 0.9 - 10, top + lift * size)
            draw.ellipse((*edge, edge[0] + size * 0.62, edge[1] + size * 0.6), fill=(44, 82, 56))


def _paint_boat(draw: ImageDraw.ImageDraw) -> None:
    draw.polygon([(330, 742), (640, 742), (590, 800), (380, 800)], fill=(120, 62, 44))
    draw.line((330, 742, 640, 742), fill=(196, 142, 100), width=8)
    draw.line((400, 758, 300, 838), fill=(170, 130, 96), width=6)


def _paint_bird(draw: ImageDraw.ImageDraw, left: int, top: int) -> None:
    white = (246, 244, 236)
    draw.ellipse((left, top, left + 92, top + 40), fill=white)
    draw.polygon([(left + 4, top + 14), (left - 34, top + 4), (left + 12, top + 32)], fill=white)
    draw.arc((left + 54, top - 66, left + 120, top + 30), 100, 260, fill=white, width=14)
    draw.ellipse((left + 72, top - 72, left + 104, top - 46), fill=white)
    draw.polygon(
        [(left + 100, top - 64), (left + 128, top - 56), (left + 100, top - 52)],
        fill=(232, 150, 60),
    )
    draw.ellipse((left + 86, top - 64, left + 92, top - 58), fill=(30, 30, 30))


def make_video(scene: Path, video: Path) -> None:
    """The picture for as long as the voice of the sample speaks."""
    run_ffmpeg(
        "-loop", "1", "-framerate", "24", "-i", scene, "-i", SAMPLE, "-map", "0:v", "-map", "1:a",
        "-c:v", "libx264", "-preset", "veryfast", "-tune", "stillimage", "-crf", "16",
        "-pix_fmt", "yuv420p", "-c:a", "copy", "-shortest", video,
    )  # fmt: skip


def find_line(subtitles: Path, text: str) -> float:
    """The middle of the cue that says ``text``, in seconds."""
    from gptasr_subs import read

    cue = next(cue for cue in read(subtitles) if text in cue.text.replace("\n", " "))
    return (cue.start + cue.end) / 2


def save_small(picture: Image.Image, path: Path) -> None:
    """As a PNG of 256 colours, which takes a third of the room."""
    few = picture.convert("RGB").quantize(
        256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG
    )
    few.save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def run_program(*arguments: str | Path) -> None:
    """Run gptasr-subs."""
    subprocess.run(
        [sys.executable, "-m", "gptasr_subs", "--quiet", *map(str, arguments)], check=True
    )


def run_ffmpeg(*arguments: str | Path) -> None:
    """Run ffmpeg; what is there is replaced."""
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, arguments)], check=True)


if __name__ == "__main__":
    main()
