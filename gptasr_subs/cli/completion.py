"""What a shell offers where a person presses Tab.

typer asks these functions. Where one gives nothing, the shell itself completes names of files.
"""

from __future__ import annotations

from pathlib import Path

import typer


def complete_command(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return the commands, in the place of the first file, unless there is a file that begins
    so.
    """
    if ctx.params.get("inputs") or not ctx.parent:
        return []
    if any(path.name.startswith(incomplete) for path in Path().iterdir()):
        return []
    commands = getattr(ctx.parent.command, "commands", {})
    return [(name, each.get_short_help_str()) for name, each in commands.items() if not each.hidden]


def complete_formats(incomplete: str) -> list[str]:
    """Return the names of formats behind those that are in the list already."""
    from gptasr_subs.plugins import find_entries

    before, comma, _ = incomplete.rpartition(",")
    named = before.split(",")
    names = [entry.name for entry in find_entries("formats") if entry.name not in named]
    return [f"{before}{comma}{name}" for name in names]


def complete_models(incomplete: str) -> list[tuple[str, str]]:
    """Models that are on this computer or can be fetched, and recognisers of plugins."""
    from gptasr_subs.model.catalogue import list_models
    from gptasr_subs.plugins import find_entries

    plugins = [(f"{entry.name}:", "a plugin's") for entry in find_entries("recognizers")[1:]]
    return [(entry.name, entry.wer) for entry in list_models()] + plugins
