"""The AutoGen view, installed for one test."""

from collections.abc import Iterator

import pytest

from quorate.compat import autogen


@pytest.fixture
def autogen_core() -> Iterator[None]:
    """Make `autogen_core`, `autogen_agentchat` and `autogen_ext` importable."""
    autogen.install()
    yield
    autogen.uninstall()
