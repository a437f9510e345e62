"""What a lab left in Docker, taken away by its labels: guests first, then loop devices and what they lie on, network, images.

It may be done by several at once (a guard, `lab up`, `lab down`) and again: what is gone already is good.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker.errors

from immtf.errors import LabFailed
from immtf.lab.docker.engine import asked, gone_is_good, reach
from immtf.lab.docker.scope import DIRECTORY, GUEST, REPOSITORY, ROLE, RUN, STORE, Scope, of_lab
from immtf.lab.docker.store import Store
from immtf.lab.runtime import RuntimeFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from immtf.lab.place import Place

CONFLICT = 409


def note(place: Place, environment: Mapping[str, str], names: Sequence[str]) -> None:
    """Write down, before anything is made, that this lab has things in Docker, and by which variables its engine is found."""
    told = {name: environment[name] for name in names if name in environment}
    place.docker_note.write_text(json.dumps(told), encoding="utf-8")


def clear_lab(place: Place, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Take away what any controller of a lab left in Docker, and tell it in words; nothing is asked where none had anything there.

    No engine answers, or it can't remove something: `LabFailed`; the next attempt finds it still.
    """
    noted = place.docker_note
    if not noted.exists():
        return ()
    try:
        named = dict(json.loads(noted.read_text(encoding="utf-8")))
    except ValueError:
        named = {}
    client = reach({**environment, **named})
    try:
        counts = clear(client, of_lab(place.directory))
    except RuntimeFailed as failed:
        command = f"docker ps -a --filter label={of_lab(place.directory)}"
        raise LabFailed(f"what the lab has in Docker can't be removed: {failed}", where=str(place.directory), next=command) from failed
    finally:
        client.close()
    noted.unlink(missing_ok=True)
    return tuple(f"{count} {what} of Docker" for what, count in counts.items() if count)


def clear(client: Any, label: str) -> dict[str, int]:
    """Take away all that carries a label; how many of each there were. Docker can't: `RuntimeFailed`."""
    filters = {"label": label}
    with asked("clearing"):
        containers = client.containers.list(all=True, filters=filters, ignore_removed=True)
        stores = [container for container in containers if container.labels.get(ROLE) == STORE]
        others = [container for container in containers if container.labels.get(ROLE) != STORE]
        for container in others:
            with gone_is_good():
                container.remove(force=True, v=True)
        for store in stores:
            _let_go(store)
            with gone_is_good():
                store.remove(force=True, v=True)
        volumes = client.volumes.list(filters=filters)
        for volume in volumes:
            with gone_is_good():
                volume.remove(force=True)
        networks = client.networks.list(filters=filters)
        for network in networks:
            with gone_is_good():
                network.remove()
        images = _remove_images(client, filters)
    guests = sum(container.labels.get(ROLE) == GUEST for container in others)
    return {"instances": guests, "networks": len(networks), "volumes' stores": len(volumes), "images": images}


def _remove_images(client: Any, filters: dict[str, str]) -> int:
    """Remove the lab's own images, the youngest first: those that are made of others hold them. What somebody else's is made of stays."""
    removed = 0
    while own := [row["Id"] for row in client.api.images(filters=filters) if _is_own(row.get("RepoTags") or ())]:
        before = removed
        for image in own:
            try:
                client.images.remove(image, force=True)
            except docker.errors.NotFound:
                continue
            except docker.errors.APIError as error:
                if error.status_code != CONFLICT:
                    raise
            else:
                removed += 1
        if removed == before:
            break
    return removed


def _is_own(tags: Sequence[str]) -> bool:
    """Whether an image has the lab's names only, or none: what somebody made of a lab's image has its labels too."""
    return all(tag.startswith((f"{REPOSITORY}/", "<none>")) for tag in tags)


def _let_go(store: Any) -> None:
    """Take the loop devices of a store away; one that was killed is started once more for it."""
    labels = store.labels
    scope = Scope(Path(labels[DIRECTORY]), labels[RUN])
    with gone_is_good():
        store.start()  # runs already: done
        with suppress(RuntimeFailed):  # somebody else has just removed it, devices and all
            Store(store, scope.shelf).release_all()
