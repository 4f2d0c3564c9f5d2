"""What is installed here and works, and what to do about what does not.

Nothing heavy is imported: torch is tried in a process of its own, which may crash.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

from gptasr_subs.errors import GptasrError, MediaError, error_line
from gptasr_subs.media.ffmpeg import find_ffmpeg
from gptasr_subs.model.files import DESCRIPTION_FILE, WEIGHTS_FILE, find_checkpoint
from gptasr_subs.plugins import OWN_PACKAGE, list_plugins, make_notifier
from gptasr_subs.storage.files import MIB, write_error
from gptasr_subs.storage.folders import CACHE_VARIABLE, DATA_VARIABLE, cache_folder, data_folder

_SECONDS = 60  # that a program may take to answer
_TORCH_SECONDS = 300  # on a busy disk its libraries are read slowly
_LITTLE = 300 * MIB  # free bytes below which a folder's disk is soon full
_VARIABLES = re.compile(r"GPTASR_SUBS_(?!KEY)\w+|CUDA_VISIBLE_DEVICES|OMP_NUM_THREADS")
_TRY_TORCH = """
import json, torch
gpus = ["mps"] if torch.backends.mps.is_available() else []
trouble = ""
try:
    for index in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(index)
        gpus.append(f"{facts.name}, {facts.total_memory >> 20} MiB")
        torch.zeros(1, device=f"cuda:{index}").add(1).item()
except Exception as error:
    trouble = f"{type(error).__name__}: {error}".splitlines()[0]
