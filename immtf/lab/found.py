"""A lab that was found: where it answers, what to put into the environment of whoever uses it, and what it can be asked."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from immtf.errors import LabFailed
from immtf.lab.control import PREFIX, TOKEN_HEADER
from immtf.lab.runtime import InstanceStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ANSWER_LIMIT_S = 30.0
IMAGE_LIMIT_S = 300.0


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab. `started` and `cleared` tell what `up` had to do: whether it is new, and what a dead one had left."""

    directory: Path
    endpoint: str
    cidr: str
    pid: int
    region: str
    delays: str
    token: str = field(repr=False)
    runtime: str = "process"
    started: bool = False
    cleared: tuple[str, ...] = ()

    @classmethod
    def of(cls, directory: Path, record: Mapping[str, Any]) -> Lab:
        """Make the lab that a record speaks of."""
        return cls(
            directory,
            **{name: record[name] for name in ("endpoint", "cidr", "pid", "region", "delays", "token")},
            runtime=record.get("runtime", "process"),
        )

    @property
    def environments(self) -> Path:
        """Where to keep what is worthless without this lab (Terraform's states); a new lab begins with none."""
        return self.directory / "environments"

    def environment(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """Give what a program needs in its environment to use this lab instead of AWS.

        With `base` the whole environment is returned: `base` without any variable that could lead to a real account.
        """
        host = self.endpoint.partition("//")[2].partition(":")[0]
        kept = {name: value for name, value in (base or {}).items() if not name.startswith("AWS_")}
        proxied = [kept[name] for name in ("NO_PROXY", "no_proxy") if kept.get(name)][:1]
        unproxied = ",".join([*proxied, host, self.cidr])
        return kept | {
            "AWS_ACCESS_KEY_ID": "lab",
            "AWS_SECRET_ACCESS_KEY": "lab",
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": unproxied,
            "no_proxy": unproxied,
        }

    def status(self) -> tuple[InstanceStatus, ...]:
        """List what really runs; no answer: `LabFailed`."""
        return tuple(InstanceStatus(**row) for row in self.ask("GET", "status")["instances"])

    def calls(self) -> dict[str, int]:
        """Count how often each action was called since the lab is up: `{"ec2.RunInstances": 3}`."""
        return dict(self.ask("GET", "calls"))

    def images(self) -> tuple[dict[str, str], ...]:
        """List the images registered here: `family`, `version`, `image_id`."""
        return tuple(self.ask("GET", "status")["images"])

    def register_image(self, family: str, version: str, tree: Path) -> str:
        """Make a directory tree an image, once per content; its id. A tree that can't be one: `LabFailed`."""
        body = {"family": family, "version": version, "tree": str(tree.resolve())}
        return str(self.ask("POST", "images", body, limit_s=IMAGE_LIMIT_S)["image_id"])

    def order(
        self,
        action: str,
        then: str | Mapping[str, Any],
        *,
        resource: str | None = None,
        times: int | None = 1,
        seconds: float | None = None,
        every: int = 1,
    ) -> None:
        """Script an answer of the cloud.

        `then` is `"stuck"`, `"stale"`, `"drop"`, `"drop-answer"`, `{"late": seconds}` or `{"fail": {"code": …}}`; the rest is as in
        `immtf.lab.gateway.orders.Order`.
        """
        rule = {"action": action, "then": then, "resource": resource, "times": times, "seconds": seconds, "every": every}
        self.ask("POST", "orders", rule)

    def orders(self) -> tuple[dict[str, Any], ...]:
        """List what is scripted and still to come."""
        return tuple(self.ask("GET", "orders")["orders"])

    def clear_orders(self) -> None:
        """Forget what was scripted."""
        self.ask("DELETE", "orders")

    def ask(self, method: str, name: str, body: Mapping[str, Any] | None = None, *, limit_s: float = ANSWER_LIMIT_S) -> dict[str, Any]:
        """Ask the lab about itself; refused or no answer within `limit_s` seconds: `LabFailed`."""
        request = Request(  # noqa: S310 - the scheme is the record's own, http
            self.endpoint + PREFIX + name,
            method=method,
            data=json.dumps(body or {}).encode() if method == "POST" else None,
            headers={TOKEN_HEADER: self.token, "Content-Type": "application/json"},
        )
        try:
            # Without proxies: what the environment names for the outside doesn't reach this machine's own addresses.
            with build_opener(ProxyHandler({})).open(request, timeout=limit_s) as answer:
                return dict(json.load(answer))
        except HTTPError as error:
            with error:
                said = json.load(error)
            raise LabFailed(said.get("error", str(error)), where=said.get("where") or f"{self.endpoint}{PREFIX}{name}") from None
        except (URLError, OSError, ValueError) as error:
            raise LabFailed(
                f"the lab's controller (pid {self.pid}) gives no answer: {error}",
                where=self.endpoint,
                next=f"see {self.directory / 'controller.log'}; immtf lab down, then immtf lab up",
            ) from None
