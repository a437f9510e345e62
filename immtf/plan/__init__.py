"""Pure decisions: data in, data out; nothing here reaches the world."""
