"""For mkdocs: the site is the repository with ``docs/`` at its root.

Pages and files that lie beside ``docs/`` are added, and links are led to where their targets are.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).parent.parent
OTHERS = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "MODEL_CARD.md",
    "dev/LOG.md",
    "plugins/mpv/gptasr-subs.lua",
    "plugins/systemd/gptasr-subs.service",
    "plugins/systemd/gptasr-subs.socket",
    "plugins/template/README.md",
    "plugins/whisper/README.md",
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the others."""
    for path in OTHERS:
        files.append(File.generated(config, path, abs_src_path=str(REPOSITORY / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead relative links to where their targets are on the site."""
    here = page.file.src_uri
    folder = posixpath.dirname(here if here in OTHERS else f"docs/{here}")

    def lead(link: re.Match[str]) -> str:
        path, _, anchor = link[1].partition("#")
        target = posixpath.normpath(posixpath.join(folder, path))
        if (REPOSITORY / target / "README.md").is_file():
            target = f"{target}/README.md"
        on_site = posixpath.relpath(target.removeprefix("docs/"), posixpath.dirname(here) or ".")
        return f"]({on_site}{'#' if anchor else ''}{anchor})"

    return re.sub(r"\]\((?![#a-z]+:|#)([^)]+)\)", lead, markdown)
