"""Films that wait for subtitles: a durable queue, the workers, and all that puts films into it."""
