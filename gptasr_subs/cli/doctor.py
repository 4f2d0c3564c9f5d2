"""``gptasr-subs doctor``: what works here, to read or to paste into a bug report."""

from __future__ import annotations

from pathlib import Path

import typer

from gptasr_subs import __version__
from gptasr_subs.cli.console import echo_error, handle_errors, write_stdout


def doctor() -> None:
    """Say what is installed here and works, and what to do about what does not."""
    with handle_errors(quiet=True, verbose=False):
        from gptasr_subs.doctor import State, examine

        write_stdout(f"gptasr-subs {__version__}\n")
        found = []
        for finding in examine():
            text = finding.text.replace(str(Path.home()), "~")
            write_stdout(f"{finding.state.value:<6} {finding.subject:<9} {text}\n")
            found.append(finding)
        faults = [finding.subject for finding in found if finding.state == State.FAULT]
        gaps = [finding.subject for finding in found if finding.state == State.GAP]
        if faults:
            echo_error(f"No subtitles can be made until this is mended: {', '.join(faults)}.")
            raise typer.Exit(1)
        echo_error(f"Subtitles can be made; {', '.join(gaps) or 'nothing'} to mend.")
