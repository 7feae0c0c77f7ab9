"""`quorate check`: what is wrong with a team file, before it runs."""

from typing import Any


def test_check_of_a_team_that_ends_exits_with_0_and_tells_the_worst_case(cli: Any) -> None:
    ran = cli("check", "team.yaml")

    assert ran.code == 0
    assert "At most, within its limits: " in ran.out
    assert "300 tool calls" in ran.out


def test_check_exits_with_1_where_something_cannot_work(cli: Any, tmp_path: Any) -> None:
    (tmp_path / "bad.yaml").write_text(
        "type: swarm\nparticipants:\n  - {type: user_proxy, name: ann}\n"
        "  - {type: assistant, name: ben, model_client: embedded, handoffs: [zoe]}\n"
    )

    ran = cli("check", str(tmp_path / "bad.yaml"))
    [told] = cli("check", str(tmp_path / "bad.yaml"), "--json").json

    assert ran.code == 1
    assert "unknown-handoff" in ran.out
    assert told["ok"] is False
    assert {f["rule"] for f in told["findings"]} >= {"unknown-handoff", "unreachable", "no-exit"}
    assert all(set(f) == {"rule", "severity", "where", "text", "advice"} for f in told["findings"])
    assert set(told["worst"]) == {"turns", "model_calls", "tool_calls", "tokens", "cost_usd"}


def test_file_that_cannot_be_read_is_a_finding_too(cli: Any, tmp_path: Any) -> None:
    (tmp_path / "bad.yaml").write_text("type: round_robin\nparticipants:\n  - {type: assistent, name: ann}\n")

    ran = cli("check", str(tmp_path / "bad.yaml"))
    [told] = cli("check", "nowhere.yaml", "--json").json

    assert ran.code == 1
    assert "There is no agent or team type 'assistent'. Did you mean 'assistant'?" in ran.out
    assert [f["rule"] for f in told["findings"]] == ["definition"]
    assert "There is no file 'nowhere.yaml'" in told["findings"][0]["text"]


def test_limits_are_taken_and_wrong_ones_told(cli: Any) -> None:
    [told] = cli("check", "team.yaml", "--limits", "turns=3", "--json").json

    assert told["limits"]["turns"] == 3
    assert cli("check", "team.yaml", "--limits", "turn=3").code == 2
