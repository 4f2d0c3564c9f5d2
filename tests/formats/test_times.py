"""Times are written in full, from the first millisecond to films of days."""

from __future__ import annotations

import pytest

from gptasr_subs.formats.times import format_time


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (-0.5, "00:00:00,000"),
        (0.0006, "00:00:00,001"),
        (59.9996, "00:01:00,000"),
        (3599.999, "00:59:59,999"),
        (3600.0, "01:00:00,000"),
        (363_723.25, "101:02:03,250"),
    ],
)
def test_times_are_written_with_hours_minutes_and_milliseconds(
    seconds: float, written: str
) -> None:
    assert format_time(seconds, ",") == written
