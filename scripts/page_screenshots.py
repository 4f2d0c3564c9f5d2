"""Make the pictures of the page in docs/images: a server of its own subtitles the film of
``screenshot.py``, and a browser looks at it.

    python scripts/page_screenshots.py

Needs playwright, Pillow, ffmpeg and Debian's chromium.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from PIL import Image
from playwright.sync_api import sync_playwright
from screenshot import IMAGES, make_video, paint_scene

PATIENCE = 600  # seconds for the recognition
FADING = 1000  # ms


def main() -> None:
    """Write docs/images/page*.png."""
    with TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        paint_scene().save(folder / "scene.png")
        make_video(folder / "scene.png", folder / "Two white birds.mp4")
        options = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        path = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=options)
        with serving(folder) as server:
            make_job(server, folder / "Two white birds.mp4")
            shoot_all(browser, server)
        browser.close()


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A server that may read the films of a folder, until the block ends; yields its address."""
    places = {f"GPTASR_SUBS_{name}": str(folder / name.lower()) for name in ("CACHE", "DATA")}
    listener = socket.create_server(("127.0.0.1", 0))
    fd = str(listener.fileno())
    process = subprocess.Popen(
        [sys.executable, "-m", "gptasr_subs", "serve", "--quiet", "--fd", fd, "--root", folder],
        env={**os.environ, **places},
        pass_fds=[listener.fileno()],
    )
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        process.terminate()
        process.wait()
        listener.close()


def make_job(server: str, film: Path) -> None:
    """Have a film subtitled."""
    with httpx.Client(base_url=server, timeout=PATIENCE) as client:
        number = client.post("/jobs", json={"path": str(film)}).json()["id"]
        deadline = time.monotonic() + PATIENCE
        while client.get(f"/jobs/{number}").json()["state"] != "done":
            if time.monotonic() > deadline:
                raise SystemExit("The film takes too long; try again on a machine with less to do.")
            time.sleep(1)


def shoot_all(browser: Any, server: str) -> None:
    """The list of films, and the only film in several ways."""
    with window(browser, f"{server}/", (1100, 620)) as page:
        page.locator("li.film").wait_for()
        save(page, "page-films.png")
    film = f"{server}/films/1"
    with window(browser, film, (1440, 900)) as page:
        wait_until_drawn(page)
        page.keyboard.press("Alt+ArrowDown")
        page.keyboard.press("F6")
        page.wait_for_function("!document.getElementById('video').seeking")
        page.wait_for_function("document.getElementById('caption').textContent")
        save(page, "page.png")
    with window(browser, film, (1440, 900), "dark") as page:
        wait_until_drawn(page)
        page.keyboard.press("F2")
        page.locator("#stop-sentence mark").wait_for()
        page.wait_for_function("document.getElementById('video').currentTime > 0.5")
        wait_for_video(page)
        save(page, "page-review.png")
    with window(browser, film, (360, 780)) as page:
        wait_until_drawn(page)
        save(page, "page-narrow.png")


def wait_until_drawn(page: Any) -> None:
    """Until the film, its waveform and its norms are there."""
    page.locator("#wave[data-peaks=all]").wait_for()
    page.wait_for_function("document.getElementById('fault-count').textContent != '…'")
    wait_for_video(page)


def wait_for_video(page: Any) -> None:
    """Until enough is there to play, and the browser's sign of waiting has had time to fade."""
    page.wait_for_function("document.getElementById('video').readyState == 4")
    page.wait_for_timeout(FADING)


@contextmanager
def window(browser: Any, url: str, size: tuple[int, int], theme: str = "light") -> Iterator[Any]:
    """A page in a window of this size."""
    width, height = size
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme=theme,
        bypass_csp=True,  # the conditions we wait for are evaluated in the page
    )
    page.set_default_timeout(PATIENCE * 1000)
    page.goto(url)
    yield page
    page.close()


def save(page: Any, name: str) -> None:
    """One picture, of 128 colours."""
    picture = Image.open(BytesIO(page.screenshot())).convert("RGB")
    path = IMAGES / name
    picture.quantize(128, method=Image.Quantize.MEDIANCUT).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
