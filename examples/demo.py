"""The demo: a team on a local model, killed in the middle and resumed.

It only runs `quorate` commands that anybody can type, and reads the journal that they write:

    quorate run team.yaml "…"      killed by kill -9 as soon as the critic's model has begun to answer
    quorate resume RUN             in a new process
    quorate show RUN
    quorate replay RUN

No turn is scripted: the model chooses the tool and its arguments, and every sentence is its own.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from quorate import open_store
from quorate.models.registry import open_model
from quorate.runs.entries import Entry
from quorate.runs.history import figures, fold

HERE = Path(__file__).parent / "planets"
QUORATE = [sys.executable, "-m", "quorate"]
TASK = "What is the lowest temperature?"
STORE = ".quorate/demo.db"
PATIENCE_S = 300.0
CALLS = {"reply", "result"}


def say(*lines: str) -> None:
    """Print what the demo has to say, set apart from what the commands print."""
    print("\n" + "\n".join(f"### {line}" for line in lines) + "\n", flush=True)


def command(*words: str) -> list[str]:
    """Show a command and return how to run it."""
    print("$ quorate", *(f'"{w}"' if " " in w else w for w in words), "\n", flush=True)
    return [*QUORATE, *words]


def entries(conversation: str) -> list[Entry]:
    """Return what is in the journal by now, read from beside the process that writes it."""
    file = HERE / STORE

    async def read() -> list[Entry]:
        async with open_store(file) as store:
            return await store.read(conversation)

    return asyncio.run(read()) if file.exists() else []


def in_the_middle(journal: list[Entry]) -> bool:
    """Whether the analyst has spoken, and the critic's model has been asked and has not answered."""
    calls = sum(e.kind == "call" and " critic/" in e.path for e in journal)
    replies = sum(e.kind == "reply" and " critic/" in e.path for e in journal)
    return calls > replies


def run_and_kill(conversation: str) -> list[Entry]:
    """Start a run, and kill its process in the middle; return the journal that it leaves."""
    process = subprocess.Popen(
        command("run", "team.yaml", TASK, "--conversation", conversation, "--store", STORE), cwd=HERE
    )
    until = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < until:
        if in_the_middle(entries(conversation)):
            time.sleep(0.5)  # let it think for a moment
            process.send_signal(signal.SIGKILL)
            process.wait()
            if sys.stdout.isatty():
                print("\x1b[?25h\x1b[0m")  # a killed process cannot give the cursor back
            journal = entries(conversation)
            say(
                f"Process {process.pid} was killed with kill -9, while the critic's model was answering.",
                f"Its journal has {len(journal)} entries. {finished(journal)}",
                "A new process goes on where it stopped:",
            )
            return journal
        time.sleep(0.02)
    process.kill()
    sys.exit(f"The run ended before it could be killed (exit status {process.wait()}). Its output is above.")


def finished(journal: list[Entry]) -> str:
    """Say which calls have come to an end."""
    models = sum(e.kind == "reply" for e in journal)
    tools = sum(e.kind == "result" for e in journal)
    return f"{models} model call(s) and {tools} tool call(s) had finished."


def compare(before: list[Entry], after: list[Entry]) -> None:
    """Say what the second process did, and make sure that it repeated nothing."""
    ended = {e.path for e in before if e.kind in CALLS}
    again = [e.path for e in after[len(before) :] if e.kind in CALLS and e.path in ended]
    if again or after[: len(before)] != before:
        sys.exit(f"The resumed run made finished calls again: {again}")
    new = sum(e.kind in CALLS for e in after[len(before) :])
    used = figures(fold(after)[1])
    say(
        f"The new process made {new} calls. None of the {len(ended)} that had finished was made again.",
        f"In all: {used['turns']} turns, {used['tokens']} tokens, {used['active_s']:.1f} s of work.",
        "Why each spoke, and why it ended:",
    )


def follow(*words: str) -> None:
    """Run a command to its end, and stop the demo if it fails."""
    status = subprocess.run(command(*words), cwd=HERE, check=False).returncode
    if status:
        sys.exit(f"That command ended with status {status}.")


def main() -> None:
    """Show it."""
    began = time.monotonic()
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    model = open_model("embedded").info.name
    conversation = f"demo-{os.getpid()}"
    say(
        "An analyst, a critic and a writer (examples/planets/team.yaml) work on examples/planets/planets.csv.",
        f"All three speak with {model}, on this machine: no key, no network. It is small: it chooses the",
        "tools and what to compute, and the numbers come from the tools. For a bigger one:",
        "QUORATE_EMBEDDED_MODEL=/path/to/model.gguf make demo",
        "In the middle the process will be killed.",
    )
    before = run_and_kill(conversation)
    follow("resume", f"{conversation}.1", "--store", STORE)
    compare(before, entries(conversation))
    follow("show", f"{conversation}.1", "--store", STORE)
    say("The same run once more, from its journal alone: no model, no tool, every entry is compared.")
    follow("replay", f"{conversation}.1", "--store", STORE)
    say(f"{model} spoke. The demo took {time.monotonic() - began:.0f} s.")


if __name__ == "__main__":
    main()
