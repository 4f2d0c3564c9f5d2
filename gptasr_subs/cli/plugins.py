"""``gptasr-subs plugins``: recognisers, formats and notifiers, and the packages they come from."""

from __future__ import annotations

from gptasr_subs.cli.console import handle_errors, table, write_stdout


def plugins() -> None:
    """List what installed packages offer: recognisers, formats, notifiers."""
    with handle_errors(quiet=False, verbose=False):
        from gptasr_subs.formats.registry import make_format
        from gptasr_subs.plugins import list_plugins, make_notifier
        from gptasr_subs.recognition.loading import make_recognizer

        makers = {
            "recognizers": make_recognizer,
            "formats": make_format,
            "notifiers": make_notifier,
        }
        rows = [
            (
                plugin.kind,
                plugin.name,
                plugin.package,
                f"left out: {plugin.problem}" if plugin.problem else "",
            )
            for plugin in list_plugins(makers)
        ]
        write_stdout(table([("KIND", "NAME", "PACKAGE", ""), *rows]))
