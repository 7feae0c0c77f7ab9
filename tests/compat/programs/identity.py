"""Addresses and topics."""

from autogen_core import AgentId, AgentType, DefaultTopicId, FunctionCall, MessageHandlerContext, TopicId


def refused(make):
    try:
        print("taken:", make())
    except ValueError:
        print("ValueError")


print(AgentId("writer", "s1"), AgentId(AgentType("writer"), "s1") == AgentId("writer", "s1"))
print(AgentId.from_str("writer/a/b").key, AgentId("writer", "any key / at all").key)
print(len({AgentId("a", "1"), AgentId("a", "1"), AgentId("a", "2")}))
for text in ["", "two words", "a/b", "a:b", "ok-1.x_y"]:
    refused(lambda text=text: AgentId(text, "k"))
refused(lambda: AgentId.from_str("no-slash"))

print(TopicId("news", "sport"), TopicId.from_str("news/a/b").source)
print(TopicId("a", "b") == TopicId("a", "b"), {TopicId("a", "b"): 1}[TopicId("a", "b")])
for text in ["", "a b", "a:b=c", "a.b-c", "é"]:
    refused(lambda text=text: TopicId(text, "s"))
refused(lambda: TopicId.from_str("no-slash"))

print(DefaultTopicId(), DefaultTopicId(type="x"), DefaultTopicId(source="here"), isinstance(DefaultTopicId(), TopicId))
with MessageHandlerContext.populate_context(AgentId("writer", "session-7")):
    print(DefaultTopicId(), MessageHandlerContext.agent_id())

call = FunctionCall("1", "{}", "f")
print(call, call == FunctionCall(id="1", arguments="{}", name="f"))
for thing, name in [(AgentId("a", "b"), "key"), (TopicId("a", "b"), "source"), (AgentType("a"), "type")]:
    try:
        setattr(thing, name, "changed")
        print("changed")
    except AttributeError:
        print("fixed:", name)
