"""What a turn costs in conversations of 10, 100 and 1,000 turns: the same way of measuring for everybody."""

import time
from collections.abc import Awaitable, Callable

from benchkit.script import Options, Watch, emit, expect, median

LENGTHS = (10, 100, 1000)
WORK = 100
"""So many turns at least are measured in one go: short conversations one after another."""
FOR_S = 3.0
"""So long at least is measured, all lengths by turns: a shared machine has seconds in which it is half as fast."""

Talk = Callable[[], Awaitable[int]]
"""Holds a conversation that is ready to begin, and returns how many turns it had, which may be one more."""


def variant_of(given: Options) -> tuple[str, int]:
    """Return the preset, and the length of the longest conversation: `"swarm-100"` is the swarm at 10 and 100 turns."""
    preset, _, longest = given.variant.rpartition("-")
    return preset, int(longest)


async def emit_turn_costs(
    given: Options, ready: Callable[[int], Talk], *, longest: int = LENGTHS[-1], times: int = 1
) -> None:
    """Print the CPU time of a turn for each length up to `longest`, after short conversations that warm everything up.

    A figure is the least of all times that were taken: what else the machine does can only add to it. `growth` is the
    median of what a turn of the longest conversations costs to one of those before, taken within the same second.

    Args:
        given: The options of the script.
        ready: Makes a conversation of so many turns.
        longest: The last of `LENGTHS` that is measured.
        times: How often at least each is measured; short conversations three times as often.
    """
    await _turn_s(ready, LENGTHS[0])
    lengths = [length for length in LENGTHS if length <= longest]
    taken: dict[int, list[float]] = {length: [] for length in lengths}
    growths: list[float] = []
    started = time.perf_counter()
    while len(growths) < times or time.perf_counter() - started < given.scale * FOR_S:
        for length in lengths:
            turns = length if length == LENGTHS[0] else given.scaled(length)
            taken[length] += [await _turn_s(ready, turns) for _ in range(1 if turns > 200 else 3)]
        growths.append(taken[lengths[-1]][-1] / taken[lengths[max(0, len(lengths) - 2)]][-1])
    figures = {f"turn_{length}_us": 1e6 * min(found) for length, found in taken.items()}
    if longest == LENGTHS[-1]:
        figures["growth"] = median(growths)
    emit(**figures)


async def _turn_s(ready: Callable[[int], Talk], turns: int) -> float:
    """Hold conversations of so many turns, one after another, and return the CPU seconds per turn."""
    talks = [ready(turns) for _ in range(max(1, WORK // turns))]
    with Watch() as watch:
        held = [await talk() for talk in talks]
    expect(turns <= min(held) and max(held) <= turns + 1, f"{held} turns")
    return watch.cpu_s / sum(held)
