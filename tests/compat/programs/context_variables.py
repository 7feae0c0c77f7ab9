"""What factories, subscriptions and handlers find around them."""

from autogen_core import (
    AgentId,
    AgentInstantiationContext,
    AgentType,
    MessageHandlerContext,
    SubscriptionInstantiationContext,
)


def outside(ask):
    try:
        print("there:", ask())
    except RuntimeError:
        print("RuntimeError")


for ask in [
    AgentInstantiationContext.current_runtime,
    AgentInstantiationContext.current_agent_id,
    SubscriptionInstantiationContext.agent_type,
    MessageHandlerContext.agent_id,
    AgentInstantiationContext,
    SubscriptionInstantiationContext,
    MessageHandlerContext,
]:
    outside(ask)

print(AgentInstantiationContext.is_in_factory_call())
with AgentInstantiationContext.populate_context(("a runtime", AgentId("t", "k"))):
    print(AgentInstantiationContext.is_in_factory_call())
    print(AgentInstantiationContext.current_runtime(), AgentInstantiationContext.current_agent_id())
    with AgentInstantiationContext.populate_context(("another", AgentId("t", "k2"))):
        print(AgentInstantiationContext.current_runtime())
    print(AgentInstantiationContext.current_runtime())
with SubscriptionInstantiationContext.populate_context(AgentType("t")):
    print(SubscriptionInstantiationContext.agent_type())
with MessageHandlerContext.populate_context(AgentId("t", "k")):
    print(MessageHandlerContext.agent_id())
outside(MessageHandlerContext.agent_id)
