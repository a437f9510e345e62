"""Where blocks are published: directories, the tags of a git repository, container images on this machine's engine or in a registry.

- `look` reads what a place has: the versions, and what is there that can't be read.
- `trees` takes the digest of a directory's content.
- `materialised` makes the blocks of a lock into directories to run in.
"""

from __future__ import annotations

from immtf.adapters.published.found import Found, look
from immtf.adapters.published.materialised import blocks_of
from immtf.adapters.published.trees import content_digest

__all__ = ["Found", "blocks_of", "content_digest", "look"]
