"""What is remembered and put into a context."""

import asyncio

from autogen_core.memory import ListMemory, Memory, MemoryContent, MemoryMimeType, MemoryQueryResult
from autogen_core.model_context import UnboundedChatCompletionContext


async def main():
    memory = ListMemory(name="facts")
    context = UnboundedChatCompletionContext()
    print((await memory.update_context(context)).memories.results, await context.get_messages())
    await memory.add(MemoryContent(content="Ann likes tea", mime_type=MemoryMimeType.TEXT))
    await memory.add(MemoryContent(content={"city": "Rome"}, mime_type=MemoryMimeType.JSON, metadata={"from": "ann"}))
    print(await memory.query("anything") == MemoryQueryResult(results=memory.content))
    result = await memory.update_context(context)
    print(len(result.memories.results))
    (message,) = await context.get_messages()
    lines = [line for line in message.content.splitlines() if line[:1].isdigit()]
    print(type(message).__name__, lines)

    data = memory.dump_component()
    print(data.provider, data.component_type, data.config)
    loaded = Memory.load_component(data)
    print(loaded.name, [content.content for content in loaded.content])
    await memory.clear()
    print(memory.content, ListMemory().name)
    memory.content = [MemoryContent(content=b"bytes", mime_type="application/x-own")]
    print(memory.content[0].model_dump())
    print(MemoryContent(content="x", mime_type="text/plain").model_dump_json())
    print([kind.value for kind in MemoryMimeType])
    await memory.close()


asyncio.run(main())
