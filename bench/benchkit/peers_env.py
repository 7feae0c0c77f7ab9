"""The environment of the peers: made once, kept until their pins change."""

import hashlib
import platform
import shutil
import subprocess
import sys
import venv
from pathlib import Path


def ready_peers(pins: Path, folder: Path) -> Path:
    """Return the Python of an environment with the packages of `pins`, which is made when needed.

    Args:
        pins: A requirements file.
        folder: Where the environment is; replaced when the pins or the Python version are others.

    Raises:
        RuntimeError: pip failed. The message ends with its last lines; all of them are in the log beside `folder`.
    """
    python = folder / "bin" / "python"
    stamp = folder / "pins.sha256"
    wanted = hashlib.sha256(pins.read_bytes() + platform.python_version().encode()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    print(f"Installing the peers into {folder.name}/ (once) ...", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    venv.create(folder, with_pip=True)
    _install(python, pins, folder.with_suffix(".log"))
    stamp.write_text(wanted)
    return python


def _install(python: Path, pins: Path, log: Path) -> None:
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "-r", str(pins)]
    with log.open("w") as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT)
    if done.returncode:
        last = "\n".join(log.read_text().splitlines()[-5:])
        raise RuntimeError(f"pip could not install {pins.name}. See {log.name}; it ends with:\n{last}")


def versions(python: Path, packages: list[str]) -> dict[str, str]:
    """Return the installed version of each package, `absent` for one that is not there."""
    code = (
        "import sys\nfrom importlib.metadata import PackageNotFoundError, version\n"
        "for name in sys.argv[1:]:\n"
        "    try: print(version(name))\n"
        "    except PackageNotFoundError: print('absent')"
    )
    done = subprocess.run([str(python), "-c", code, *packages], check=True, capture_output=True, text=True)
    return dict(zip(packages, done.stdout.split(), strict=True))
