"""A recorded conversation as a test fixture: the team of today against what was recorded, with no outside call."""

from __future__ import annotations

from pathlib import Path

from quorate.chat.live import Runnable
from quorate.chat.messages import TaskResult
from quorate.chat.past.replay import FromDocument, replay
from quorate.errors import ConfigError, Divergence
from quorate.runs import portable
from quorate.runs.entries import run_id
from quorate.runs.journal import Conversation
from quorate.runs.memory import loaded


class Differs(Divergence, AssertionError):
    """A team no longer does what was recorded; says what was expected, what came, and where in the code."""


class Recorded:
    """A recorded conversation. Made by `replaying`."""

    def __init__(self, file: str | Path) -> None:
        self.file = Path(file)
        recording = portable.load(file)
        self.conversation: Conversation = loaded(recording).conversation(recording.conversation)
        self.runs = sorted({s.run for s in recording.stored})

    async def check(
        self, team: Runnable | None = None, *, run: int | None = None, documents: FromDocument | None = None
    ) -> TaskResult:
        """Let a team do the recorded run again, on the recorded outcomes, and compare every entry.

        Args:
            team: The definition of today; by default the document that the recording has.
            run: The number of the run; by default the last.
            documents: Makes the team of a document.

        Returns:
            What the run came to, for assertions of your own.

        Raises:
            Differs: The first difference. An AssertionError, and a Divergence.
            ConfigError: There is no such run, or it cannot be compared to its end.
        """
        number = self.runs[-1] if run is None else run
        id = run_id(self.conversation.id, number)
        try:
            report = await replay(id, team=team, store=self.conversation.store, documents=documents)
        except Divergence as found:
            raise _differs(found, id, self.file) from found
        if not report.identical:
            raise ConfigError(f"{self.file} holds erased texts, so {id} cannot be compared: {', '.join(report.erased)}")
        assert report.result is not None
        return report.result


def replaying(file: str | Path) -> Recorded:
    """Return a recorded conversation, to check a team against.

        async def test_refunds_are_still_handled_as_they_were():
            result = await replaying("tests/refund.jsonl").check(team)

            assert "refunded" in result.messages[-1].content

    Raises:
        StoreError: The file cannot be read, or is not what was recorded.
    """
    return Recorded(file)


async def record(conversation: Conversation, file: str | Path) -> None:
    """Save a conversation in a file for `replaying`; `quorate export` does the same.

    Raises:
        ConfigError: It is empty.
        StoreError: The file cannot be written.
    """
    portable.save(
        await portable.record(conversation.store, conversation.id, owner=conversation.owner),
        file,
    )


def _differs(found: Divergence, id: str, file: Path) -> Differs:
    lines = [f"Run {id} is no longer what {file} has: {found}"]
    for name, value in (("expected", found.expected), ("got", found.got), ("in the code", found.where or None)):
        if value is not None:
            lines.append(f"  {name + ':':13}{value if isinstance(value, str) else repr(value)}")
    lines.append("If the change is meant, record it again: quorate export RUN FILE --force, or quorate.testing.record.")
    return Differs(
        "\n".join(lines), path=found.path, entry=found.entry, kind=found.kind, expected=found.expected, got=found.got,
        where=found.where,
    )  # fmt: skip


__all__ = ["Differs", "Recorded", "record", "replaying"]
