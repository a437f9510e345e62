"""Two benches for the lease's store: the strict fake, and S3 by boto3 against moto, on a port of this machine."""

from __future__ import annotations

import itertools
import threading
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from werkzeug.serving import make_server

from immtf.adapters.aws import Aws
from immtf.adapters.lease.backend import S3Place
from immtf.adapters.lease.store import s3_store
from immtf.lab.gateway.app import moto_app
from immtf.model.environment import Backend
from tests.fakes.bucket import FakeBucket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from immtf.adapters.lease.store import Store

REGION = "eu-west-1"
KEYS = {"AWS_ACCESS_KEY_ID": "lab", "AWS_SECRET_ACCESS_KEY": "lab"}
BUCKET = "states"
_count = itertools.count()


@contextmanager
def moto() -> Iterator[str]:
    """Serve moto, with an empty bucket, and give its address."""
    server = make_server("127.0.0.1", 0, moto_app(), threaded=True)
    server.daemon_threads = True  # type: ignore[attr-defined]  # werkzeug's threaded server has it, its base class does not
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", method="POST"), timeout=60).close()  # noqa: S310 - loopback
        client = aws(url).client("s3")
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        yield url
    finally:
        server.shutdown()
        thread.join(60)
        server.server_close()


def aws(url: str) -> Aws:
    """Return a session with what is served there."""
    return Aws.from_environment({"AWS_REGION": REGION, "AWS_ENDPOINT_URL": url, **KEYS})


def s3_backend(url: str, key: str) -> Backend:
    """Return the settings of Terraform's own backend for an object in the bucket."""
    on = ("use_path_style", "use_lockfile", "skip_credentials_validation", "skip_metadata_api_check", "skip_requesting_account_id")
    return Backend("s3", {"bucket": BUCKET, "key": key, "region": REGION, "endpoints": {"s3": url}, **dict.fromkeys(on, True)})


def place(**more: object) -> S3Place:
    """Return a state's place in the bucket, another one each time."""
    settings = {"bucket": BUCKET, "key": f"state-{next(_count)}", "path_style": True, **more}
    return S3Place(**settings)  # type: ignore[arg-type]  # as the test gives


@dataclass
class FakeBench:
    """Several views of one object, all the same fake."""

    bucket: FakeBucket = field(default_factory=FakeBucket)

    def view(self) -> Store:
        return self.bucket


@dataclass
class MotoBench:
    """Several views of one object in moto's S3: one client, which takes a second to make, and twelve threads."""

    url: str
    place: S3Place = field(default_factory=place)
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        """Make the client."""
        self.store = s3_store(self.place, self.place.lease, aws(self.url), KEYS, timeout_s=10)

    def view(self) -> Store:
        return self.store
