"""What axe finds on a page.

axe is found through NODE_PATH:
``npm install --prefix DIR axe-core; export NODE_PATH=DIR/node_modules``.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_CHECK = """async (rules) => {
  const { violations } = await axe.run(document, { runOnly: rules });
  return violations.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${id}: ${node.html.slice(0, 200)} ${node.failureSummary}`));
}"""


@cache
def read_axe() -> str:
    """The script; skips the test where there is none."""
    for folder in os.environ.get("NODE_PATH", "").split(os.pathsep):
        script = Path(folder, "axe-core", "axe.min.js")
        if folder and script.is_file():
            return script.read_text()
    pytest.skip("needs axe-core of npm in NODE_PATH")


def violations(page: Any) -> list[str]:
    """What it finds on a page as it is now."""
    page.evaluate(read_axe())
    found: list[str] = page.evaluate(_CHECK, _RULES)
    return found
