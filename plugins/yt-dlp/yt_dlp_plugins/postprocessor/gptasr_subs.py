"""``yt-dlp --use-postprocessor GptasrSubs URL``: subtitles for what was downloaded, made here.

yt-dlp imports this file in every run, so nothing heavy is imported before there is something to do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from yt_dlp.postprocessor.common import PostProcessor
from yt_dlp.utils import PostProcessingError, subtitles_filename

__all__ = ["GptasrSubsPP"]

_STEP = 0.1  # of the length, between two lines of progress
_NAME = "gptasr-subs"


class GptasrSubsPP(PostProcessor):  # type: ignore[misc]
    """Options, all text: model, lang, format, device, track, preset, force."""

    def __init__(
        self,
        downloader: Any = None,
        *,
        model: str = "default",
        lang: str = "en",
        format: str = "",
        device: str = "auto",
        track: str = "",
        preset: str = "netflix",
        force: str = "",
        **unknown: str,
    ) -> None:
        """``format`` is srt, vtt, ...; left out, it is what the container takes."""
        super().__init__(downloader)
        self._unknown = ", ".join(unknown)
        self._model = model
        self._lang = lang
        self._format = format
        self._device = device
        self._track = track
        self._preset = preset
        self._force = force.lower() not in ("", "0", "no", "false")
        self._recognizer: Any = None  # one for all videos of a playlist

    @PostProcessor._restrict_to(images=False)
    def run(self, info: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
        """Write the subtitle beside the video and register it with yt-dlp, which embeds, moves and
        cuts it along.
        """
        from gptasr_subs.errors import GptasrError
        from gptasr_subs.media.languages import same_language

        if "filepath" not in info:
            raise PostProcessingError(
                "GptasrSubs needs a downloaded file; write when=post_process or when=after_move"
            )
        requested = info.get("requested_subtitles") or {}
        there = next((lang for lang in requested if same_language(lang, self._lang)), "")
        ours = there and requested[there].get("made_by") == _NAME  # by a pass for another format
        if there and not ours and not self._force:
            self.to_screen(
                f'The site gave subtitles in "{there}"; '
                "none are made (force=1 makes them all the same)"
            )
            return [], info
        try:
            path = self._subtitle(info)
        except GptasrError as error:
            raise PostProcessingError(f"No subtitles were made: {error}") from error
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise PostProcessingError(
                f"No subtitles were made because of a mistake in gptasr-subs ({reason})"
            ) from error
        return [], self._registered(info, path)

    def _subtitle(self, info: dict[str, Any]) -> str:
        from gptasr_subs.formats import get_format, render
        from gptasr_subs.pipeline.recognize import recognize_file
        from gptasr_subs.storage.files import write_atomically

        options = self._options()
        format = get_format(self._format or ("vtt" if info["ext"] == "webm" else "srt"))
        media = info["filepath"]
        path: str = subtitles_filename(media, self._lang, format.extension, info["ext"])
        if Path(path).exists() and not (self._force or self.get_param("overwrites")):
            self.to_screen(f'"{path}" is there already and is kept')
            return path
        if self._recognizer is None:
            from gptasr_subs.recognition.loading import load_model

            self._recognizer = load_model(self._model, self._device, self._lang)
        self.to_screen(f'Making subtitles for "{media}"')
        document = recognize_file(
            Path(media), self._recognizer, options=options, on_progress=self._progress_callback()
        )
        write_atomically(path, render(document, format.name))
        self.to_screen(f'Wrote {len(document.cues)} subtitles to "{path}"')
        return path

    def _options(self) -> Any:
        from gptasr_subs.cli.validation import check_options
        from gptasr_subs.cues.norms import PRESETS
        from gptasr_subs.errors import UsageError
        from gptasr_subs.pipeline.options import Options

        if self._unknown:
            raise UsageError(
                f"GptasrSubs has no option {self._unknown}; "
                "see docs/integrations.md of gptasr-subs."
            )
        if self._preset not in PRESETS:
            raise UsageError(
                f"There is no preset {self._preset!r}; choose one of {', '.join(PRESETS)}."
            )
        track = int(self._track) if self._track.isdecimal() else self._track or None
        options = Options(language=self._lang, audio_track=track, norms=PRESETS[self._preset])
        check_options(options, self._model)
        return options

    def _progress_callback(self) -> Any:
        """Return a callback that writes to yt-dlp's screen and calls its progress hooks."""
        last = 0.0

        def report(progress: Any) -> None:
            nonlocal last
            share = progress.done / progress.total if progress.total else 0.0
            if share - last >= _STEP:
                last = share
                self.to_screen(f"{min(share, 1):.0%} of {progress.total:.0f} s")
            self._hook_progress({"status": "processing", "gptasr_seconds": progress.done}, {})

        return report

    def _registered(self, info: dict[str, Any], path: str) -> dict[str, Any]:
        from gptasr_subs.media.languages import language_name

        subtitle = {
            "ext": path.rpartition(".")[2],
            "filepath": path,
            "name": f"{language_name(self._lang)} (automatic)",
            "made_by": _NAME,
        }
        info["requested_subtitles"] = {
            **(info.get("requested_subtitles") or {}),
            self._lang: subtitle,
        }
        info.setdefault("__files_to_move", {})[path] = self._place(info, path)
        return info

    def _place(self, info: dict[str, Any], path: str) -> str:
        """Return the final place of the subtitles; empty means beside the video."""
        if not any("subtitle" in (self.get_param(name) or {}) for name in ("paths", "outtmpl")):
            return ""
        base = self._downloader.prepare_filename(info, "subtitle")
        if not base:
            return ""
        return str(subtitles_filename(base, self._lang, path.rpartition(".")[2], info["ext"]))
