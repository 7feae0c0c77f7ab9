import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from quorate.errors import ConfigError
from quorate.models.serve import KEY_ENVIRONMENT, Served, serve


def test_nobody_is_answered_without_the_key(served: Served):
    body = b'{"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}'
    request = urllib.request.Request(f"{served.base_url}/chat/completions", body)

    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)

    assert caught.value.code == 401
    caught.value.close()


def test_no_web_page_may_ask_unless_it_is_named(served: Served, chat_weights: Path):
    def allowed(base_url: str) -> str | None:
        headers = {"Origin": "http://evil.example", "Authorization": "Bearer the-right-key"}
        with urllib.request.urlopen(urllib.request.Request(f"{base_url}/models", headers=headers)) as answer:
            return answer.headers.get("access-control-allow-origin")

    assert allowed(served.base_url) in {None, ""}


def test_the_key_is_not_on_the_command_line(served: Served):
    assert "the-right-key" not in str(served.process.args)


def test_the_server_ends_with_its_context(chat_weights: Path):
    with serve(chat_weights, api_key="key", context_window=512) as running:
        assert running.process.poll() is None

    assert running.process.poll() is not None


def test_the_server_ends_with_the_process_that_started_it(chat_weights: Path):
    with serve(chat_weights, api_key="key", context_window=512) as running:
        assert running.process.stdin is not None
        running.process.stdin.close()

        assert running.process.wait(20) == 0
        running.process.stdin = None


def test_a_server_that_cannot_start_says_why(tmp_path: Path):
    with pytest.raises(ConfigError, match="no model file"), serve(tmp_path / "none.gguf", api_key="key"):
        pass


def test_the_command_line_asks_for_a_key():
    env = {name: value for name, value in os.environ.items() if name != KEY_ENVIRONMENT}

    done = subprocess.run(
        [sys.executable, "-m", "quorate.models.embedded"], env=env, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert KEY_ENVIRONMENT in done.stdout
