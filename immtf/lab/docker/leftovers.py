"""What a lab left in Docker, taken away by its labels: guests first, then loop devices and what they lie on, network, images.

It may be done by several at once (a guard, `lab up`, `lab down`) and again: what is gone already is good.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker.errors

from immtf.errors import LabFailed
from immtf.lab.docker.engine import asked, gone_is_good, reach
from immtf.lab.docker.scope import DIRECTORY, GUEST, REPOSITORY, ROLE, RUN, STORE, Scope, of_lab
from immtf.lab.docker.store import Store
from immtf.lab.runtime import RuntimeFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from immtf.lab.place import Place

CONFLICT = 409
PATIENCE_S = 30.0
PAUSE_S = 2.0


def note(place: Place, environment: Mapping[str, str], names: Sequence[str], run: str) -> None:
    """Write down, before anything is made, that this controller has things in Docker, and by which variables its engine is found."""
    told = {name: environment[name] for name in names if name in environment}
    runs = [*_noted(place).get(RUN, "").split(), run]
    place.docker_note.write_text(json.dumps({**told, RUN: " ".join(runs)}), encoding="utf-8")


def labels_of(place: Place) -> list[str]:
    """Give the labels of what a lab may have in Docker: by its controllers, for another container's lab may have a directory of this name.

    A note that tells none is torn: then all that has the directory's label.
    """
    runs = _noted(place).get(RUN, "").split()
    return [f"{RUN}={run}" for run in runs] or [of_lab(place.directory)]


def _noted(place: Place) -> dict[str, str]:
    try:
        return dict(json.loads(place.docker_note.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def clear_lab(place: Place, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Take away what any controller of a lab left in Docker, and tell it in words; nothing is asked where none had anything there.

    No engine answers, or it can't remove something: `LabFailed`; the next attempt finds it still.
    """
    if not place.docker_note.exists():
        return ()
    client = reach({**environment, **_noted(place)})
    counts: Counter[str] = Counter()
    try:
        for label in labels_of(place):
            counts.update(patiently(partial(clear, client, label), time.monotonic, time.sleep))
    except RuntimeFailed as failed:
        command = f"docker ps -a --filter label={of_lab(place.directory)}"
        raise LabFailed(f"what the lab has in Docker can't be removed: {failed}", where=str(place.directory), next=command) from failed
    finally:
        client.close()
    place.docker_note.unlink(missing_ok=True)
    return tuple(f"{count} {what} of Docker" for what, count in counts.items() if count)


def patiently(attempt: Callable[[], dict[str, int]], clock: Callable[[], float], sleep: Callable[[float], None]) -> dict[str, int]:
    """Try again for `PATIENCE_S` seconds: what a guard is removing at this moment is refused. Then its `RuntimeFailed` is raised."""
    until = clock() + PATIENCE_S
    while True:
        try:
            return attempt()
        except RuntimeFailed:
            if clock() >= until:
                raise
        sleep(PAUSE_S)


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
