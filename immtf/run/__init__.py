"""The one loop: observe, decide, act, record; against ports that are handed in."""
