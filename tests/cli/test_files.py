"""`quorate schema` and `quorate models`."""

import json
from pathlib import Path
from typing import Any

import pytest

from quorate.models import weights


def test_schema_has_the_types_of_the_project(cli: Any) -> None:
    schema = json.loads(cli("schema").out)

    assert schema["$schema"].startswith("https://json-schema.org/")
    assert '"scripted"' in json.dumps(schema)


def test_models_are_listed(cli: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QUORATE_MODELS", str(tmp_path / "none"))

    lines = cli("models", "list").out.splitlines()

    assert [line.split()[0] for line in lines[1:]] == list(weights.MODELS)
    assert all(line.endswith("not pulled") for line in lines[1:])


def test_pull_fetches_all_or_one(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def pull(name: str, *, report: Any) -> Path:
        report(f"{name}: sha256 checked")
        return Path(name)

    monkeypatch.setattr(weights, "pull", pull)

    assert cli("models", "pull").out.splitlines() == [f"{name}: sha256 checked" for name in weights.MODELS]
    assert cli("models", "pull", weights.CHAT).out == f"{weights.CHAT}: sha256 checked\n"


def test_pull_of_a_file_says_how_to_use_it(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "own.gguf").write_bytes(b"GGUF rest")

    good = cli("models", "pull", "own.gguf")
    bad = cli("models", "pull", "own.gguf", "--sha256", "00")

    assert good.out == f"Use it as the model 'embedded:{tmp_path / 'own.gguf'}'.\n"
    assert bad.code == 1
    assert "sha256" in bad.err


def test_unknown_model_is_refused(cli: Any) -> None:
    ran = cli("models", "pull", "gpt-99")

    assert ran.code == 2
    assert "'gpt-99'" in ran.err
