"""``gptasr-subs movie.mp4``: a group of commands one of which needs no name.

Contexts and formatters are ``Any``: they are click's, which is a package of its own or a part of
typer by its version.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

DEFAULT = "run"


class DefaultGroup(TyperGroup):
    """Runs the command ``run`` unless the first argument beside options names another one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command's name first, where click looks for it."""
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
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


class DefaultCommand(TyperCommand):
    """The command that needs no name; its help is the program's, the other commands at its end."""

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        """Without the command's name, and how to reach the others."""
        program = ctx.parent.command_path if ctx.parent else ctx.command_path
        formatter.write_usage(program, "[OPTIONS] FILES_OR_FOLDERS...")
        formatter.write_usage(program, "COMMAND [OPTIONS] ...", prefix="   or: ")

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Options, then commands."""
        super().format_options(ctx, formatter)
        if ctx.parent and isinstance(ctx.parent.command, TyperGroup):
            ctx.parent.command.format_commands(ctx.parent, formatter)
