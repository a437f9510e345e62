"""Blocks in the container images that this machine's engine has, by the labels that `immtf image block` gives them. None is started."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from immtf.adapters.docker.connection import told
from immtf.adapters.published.found import Found, sorted_out
from immtf.model.published import Place, Published
from immtf.plan.tags import labelled

if TYPE_CHECKING:
    from immtf.model.published import Unread


def in_engine(place: Place, client: Any) -> Found:
    """Return the blocks in the images of a name; `client` is of Docker's SDK, and closed. Raises `ContainerFailed`."""
    with closing(client), told(f"the images {place.where} can't be listed"):
        rows = client.images(name=place.where)
    found = sorted_out(one for row in rows if (one := _best(place, row)) is not None)
    if found.is_empty:
        return Found(
            remark=f"no image {place.where} with a block in it on this machine's engine; `docker pull` brings one, registry: looks there"
        )
    return found


def _best(place: Place, row: dict[str, Any]) -> Published | Unread | None:
    """Return what an image publishes under the best of its tags: the one that says the version, else the first."""
    tags = sorted(tag.rpartition(":")[2] for tag in row.get("RepoTags") or () if tag.rpartition(":")[0] == place.where)
    told_of = [labelled(row.get("Labels") or {}, Place("image", place.where, tag), row["Id"]) for tag in tags]
    exact = [one for one in told_of if isinstance(one, Published) and one.place.revision == one.version]
    return next(iter([*exact, *told_of]), None)
