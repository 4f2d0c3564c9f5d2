"""A real browser before the real server: Debian's Chromium, driven by playwright.

Tests that need it are skipped where it is not installed (``pip install playwright`` and
``apt-get install chromium``).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

_PATIENCE = 60_000  # milliseconds, for machines that are busy

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""


@contextmanager
def launched() -> Iterator[Any]:
    """Chromium without a window; skips the test where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if not CHROMIUM:
        pytest.skip("needs Chromium")
    with api.sync_playwright() as playwright:
        api.expect.set_options(timeout=_PATIENCE)
        options = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@contextmanager
def window(browser: Any, url: str, **settings: Any) -> Iterator[Any]:
    """A page of its own, with nothing kept from others.

    Fails where it asks anyone but the server, where a script fails, or where the policy of the page
    forbids something that the page does.
    """
    wrong: list[str] = []
    context = browser.new_context(accept_downloads=True, **settings)
    context.set_default_timeout(_PATIENCE)
    context.on("request", lambda request: wrong.extend(_elsewhere(request.url, url)))
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.extend(_violations(message.text)))
    try:
        yield page
    finally:
        context.close()
    assert wrong == []


def _elsewhere(address: str, url: str) -> list[str]:
    is_ours = address.startswith((f"{url}/", "blob:", "data:"))
    return [] if is_ours else [address]


def _violations(message: str) -> list[str]:
    return [message] if "Content Security Policy" in message else []
