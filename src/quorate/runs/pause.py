"""Waiting on purpose: for a minute at most in place, for longer with the run put aside."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from quorate.runs.run import Parked, Run

LONGEST_S = 60.0
"""A longer wait parks the run: it ends `waiting`, holds nothing, and goes on when it is resumed after that time."""
FIRST_S, MOST_S = 0.5, 30.0


def backoff_s(failures: int, place: str) -> float:
    """Return how long to wait after so many failures: doubled each time, and by up to a half apart from place to place.

    The same place waits equally long each time, so that a run goes the same way again; different ones spread out.
    """
    spread = hashlib.blake2b(f"{place}{failures}".encode(), digest_size=2).digest()
    return min(MOST_S, FIRST_S * 2 ** min(failures - 1, 16)) * (0.75 + int.from_bytes(spread) / 0x1_0000 / 2)


async def pause(run: Run, path: str, until: int, why: str) -> None:
    """Wait until a time (us since 1970).

    Raises:
        Parked: It is more than a minute away.
    """
    left_s = (until - run.clock.now_us()) / 1e6
    if run.is_replay:  # it goes on as soon as it did
        left_s = 0.0 if run.peek(path) is not None else LONGEST_S + 1
    if left_s <= 0:
        return
    if left_s > LONGEST_S:
        when = datetime.fromtimestamp(until / 1e6, UTC)
        run.parked[path] = until, f"{why} It can be resumed from {when:%Y-%m-%d %H:%M:%S} UTC on."
        raise Parked(run.parked[path][1])
    await run.clock.sleep(left_s)
