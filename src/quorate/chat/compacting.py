"""Summing up the older part of an agent's conversation, as a step of its own."""

from __future__ import annotations

from quorate.chat.speech import Made, Turn
from quorate.models.blocks import Blocks, Said, Summary
from quorate.models.calls import ask
from quorate.models.client import ModelClient, ModelRequest, ToolSpec
from quorate.models.views import Summarized


async def compacted(
    turn: Turn,
    context: Summarized,
    blocks: Blocks,
    client: ModelClient,
    system: str | None,
    specs: tuple[ToolSpec, ...],
) -> Blocks:
    """Return what an agent remembers, with a summary in the place of the older part if it is too long."""
    upto = context.due(blocks)
    if not upto:
        return blocks
    old = Blocks([*blocks[:upto], Said(context.prompt, "System", "agent")])
    most = min(context.max_summary_tokens, client.info.max_output)
    request = ModelRequest(old, system, specs, "none" if specs else "auto", max_tokens=most)
    n = turn.scope.count + 1
    answer, asked = await ask(client, request)
    turn.steps[n] = Made(answer, turn.scope.at, asked.cost_usd)
    summary = turn.derive("compacted", n, context.head_size, upto).block
    assert isinstance(summary, Summary)
    return summary.put_into(blocks)
