"""The vocabulary of all layers, and the actor runtime: agents that talk by typed messages and topics."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quorate.core.agents import Agent, AgentProxy, BaseAgent, handles
    from quorate.core.cancellation import CancellationToken
    from quorate.core.closures import ClosureAgent, ClosureContext
    from quorate.core.events import (
        EVENT_LOGGER_NAME,
        AgentConstructionExceptionEvent,
        DeliveryStage,
        MessageDroppedEvent,
        MessageEvent,
        MessageHandlerExceptionEvent,
        MessageKind,
    )
    from quorate.core.handlers import RoutedAgent, event, message_handler, rpc
    from quorate.core.hosting import AgentRuntime
    from quorate.core.identity import AgentId, AgentMetadata, AgentType, TopicId
    from quorate.core.interventions import DefaultInterventionHandler, DropMessage, InterventionHandler
    from quorate.core.messaging import (
        AgentInstantiationContext,
        MessageContext,
        MessageHandlerContext,
        SubscriptionInstantiationContext,
    )
    from quorate.core.policies import DeadLetter, HandlerFailure, SendPolicy
    from quorate.core.report import AgentReport, RuntimeReport
    from quorate.core.runtime import LocalRuntime
    from quorate.core.serialisation import (
        JSON_DATA_CONTENT_TYPE,
        PROTOBUF_DATA_CONTENT_TYPE,
        MessageSerializer,
        Serializers,
        UnknownPayload,
        serializers_of,
    )
    from quorate.core.subscriptions import (
        DefaultSubscription,
        DefaultTopicId,
        Subscription,
        TypePrefixSubscription,
        TypeSubscription,
        default_subscription,
        type_subscription,
    )
    from quorate.core.telemetry import disable_tracing, enable_tracing

_HOMES = {
    "agents": ["Agent", "AgentProxy", "BaseAgent", "handles"],
    "cancellation": ["CancellationToken"],
    "closures": ["ClosureAgent", "ClosureContext"],
    "events": [
        "EVENT_LOGGER_NAME",
        "AgentConstructionExceptionEvent",
        "DeliveryStage",
        "MessageDroppedEvent",
        "MessageEvent",
        "MessageHandlerExceptionEvent",
        "MessageKind",
    ],
    "handlers": ["RoutedAgent", "event", "message_handler", "rpc"],
    "hosting": ["AgentRuntime"],
    "identity": ["AgentId", "AgentMetadata", "AgentType", "TopicId"],
    "interventions": ["DefaultInterventionHandler", "DropMessage", "InterventionHandler"],
    "messaging": [
        "AgentInstantiationContext",
        "MessageContext",
        "MessageHandlerContext",
        "SubscriptionInstantiationContext",
    ],
    "policies": ["DeadLetter", "HandlerFailure", "SendPolicy"],
    "report": ["AgentReport", "RuntimeReport"],
    "runtime": ["LocalRuntime"],
    "serialisation": [
        "JSON_DATA_CONTENT_TYPE",
        "PROTOBUF_DATA_CONTENT_TYPE",
        "MessageSerializer",
        "Serializers",
        "UnknownPayload",
        "serializers_of",
    ],
    "subscriptions": [
        "DefaultSubscription",
        "DefaultTopicId",
        "Subscription",
        "TypePrefixSubscription",
        "TypeSubscription",
        "default_subscription",
        "type_subscription",
    ],
    "telemetry": ["disable_tracing", "enable_tracing"],
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "EVENT_LOGGER_NAME",
    "JSON_DATA_CONTENT_TYPE",
    "PROTOBUF_DATA_CONTENT_TYPE",
    "Agent",
    "AgentConstructionExceptionEvent",
    "AgentId",
    "AgentInstantiationContext",
    "AgentMetadata",
    "AgentProxy",
    "AgentReport",
    "AgentRuntime",
    "AgentType",
    "BaseAgent",
    "CancellationToken",
    "ClosureAgent",
    "ClosureContext",
    "DeadLetter",
    "DefaultInterventionHandler",
    "DefaultSubscription",
    "DefaultTopicId",
    "DeliveryStage",
    "DropMessage",
    "HandlerFailure",
    "InterventionHandler",
    "LocalRuntime",
    "MessageContext",
    "MessageDroppedEvent",
    "MessageEvent",
    "MessageHandlerContext",
    "MessageHandlerExceptionEvent",
    "MessageKind",
    "MessageSerializer",
    "RoutedAgent",
    "RuntimeReport",
    "SendPolicy",
    "Serializers",
    "Subscription",
    "SubscriptionInstantiationContext",
    "TopicId",
    "TypePrefixSubscription",
    "TypeSubscription",
    "UnknownPayload",
    "default_subscription",
    "disable_tracing",
    "enable_tracing",
    "event",
    "handles",
    "message_handler",
    "rpc",
    "serializers_of",
    "type_subscription",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for: most programs need none of the runtime."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'quorate.core' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"quorate.core.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
