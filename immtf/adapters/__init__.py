"""The ports made real: one thin module a port, nothing decided here."""
