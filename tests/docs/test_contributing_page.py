"""The tree and the walk of CONTRIBUTING.md are those of the package; imports point downward."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.support.pages import REPOSITORY, read_page

PACKAGE = REPOSITORY / "gptasr_subs"
TREE, WALK = read_page("CONTRIBUTING.md").split("\n## ")[1:3]
ROWS = [
    re.findall(r"`([a-z]+)(?:/|\.py)`", row)
    for row in re.findall(r"^\| (`.*?) \|", TREE, re.MULTILINE)
]
HEIGHT = {name: -number for number, row in enumerate(ROWS) for name in row}


def imports() -> Iterator[tuple[str, str, str]]:
    """The module, its folder, and the folder that it imports from."""
    for path in PACKAGE.rglob("*.py"):
        module = path.relative_to(PACKAGE)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gptasr_subs."):
                yield (
                    str(module),
                    module.parts[0].removesuffix(".py"),
                    (node.module or "").split(".")[1],
                )


def test_every_folder_is_in_the_tree() -> None:
    assert {init.parent.name for init in PACKAGE.glob("*/__init__.py")} <= set(HEIGHT)


def test_imports_point_down() -> None:
    upward = [
        f"{module} -> {imported}"
        for module, folder, imported in imports()
        if folder in HEIGHT
        and folder != imported
        and HEIGHT[imported] >= HEIGHT[folder] > HEIGHT["types"]
    ]
    assert upward == []


def test_folders_know_nothing_of_what_is_not_theirs() -> None:
    known = {(folder, imported) for _, folder, imported in imports()}
    assert known.isdisjoint({("model", other) for other in ("cues", "formats", "media", "speech")})
    assert known.isdisjoint(
        {
            (folder, other)
            for folder in ("cues", "formats")
            for other in ("media", "speech", "model")
        }
    )


def test_the_walk_enters_ten_folders_once() -> None:
    steps = re.findall(r"^\d+\. `([a-z]+/)`: ((?:.|\n {3})*)", WALK, re.MULTILINE)
    assert len(steps) == len({folder for folder, _ in steps}) == 10
    for folder, text in steps:
        for name in re.findall(r"`([a-z_]+\.py|[a-z_]+/)`", text):
            assert (PACKAGE / folder / name).exists(), f"{folder}{name}"
