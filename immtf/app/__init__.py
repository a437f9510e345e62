"""The use cases, and all wiring of ports to adapters."""
