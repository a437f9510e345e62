"""The whole program in environments that a file defines, with their states in S3 (moto, on this machine) and the real Terraform."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from immtf.adapters.states import states_of
from immtf.errors import CloudFailed
from immtf.plan.config import load_environment
from tests.contract.lease_stores import BUCKET, KEYS, aws, moto
from tests.contract.terraform_world import BINARY, needs_terraform
from tests.fakes.small_s3 import SmallS3, served
from tests.unit.cli.program import environment, immtf_program

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from immtf.model.environment import States

pytestmark = [pytest.mark.terraform, needs_terraform]
DEFINITION = """\
environment: {name}
class: {kind}
region: eu-west-1
backend:
  s3:
    bucket: {bucket}
    prefix: {prefix}
    endpoints: {{ s3: {url} }}
    use_path_style: true
    skip_credentials_validation: true
    skip_metadata_api_check: true
    skip_region_validation: true
    skip_requesting_account_id: true
    skip_s3_checksum: true
variables: {{ word: staged }}
"""
BLOCK = """\
variable "word" {{ default = "hello" }}
resource "terraform_data" "this" {{
  input = var.word
  provisioner "local-exec" {{
    interpreter = ["{python}", "-c"]
    command     = "import urllib.request as r; open('{seen}', 'wb').write(r.urlopen('{url}/{bucket}?list-type=2', timeout=60).read())"
  }}
}}
output "word" {{ value = terraform_data.this.output }}
output "block" {{ value = {{ name = "{name}", version = "1.0.0", requires = {{}} }} }}
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with moto() as url:
        yield url


