"""The real weights, pulled once; and the embedded model's own HTTP server."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate.errors import ModelError
from quorate.models import weights
from quorate.models.serve import Served, serve


def pulled(name: str) -> Path:
    try:
        return weights.pull(name)
    except ModelError as error:
        if error.retryable and "CI" not in os.environ:
            pytest.skip(f"The weights are not here and the registry cannot be reached: {error}")
        raise


@pytest.fixture(scope="session")
def chat_weights() -> Path:
    return pulled(weights.CHAT)


@pytest.fixture(scope="session")
def embedding_weights() -> Path:
    return pulled(weights.EMBEDDINGS)


@pytest.fixture(scope="session")
def served(chat_weights: Path) -> Iterator[Served]:
    with serve(chat_weights, api_key="the-right-key", context_window=2048) as running:
        yield running
