"""Agents that talk: messages, agents, turn policies, conditions, teams."""
