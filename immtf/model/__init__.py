"""Frozen data that every room above speaks in; standard library only."""
