"""One speaker as a team of one: whoever has a name and speaks can be run."""

from __future__ import annotations

from quorate.chat.agent import Participant, Speaker
from quorate.chat.live import Runnable
from quorate.chat.objects.seats import seated
from quorate.chat.talk import Cast
from quorate.chat.turns import Once


class Alone(Runnable):
    """Runs a speaker by itself: it answers once to each task."""

    def __init__(self, speaker: Speaker) -> None:
        self.name, self.description = speaker.name, speaker.description
        self._cast = Cast(speaker.name, (speaker,), Once())

    def cast(self) -> Cast:
        """Return the speaker as a team of one."""
        return self._cast


def runnable(speaker: Participant | Runnable) -> Runnable:
    """Return something that can be run: what can be already, or a speaker, or one that a factory makes, alone."""
    return speaker if isinstance(speaker, Runnable) else Alone(seated(speaker))
