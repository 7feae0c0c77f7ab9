"""What a turn costs in conversations of 10, 100 and 1,000 turns: the same way of measuring for everybody."""

from collections.abc import Awaitable, Callable

from benchkit.script import Options, Watch, emit, expect

LENGTHS = (10, 100, 1000)
WORK = 100
"""So many turns at least are measured in one go: short conversations one after another."""
FOR_S = 1.0
"""So long at least a length is measured, again and again: a shared machine has seconds that are half as fast."""

Talk = Callable[[], Awaitable[int]]
"""Holds a conversation that is ready to begin, and returns how many turns it had, which may be one more."""


def variant_of(given: Options) -> tuple[str, int]:
    """Return the preset, and the length of the longest conversation: `"swarm-100"` is the swarm at 10 and 100 turns."""
    preset, _, longest = given.variant.rpartition("-")
    return preset, int(longest)


async def emit_turn_costs(
    given: Options, ready: Callable[[int], Talk], *, longest: int = LENGTHS[-1], times: tuple[int, int] = (5, 1)
) -> None:
    """Print the CPU time of a turn for each length up to `longest`, after short conversations that warm everything up.

    Args:
        given: The options of the script.
        ready: Makes a conversation of so many turns.
        longest: The last of `LENGTHS` that is measured.
        times: How often short and long conversations are measured at least. The figure is the least: what else the
            machine does can only add to it.
    """
    await _turn_s(ready, LENGTHS[0])
    figures: dict[str, float] = {}
    for length in (each for each in LENGTHS if each <= longest):
        turns = length if length == LENGTHS[0] else given.scaled(length)
        often = times[1] if turns > 200 else given.scaled(times[0], at_least=1)
        taken: list[float] = []
        while len(taken) < often or sum(taken) * max(turns, WORK) < given.scale * FOR_S:
            taken.append(await _turn_s(ready, turns))
        figures[f"turn_{length}_us"] = 1e6 * min(taken)
    if longest == LENGTHS[-1]:
        figures["growth"] = figures["turn_1000_us"] / figures["turn_100_us"]
    emit(**figures)


async def _turn_s(ready: Callable[[int], Talk], turns: int) -> float:
    """Hold conversations of so many turns, one after another, and return the CPU seconds per turn."""
    talks = [ready(turns) for _ in range(max(1, WORK // turns))]
    with Watch() as watch:
        held = [await talk() for talk in talks]
    expect(turns <= min(held) and max(held) <= turns + 1, f"{held} turns")
    return watch.cpu_s / sum(held)