print(json.dumps([torch.__version__, torch.version.cuda, gpus, trouble]))
"""


class State(str, Enum):
    """How bad a finding is: with a ``GAP`` something is missing, with a ``FAULT`` everything."""

    OK = "ok"
    GAP = "gap"
    FAULT = "FAULT"


@dataclass(frozen=True, slots=True)
class Finding:
    """What there is of ``subject``; unless it is ok, a sentence that says what to do."""

    subject: str
    text: str
    state: State = State.OK


def examine() -> Iterator[Finding]:
    """Look at everything that subtitles need, what is quick to tell first."""
    # torch is tried while the rest is looked at.
    torch = subprocess.Popen(
        [sys.executable, "-c", _TRY_TORCH],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # as in the program itself, the working directory is no place of packages
        env={**os.environ, "PYTHONSAFEPATH": "1"},
    )
    yield Finding("system", _system())
    if variables := [
        f"{name}={value}" for name, value in os.environ.items() if _VARIABLES.fullmatch(name)
    ]:
        yield Finding("variables", " ".join(variables))
    yield _ffmpeg()
    yield _model()
    yield _folder("cache", cache_folder(), CACHE_VARIABLE)
    yield _folder("queue", data_folder(), DATA_VARIABLE)
    yield _extras()
    yield from _plugins()
    yield from _torch(torch)


def _system() -> str:
    memory = 0
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", ()):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    parts = [
        platform.platform(),
        f"Python {platform.python_version()}",
        f"{os.cpu_count()} processors",
        f"{memory // MIB} MiB of memory" if memory else "",
    ]
    return ", ".join(filter(None, parts))


def _ffmpeg() -> Finding:
    try:
        path = find_ffmpeg()
    except MediaError as error:
        return Finding("ffmpeg", str(error), State.FAULT)
    advice = f"{path!r} does not run; install ffmpeg again."
    try:
        ended = _run([path, "-hide_banner", "-version"])
        filters = _run([path, "-hide_banner", "-filters"]).stdout
    except (OSError, subprocess.TimeoutExpired):
        return Finding("ffmpeg", advice, State.FAULT)
    if ended.returncode:
        return Finding("ffmpeg", advice, State.FAULT)
    if not re.search(r"^ \S+ subtitles ", filters, re.MULTILINE):
        text = f"{path!r} has no libass, so that --burn cannot draw; install a full ffmpeg."
        return Finding("ffmpeg", text, State.GAP)
    probe = "with" if shutil.which("ffprobe") else "without"
    name = ended.stdout.split(" Copyright")[0].removeprefix("ffmpeg version ")
    return Finding("ffmpeg", f"{name} ({path}), {probe} ffprobe")


def _model() -> Finding:
    from safetensors import safe_open

    try:
        path = find_checkpoint("default")
        weights = path.with_name(WEIGHTS_FILE)
        with safe_open(weights, framework="np") as tensors:  # refuses a file that is cut short
            count = len(tensors.keys())
    except GptasrError:
        lost = f"The model that comes with the package is gone ({DESCRIPTION_FILE})"
        return Finding("model", f"{lost}; install gptasr-subs again.", State.FAULT)
    except Exception as error:  # whatever its reader says of bytes that it did not expect
        text = f"{str(weights)!r} is damaged ({error_line(error)}); install gptasr-subs again."
        return Finding("model", text, State.FAULT)
    size = weights.stat().st_size // MIB
    return Finding("model", f"default, {count} tensors, {size} MiB")


def _folder(subject: str, folder: Path, variable: str) -> Finding:
    """Whether something can be written there, and how much more."""
    trial = folder / ".doctor"
    elsewhere = f"({variable} names another folder)"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial.write_bytes(bytes(MIB))
        free = shutil.disk_usage(folder).free
    except OSError as error:
        text = str(write_error(folder, error)).removesuffix(".")
        return Finding(subject, f"{text} {elsewhere}.", State.GAP)
    finally:
        with suppress(OSError):
            trial.unlink()
    if free < _LITTLE:
        text = f"The disk of {str(folder)!r} has {free // MIB} MiB left; free some {elsewhere}."
        return Finding(subject, text, State.GAP)
    return Finding(subject, f"{folder}, {free // MIB} MiB free")


def _extras() -> Finding:
    """Which extras of the package are installed whole."""
    needed: dict[str, bool] = {}
    with suppress(PackageNotFoundError):
        for requirement in distribution(OWN_PACKAGE).requires or ():
            if "python_version" in requirement:  # what newer Pythons bring themselves
                continue
            if found := re.match(r"([\w.-]+).*\bextra == ['\"](\w+)", requirement):
                try:
                    is_there = bool(version(found[1]))
                except PackageNotFoundError:
                    is_there = False
                needed[found[2]] = needed.get(found[2], True) and is_there
    needed.pop("dev", None)  # of no use to whom has a trouble to report
    text = ", ".join(f"{name} {'yes' if there else 'no'}" for name, there in needed.items())
    return Finding("extras", text or "unknown")


def _plugins() -> Iterator[Finding]:
    """The plugins that cannot be used, each with its reason, then all others."""
    from gptasr_subs.formats.registry import make_format
    from gptasr_subs.recognition.loading import make_recognizer

    makers: dict[str, Callable[[Any], object]] = {
        "recognizers": make_recognizer,
        "formats": make_format,
        "notifiers": make_notifier,
    }
    others = [plugin for plugin in list_plugins(makers) if plugin.package != OWN_PACKAGE]
    for plugin in others:
        if plugin.problem:
            text = f"{plugin.name} of {plugin.package} cannot be used ({plugin.problem})"
            advice = "install its package again or remove it."
            yield Finding("plugins", f"{text}; {advice}", State.GAP)
    usable = [f"{p.name} of {p.package}" for p in others if not p.problem]
    yield Finding("plugins", ", ".join(usable) or "none beside our own")


def _torch(trial: subprocess.Popen[str]) -> Iterator[Finding]:
    again = "install it again: pip install --force-reinstall torch"
    try:
        out, err = trial.communicate(timeout=_TORCH_SECONDS)
    except subprocess.TimeoutExpired:
        trial.kill()
        trial.communicate()
        text = f"torch did not answer within {_TORCH_SECONDS} seconds; {again}."
        yield Finding("torch", text, State.FAULT)
        return
    if trial.returncode:
        reason = err.strip().rpartition("\n")[2] or f"it ended with {trial.returncode}"
        yield Finding("torch", f"torch does not work ({reason}); {again}.", State.FAULT)
        return
    number, cuda, gpus, trouble = json.loads(out.splitlines()[-1])
    yield Finding("torch", f"{number}, {f'CUDA {cuda}' if cuda else 'without CUDA'}")
    driver = "There is an NVIDIA driver, but"
    if trouble:
        advice = "give --device cpu, or install a torch for it"
        text = f"{'; '.join(gpus)} does not work ({trouble}); {advice}."
        yield Finding("GPU", text, State.GAP)
    elif gpus:
        yield Finding("GPU", "; ".join(gpus))
    elif not shutil.which("nvidia-smi"):
        yield Finding("GPU", "none that torch can use; the processor does the work")
    elif cuda:
        text = f"{driver} not for CUDA {cuda}; update it, or install an older torch."
        yield Finding("GPU", text, State.GAP)
    else:
        text = f"{driver} torch is built without CUDA; install torch with CUDA."
        yield Finding("GPU", text, State.GAP)


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
