"""What a run tells, made readable: text, lines, JSON, a picture, and the journal read back.

Everything here is a reader of the same events (`immtf.model.events`). A reader decides nothing, and a reader that fails to
write never stops a run: that is the journal's right alone.
"""
