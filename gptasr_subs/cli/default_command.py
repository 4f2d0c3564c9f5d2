"""``gptasr-subs movie.mp4``: a group of commands one of which needs no name.

Contexts and formatters are ``Any``: they are click's, which is a package of its own or a part of
typer by its version.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any

from typer.core import TyperCommand, TyperGroup

DEFAULT = "run"

_WHOLE_SENTENCE = 200  # letters: click cuts longer ones


class DefaultGroup(TyperGroup):
    """Runs the command ``run`` unless the first argument beside options names another one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command's name first, where click looks for it."""
        own: list[Any] = self.params
        if args and any(args[0] in param.opts for param in own):  # of shell completion
            return super().parse_args(ctx, args)
        params: list[Any] = self.commands[DEFAULT].params
        options = [p for p in params if p.param_type_name == "option" and not p.is_flag]
        takes_value = {name for option in options for name in option.opts}
        # Past options and their values; - is an argument, and behind -- no command is named.
        position = 0
        while position < len(args) and args[position].startswith("-"):
            if args[position] in ("-", "--"):
                break
            position += 2 if args[position] in takes_value else 1
        if position < len(args) and args[position] in self.commands:
            args = [args[position], *args[:position], *args[position + 1 :]]
        else:
            word = args[position] if position < len(args) else ""
            if word and not ctx.resilient_parsing:
                # Where it is no file, it is most likely a command's name with a slip in it.
                names = [name for name in self.commands if name != DEFAULT]
                close = get_close_matches(word, names, n=1, cutoff=0.75)
                if close and not Path(word).exists():
                    ctx.fail(f"There is no file {word!r}; did you mean the command {close[0]!r}?")
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


class PanelCommand(TyperCommand):
    """A command whose help has its options in the panels that typer's ``rich_help_panel`` names."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Panels as rich would draw them, in plain text."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for param in self._shown_params(ctx):
            if record := param.get_help_record(ctx):
                usual = "Arguments" if param.param_type_name == "argument" else "Other options"
                name = getattr(param, "rich_help_panel", None) or usual
                panels.setdefault(name, []).append(record)
        _write_panels(formatter, panels)

    def _shown_params(self, ctx: Any) -> list[Any]:
        return list(self.get_params(ctx))


_Context: Any = TyperCommand.context_class


class _NamelessContext(_Context):  # type: ignore[misc]
    """Errors speak of the program, and not of a command that nobody typed."""

    @property
    def command_path(self) -> str:
        return str(self.parent.command_path if self.parent else super().command_path)


class DefaultCommand(PanelCommand):
    """The command that needs no name; its help is the program's, the other commands at its end."""

    context_class = _NamelessContext

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        """Without the command's name, and how to reach the others."""
        formatter.write_usage(ctx.command_path, "[OPTIONS] FILES_OR_FOLDERS...")
        formatter.write_usage(ctx.command_path, "COMMAND [OPTIONS] ...", prefix="   or: ")

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Options, then commands, each in its panel."""
        super().format_options(ctx, formatter)
        group = ctx.parent.command if ctx.parent else None
        if not isinstance(group, TyperGroup):
            return
        panels: dict[str, list[tuple[str, str]]] = {}
        for name in group.list_commands(ctx.parent):
            command: Any = group.commands[name]
            if not command.hidden:
                record = name, command.get_short_help_str(_WHOLE_SENTENCE)
                panels.setdefault(command.rich_help_panel or "Commands", []).append(record)
        _write_panels(formatter, panels)

    def _shown_params(self, ctx: Any) -> list[Any]:
        return [*super()._shown_params(ctx), *(ctx.parent.command.params if ctx.parent else ())]


def _write_panels(formatter: Any, panels: dict[str, list[tuple[str, str]]]) -> None:
    for name, records in panels.items():
        with formatter.section(name):
            formatter.write_dl(records)
