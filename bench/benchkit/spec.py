"""What is measured: scripts that print figures, and rows that set one figure beside another."""

from dataclasses import dataclass

OURS = "quorate"
PEERS = "peers"


@dataclass(frozen=True)
class Script:
    """One measuring program and how it is called.

    Attributes:
        path: The file, relative to `bench/`.
        where: The environment it runs in, `OURS` or `PEERS`.
        size: Message length in bytes, or nothing when the script has no messages.
        variant: Passed on; see the script.
        rounds: At most so many repetitions, for work that takes long.
    """

    path: str
    where: str
    size: int | None = None
    variant: str = ""
    rounds: int = 100

    @property
    def arguments(self) -> list[str]:
        """The command line after the file name, without the scale."""
        size = [] if self.size is None else ["--size", str(self.size)]
        return size + (["--variant", self.variant] if self.variant else [])

    @property
    def title(self) -> str:
        """The command line as a reader would type it, also the name in the JSON file."""
        return " ".join([self.path, *self.arguments])


@dataclass(frozen=True)
class Reading:
    """One figure of one script: the median of its rounds or, of what takes long to come to its least, that."""

    script: Script
    key: str
    least: bool = False


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        label: What was done, as a reader says it.
        unit: Unit of both figures.
        ours: Our figure.
        peer_name: Whose figure is beside it; empty when there is none.
        peer: The figure beside it.
        at_most: The target: the largest good ratio of ours to the peer's, or without a peer the largest good figure.
            `None` when the row only informs.
    """

    label: str
    unit: str
    ours: Reading
    peer_name: str = ""
    peer: Reading | None = None
    at_most: float | None = None


@dataclass(frozen=True)
class Case:
    """A named group of rows."""

    name: str
    rows: tuple[Row, ...]

    @property
    def scripts(self) -> list[Script]:
        """All scripts whose figures the rows use, each once."""
        readings = [reading for row in self.rows for reading in (row.ours, row.peer) if reading]
        return list(dict.fromkeys(reading.script for reading in readings))
