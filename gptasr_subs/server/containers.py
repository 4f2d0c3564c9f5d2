"""Which uploads are media of their own, and no playlists by which ffmpeg opens other files."""

from __future__ import annotations

from pathlib import Path

from gptasr_subs.media.ffmpeg import ffmpeg_url, find_ffmpeg
from gptasr_subs.media.probe import SEARCH_LIMITS, run_probe
from gptasr_subs.server.answers import Refusal

# ffmpeg's names of containers and of bare streams that hold all they need
CONTAINERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dts,eac3,flac,flv,gsm,m4v,matroska,webm,mov,"
    "mp4,m4a,3gp,3g2,mj2,mp3,mpeg,mpegts,mxf,nut,ogg,rm,tta,voc,w64,wav,wv"
)


def refuse_unknown_container(path: Path) -> None:
    """Raise Refusal where ffmpeg would take the file for anything but one of ``CONTAINERS``.

    It decides that by the beginning of the file, here and later in the same way, before it opens
    anything that the file names. What it cannot read at all is said by whoever decodes it.
    """
    limits = [word for name, value in SEARCH_LIMITS.items() for word in (f"-{name}", str(value))]
    command = [find_ffmpeg(), "-nostdin", "-hide_banner", *limits]
    command += ["-protocol_whitelist", "file", "-format_whitelist", CONTAINERS]
    if "not on whitelist" in run_probe([*command, "-i", ffmpeg_url(path)], path).stderr:
        raise Refusal(415, "The upload is no audio or video file that is taken here.")
