"""``python -m gptasr_subs`` is ``gptasr-subs``."""

from gptasr_subs.cli.main import main

main()
