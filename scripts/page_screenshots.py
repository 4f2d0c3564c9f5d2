"""Make the pictures of the page in docs/images, of a server at work on a film.

    gptasr-subs serve --root FOLDER
    python scripts/page_screenshots.py http://127.0.0.1:9000 JOB

JOB is the number of a film that is done. Needs playwright, Pillow and Debian's chromium.
"""

from __future__ import annotations

import shutil
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SETTLE = 2500  # milliseconds until the waveform and the norms are there


def main(server: str, job: str) -> None:
    """Write docs/images/page*.png."""
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium")
        options = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        shoot(browser, f"{server}/", "page-films.png", theme="light", size=(1100, 760))
        film = f"{server}/films/{job}"
        shoot(
            browser, film, "page.png", theme="light", size=(1440, 900), keys=["Alt+ArrowDown"] * 2
        )
        shoot(browser, film, "page-review.png", theme="dark", size=(1440, 900), keys=["F2"])
        shoot(browser, film, "page-narrow.png", theme="light", size=(360, 780))
        browser.close()


def shoot(
    browser: Any,
    url: str,
    name: str,
    *,
    theme: str,
    size: tuple[int, int],
    keys: list[str] | None = None,
) -> None:
    """One picture, of 128 colours, after these keys were pressed."""
    width, height = size
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
    page.goto(url)
    page.wait_for_timeout(SETTLE)
    for key in keys or []:
        page.keyboard.press(key)
    page.wait_for_timeout(SETTLE)
    picture = Image.open(BytesIO(page.screenshot())).convert("RGB")
    page.close()
    path = IMAGES / name
    picture.quantize(128, method=Image.Quantize.MEDIANCUT).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(*sys.argv[1:])
