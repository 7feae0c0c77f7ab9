"""Conversations in an SQLite file, or several processes on one."""
