"""Real processes that are stopped, killed and cut off."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.journey
DEADLINE_S = 60


class Process:
    """A `quorate` that runs by itself."""

    def __init__(self, *words: str, gates: str = "", stdin: int = subprocess.DEVNULL) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "quorate", *words],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "GATES": gates, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        assert self.process.stdout
        self.head = self.process.stdout.readline()
        self.run_id = self.head.split()[1] if self.head else ""

    def reached(self, name: str) -> None:
        """Wait until a gate is reached."""
        gate = Path(f"at-{name}")
        wait_for(lambda: gate.exists() or self.process.poll() is not None)
        assert gate.exists(), self.end()

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, self.head + out, err


def wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.005)


@pytest.fixture
def start(project: Any) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def begin(*words: str, **options: Any) -> Process:
        started.append(Process(*words, **options))
        return started[-1]

    yield begin
    for each in started:
        each.process.kill()
        each.process.communicate()


def test_process_says_its_run_and_its_own_id_at_once(start: Any) -> None:
    process = start("run", "team.yaml", "x", gates="stats")

    assert f" · pid {process.process.pid} · " in process.head


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_the_run_cleanly_and_says_how_to_go_on(start: Any, cli: Any, number: signal.Signals) -> None:
    process = start("run", "team.yaml", "x", gates="stats")
    process.reached("stats")
    process.process.send_signal(number)

    code, out, err = process.end()

    assert code == 130
    assert 'analyst: stats(column="x") → no result yet' in out
    assert "cancelled: " in out
    assert err == f"Go on with: quorate resume {process.run_id}\n"
    assert cli("runs", "--json").json[0]["outcome"] == "cancelled"
    resumed = cli("resume", process.run_id)
    assert resumed.code == 0
    assert 'analyst: stats(column="x") → {"mean":12.5}' in resumed.out


def test_ctrl_c_amid_a_reply_shows_what_was_said(start: Any) -> None:
    process = start("run", "errors.yaml", "x", gates="end-of-reply")
    process.reached("end-of-reply")
    process.process.send_signal(signal.SIGINT)

    code, out, _ = process.end()

    assert code == 130
    assert "clumsy: APPROVE\n  (cut off)\n" in out


def test_ctrl_c_inside_an_unsafe_call_names_it_and_resume_asks(start: Any, cli: Any) -> None:
    process = start("run", "pay.yaml", "x", gates="pay")
    process.reached("pay")
    process.process.send_signal(signal.SIGINT)

    _, out, _ = process.end()

    assert 'effect unknown: pay({"cents":500}) at turn 1 / payer / pay 2' in out
    assert cli("resume", process.run_id).code == 4
    assert Path("paid").read_text() == "500\n"


def test_second_ctrl_c_ends_the_process_at_once_and_the_run_can_go_on(start: Any, cli: Any) -> None:
    process = start("run", "stubborn.yaml", "x", gates="stubborn")
    process.reached("stubborn")
    process.process.send_signal(signal.SIGINT)
    wait_for(Path("refused").exists)
    process.process.send_signal(signal.SIGINT)

    code, _, err = process.end()

    assert code == 130
    assert f"Stopped at once. Go on with: quorate resume {process.run_id}\n" in err
    assert cli("runs", "--json").json[0]["outcome"] == "interrupted"
    assert cli("resume", process.run_id, "--give-up-turn", "--team", "team.yaml").code == 0


def test_killed_run_goes_on_where_it_stopped(start: Any, cli: Any) -> None:
    process = start("run", "team.yaml", "x", gates="stats")
    process.reached("stats")
    assert "running" in cli("runs").out
    assert "is going on in another living process" in cli("resume", process.run_id).err
    process.process.kill()
    process.end()

    assert "interrupted: Its process ended without a word." in cli("show", process.run_id).out
    resumed = cli("resume", process.run_id)

    assert resumed.code == 0
    assert "completed: " in resumed.out
    assert cli("replay", process.run_id).code == 0


def test_ctrl_c_while_a_person_is_asked(start: Any, project: Any) -> None:
    _, terminal = pty.openpty()
    process = start("run", f"{project.module}:asking", "x", stdin=terminal)
    seen = ""
    while "is asked for an answer" not in seen:
        seen = process.process.stdout.readline()
        assert seen
    process.process.send_signal(signal.SIGINT)

    code, out, err = process.end()

    assert code == 130
    assert "cancelled: " in out
    assert f"  Answer: quorate answer {process.run_id}-q" in err
    assert err.endswith(f"Go on with: quorate resume {process.run_id} --app {project.module}:asking\n")


def test_person_answers_at_the_terminal(start: Any, project: Any) -> None:
    person, terminal = pty.openpty()
    process = start("run", f"{project.module}:asking", "x", stdin=terminal)

    os.write(person, b"I am Ann.\n")
    out, _ = process.process.communicate(timeout=DEADLINE_S)

    assert "ann: I am Ann." in out


def test_without_a_terminal_the_run_waits_and_is_answered_from_elsewhere(start: Any, cli: Any, project: Any) -> None:
    process = start("run", f"{project.module}:asking", "x", stdin=subprocess.DEVNULL)

    code, _, err = process.end()
    (asked,) = cli("questions", "--json").json
    cli("answer", asked["id"], "I am Ann.")
    resumed = cli("resume", process.run_id, "--app", f"{project.module}:asking")

    assert code == 4
    assert f"  Answer: quorate answer {asked['id']} ANSWER\n" in err
    assert (asked["text"], asked["to"]) == ("analyst: Who are you?", "ann")
    assert "ann: I am Ann." in resumed.out


@pytest.mark.parametrize("interrupted", [True, False])
def test_output_that_nobody_reads_stops_the_run(start: Any, cli: Any, interrupted: bool) -> None:
    process = start("run", "team.yaml", "x", gates="stats")
    process.reached("stats")
    process.process.stdout.close()
    if interrupted:
        process.process.send_signal(signal.SIGINT)
    else:
        Path("open-stats").touch()

    err = process.process.stderr.read()
    code = process.process.wait(DEADLINE_S)

    assert (code, err) == (1, "")
    assert cli("runs", "--json").json[0]["outcome"] == "cancelled"


def test_piped_output_holds_no_escape_codes(start: Any, cli: Any) -> None:
    for words in (("run", "nasty.yaml", "x", "--limits", "turns=2", "--conversation", "n"), ("show", "n")):
        process = start(*words)

        _, out, err = process.end()

        assert "\x1b" not in out + err
    for word in ("runs", "--help"):
        ran = cli(word)

        assert "\x1b" not in ran.out + ran.err


# -- told from another process ----------------------------------------------------------------------------------------


def test_running_team_is_told_something_from_another_process(start: Any, cli: Any) -> None:
    # ENGINE 16
    process = start("run", "team.yaml", "x", gates="stats")
    process.reached("stats")

    told = cli("steer", process.run_id, "Be short.", "--to", "analyst", "--by", "ann")
    also = cli("queue", process.run_id, "In French.")
    Path("open-stats").touch()
    code, out, _ = process.end()

    assert (told.code, told.out) == (0, "Told. It is read at the next model call.\n")
    assert (also.code, also.out) == (0, "Told. It is heard before the next turn.\n")
    assert code == 0
    assert (out.count("ann: Be short."), out.count("user: In French.")) == (1, 1)
    shown = cli("show", process.run_id).out
    assert (shown.count("ann: Be short."), shown.count("user: In French.")) == (1, 1)
    assert cli("replay", process.run_id).code == 0


def test_interrupted_turn_is_cut_short_and_the_run_goes_on(start: Any, cli: Any) -> None:
    process = start("run", "team.yaml", "x", gates="stats")
    process.reached("stats")

    told = cli("interrupt", process.run_id, "Never mind.")
    seen = ""
    while "user: Never mind." not in seen:
        seen = process.process.stdout.readline()
        assert seen
    Path("open-stats").touch()
    code, _, _ = process.end()

    assert told.out == "Told. The turn is cut short.\n"
    assert code == 0
    shown = cli("show", process.run_id).out
    assert "stats was not finished: a person interrupted the turn." in shown
    assert "--- turn 1, interrupted: next in order · analyst" in shown
    assert cli("replay", process.run_id).code == 0


def test_paused_run_ends_waiting_and_goes_on_when_it_is_resumed(start: Any, cli: Any) -> None:
    for looks_within_s in (0.3, 3, 20):  # however busy the machine is: nothing tells from outside that it has looked
        process = start("run", "team.yaml", "x", gates="stats")
        process.reached("stats")
        told = cli("pause", process.run_id, "--by", "ann")
        time.sleep(looks_within_s)
        Path("open-stats").touch()
        code, out, err = process.end()
        if code:
            break
        Path("open-stats").unlink()
        Path("at-stats").unlink()

    assert told.out == "Told. No further step is made.\n"
    assert code == 4
    assert "waiting: ann paused it." in out
    assert err == f"Go on with: quorate resume {process.run_id}\n"
    assert cli("resume", process.run_id).code == 0


def test_what_cannot_be_told_says_why(start: Any, cli: Any) -> None:
    process = start("run", "team.yaml", "x", gates="stats")
    process.reached("stats")

    nobody = cli("steer", process.run_id, "x", "--to", "boss")
    nothing = cli("queue", process.run_id, "  ")
    process.process.kill()
    process.end()
    still = cli("pause", process.run_id)
    later = cli("queue", process.run_id, "For later.")
    resumed = cli("resume", process.run_id)
    over = cli("queue", process.run_id, "Too late.")

    assert (nobody.code, nobody.err) == (
        2, "quorate: Nobody in the team is named 'boss'. There are: analyst, critic.\n"
    )  # fmt: skip
    assert (nothing.code, nothing.err) == (2, "quorate: There is nothing in the message.\n")
    assert f"Run {process.run_id} is not going on, so there is nothing to pause." in still.err
    assert later.out == f"Told. It is heard once the run goes on: quorate resume {process.run_id}\n"
    assert resumed.out.count("user: For later.") == 1
    assert f"Run {process.run_id} is over." in over.err
    assert cli("steer", "nothing", "x").code == 2