class Place:
    """A directory with a block `one`, and the bucket that the environments are in. Each test has a prefix of its own there."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory, self.url, self.prefix = directory, url, f"immtf/{directory.name}"
        self.client: Any = aws(url).client("s3")
        self.seen = directory / "seen"
        (directory / "environments").mkdir()
        self.make_block("one")

    def make_block(self, name: str) -> None:
        block = self.directory / name
        block.mkdir()
        (block / "immtf.yaml").write_text(f"block: {name}\nversion: 1.0.0\n")
        (block / "main.tf").write_text(BLOCK.format(name=name, python=sys.executable, seen=self.seen, url=self.url, bucket=BUCKET))

    def define(self, name: str = "staging", kind: str = "test", **more: str) -> Path:
        file = self.directory / f"environments/{name}.yaml"
        settings = {"name": name, "kind": kind, "bucket": BUCKET, "prefix": self.prefix, "url": self.url}
        file.write_text(DEFINITION.format(**settings | more))
        return file

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        env = environment(self.directory, **KEYS, PATH="/usr/bin:/bin", IMMTF_TERRAFORM=BINARY, AWS_ENDPOINT_URL=self.url)
        return immtf_program(*arguments, cwd=self.directory, env=env)

    @property
    def keys(self) -> list[str]:
        rows = self.client.list_objects_v2(Bucket=BUCKET, Prefix=self.prefix).get("Contents", ())
        return [row["Key"].removeprefix(f"{self.prefix}/") for row in rows]

    def state(self, key: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.client.get_object(Bucket=BUCKET, Key=f"{self.prefix}/{key}")["Body"].read())
        return document

    def states(self, file: Path, name: str) -> States:
        return states_of(load_environment(file).backend, name, aws(self.url), KEYS)


@pytest.fixture
def place(tmp_path: Path, url: str) -> Place:
    return Place(tmp_path, url)


def test_each_block_has_its_state_with_lock_and_lease_beside_it(place: Place) -> None:
    """Both are there while an apply is at work, and given back after it; a block's own backend is not even looked at."""
    file = place.define()
    (place.directory / "one/backend.tf").write_text('terraform {\n  backend "http" {\n    address = "http://127.0.0.1:1"\n  }\n}\n')
    done = place.run("create", "one", "--environment", "staging", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    seen, key = place.seen.read_text(), f"{place.prefix}/staging/one/terraform.tfstate"
    assert (f"<Key>{key}.tflock</Key>" in seen, f"<Key>{key}.immtf-lease</Key>" in seen) == (True, True)
    assert place.keys == ["staging/one/terraform.tfstate", "staging/one/terraform.tfstate.immtf-lease"]
    assert place.state("staging/one/terraform.tfstate")["outputs"]["word"]["value"] == "staged"
    assert place.state("staging/one/terraform.tfstate.immtf-lease")["free"] is True

    place.make_block("two")
    assert place.run("create", "two", "--environment", "staging", "--yes", "--var", "word=mine").returncode == 0
    assert place.state("staging/two/terraform.tfstate")["outputs"]["word"]["value"] == "mine"
    assert place.states(file, "staging").there() == ("one", "two")
    assert place.run("destroy", "one", "--environment", "staging", "--yes").returncode == 0
    assert place.states(file, "staging").there() == ("two",)


def test_a_test_makes_an_environment_of_its_own_by_a_definition(place: Place) -> None:
    place.define()
    done = place.run("test-create", "one", "--environment", "staging", "--yes", "--output", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    name = json.loads(done.stdout.splitlines()[0])["environment"]
    assert name.startswith("t-")
    key = f"{place.prefix}/{name}/one/terraform.tfstate"
    assert f"<Key>{key}.tflock</Key>" in place.seen.read_text(), "its state was there, locked"
    assert [place.state(key)["resources"] for key in place.keys if key.endswith(".tfstate")] in ([], [[]]), "and nothing is left in it"
    assert not [key for key in place.keys if key.startswith("staging/")]


def test_no_test_reaches_a_production_environment(place: Place) -> None:
    """F44: not by its name, and not by a record that says that a test was made by it."""
    file = place.define("live", "production")
    for command in ("test-create", "test-upgrade"):
        done = place.run(command, "one", "--environment", "live", "--yes")
        assert (done.returncode, "its class is production" in done.stderr) == (2, True), done.stderr
    record = place.directory / ".immtf/environments/t-0a1b2c3d/environment.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"class": "test", "definition": str(file)}))
    done = place.run("destroy", "one", "--environment", "t-0a1b2c3d", "--yes")
    assert (done.returncode, "its class is production" in done.stderr) == (2, True), done.stderr
    assert place.keys == []
    assert place.run("create", "one", "--environment", "live", "--yes").returncode == 0
    done = place.run("destroy", "one", "--environment", "live", "--yes")
    assert (done.returncode, "--confirm one" in " ".join(done.stderr.split())) == (2, True), "its name has to be typed"
    assert place.state("live/one/terraform.tfstate")["outputs"]["word"]["value"] == "staged"


def test_a_definition_that_leads_elsewhere_is_told_and_moves_nothing(place: Place) -> None:
    place.define()
    assert place.run("create", "one", "--environment", "staging", "--yes").returncode == 0
    place.define(prefix=f"{place.prefix}/moved")
    done = place.run("plan", "one", "--environment", "staging", "--output", "lines")
    assert done.returncode == 10, done.stderr
    assert "the state is at another place than the last time" in done.stderr
    assert f"{place.prefix}/moved/staging/one/terraform.tfstate" in done.stderr
    assert place.keys == ["staging/one/terraform.tfstate", "staging/one/terraform.tfstate.immtf-lease"]


def test_two_definitions_never_share_their_states(place: Place) -> None:
    place.define()
    text = place.define("live", "production").read_text()
    fixed = f"key: {place.prefix}/staging/{{block}}/terraform.tfstate"
    (place.directory / "environments/live.yaml").write_text(text.replace(f"prefix: {place.prefix}", fixed))
    for name in ("live", "staging"):
        done = place.run("plan", "one", "--environment", name)
        assert (done.returncode, "would share their states" in done.stderr) == (2, True), done.stderr


def test_a_bucket_that_isn_t_there(place: Place) -> None:
    file = place.define(bucket="nobodys")
    with pytest.raises(CloudFailed, match="there is no such bucket") as caught:
        place.states(file, "staging").there()
    assert "nobodys" in caught.value.next


def test_states_that_may_not_be_listed(place: Place) -> None:
    with served(SmallS3(refusing="AccessDenied")) as s3:
        file = place.define(url=s3.url)
        with pytest.raises(CloudFailed, match="the states may not be listed") as caught:
            place.states(file, "staging").there()
    assert "s3:ListBucket" in caught.value.next
