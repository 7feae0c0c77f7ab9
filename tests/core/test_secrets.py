"""A document names where a secret is kept; the value itself stands in no document and in no message."""

import pytest

from quorate.core.secrets import IN_ENVIRONMENT, NAMED, check_no_secret, kept_in, without_password
from quorate.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("api_key", True),
        ("apikey", True),
        ("OPENAI_API_KEY", True),
        ("aws_access_key", True),
        ("token", True),
        ("bot_token", True),
        ("client_secret", True),
        ("db_password", True),
        ("credentials", True),
        ("max_tokens", False),
        ("max_total_token", False),
        ("key", False),
        ("keyword", False),
        ("tokenizer", False),
        ("secretary", False),
        ("text", False),
    ],
)
def test_a_parameter_is_a_secret_by_its_name(name: str, is_one: bool) -> None:
    assert bool(NAMED.search(name)) == is_one
    assert bool(IN_ENVIRONMENT.search(name)) == is_one


def test_an_environment_variable_called_key_holds_one() -> None:
    assert IN_ENVIRONMENT.search("TEAM_KEY")
    assert not IN_ENVIRONMENT.search("KEYBOARD")


def test_a_secret_is_known_by_the_variable_that_holds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "s3cret-0123")
    monkeypatch.setenv("GREETING", "hello there")

    assert kept_in("s3cret-0123") == "MY_TOKEN"
    for text in ("s3cret-012", "hello there"):
        with pytest.raises(ConfigError, match="no environment variable holds this one") as refused:
            kept_in(text)
        assert text not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["https://ann:s3cret@host/v1", "redis://:s3cret@host", "postgresql://ann:s3cret@[::1]:5432/db"]
)
def test_a_url_with_a_password_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        without_password(url)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("url", ["https://host/v1", "redis://ann@host", "unix:///run/redis.sock", "a:b@c", "http://[x"])
def test_a_url_without_one_is_itself(url: str) -> None:
    assert without_password(url) == url


def test_the_last_look_names_the_field_and_not_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "s3cret-0123")
    monkeypatch.setenv("SHORT_TOKEN", "a")
    team = {"type": "t", "members": [{"name": "a"}, {"name": "b", "text": "Use s3cret-0123, please."}]}

    with pytest.raises(ConfigError, match=r"members\[1\]\.text holds the secret that MY_TOKEN has") as refused:
        check_no_secret(team)
    assert "s3cret" not in str(refused.value)
    with pytest.raises(ConfigError, match="text holds a URL with a password") as refused:
        check_no_secret({"text": "Ask http://ann:s3cret@host for it."})
    assert "s3cret" not in str(refused.value)
    check_no_secret({"text": "a, and nothing else", "n": 3, "none": None})
