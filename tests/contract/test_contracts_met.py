"""A block on another one, both with the real Terraform: what is published reaches it as its HCL has it, and is judged before anything."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from immtf.adapters.clock import Signals
from immtf.app import lifecycle as use
from immtf.app import upgrade as upgrading
from immtf.app.session import Session
from immtf.app.target import Target
from immtf.errors import PlanRefused, VersionsUnresolved
from immtf.model.environment import Backend, States
from immtf.model.events import Noted
from immtf.plan.config import load_block
from immtf.plan.outputs import as_state
from tests.contract.lease_stores import BUCKET, aws, moto
from tests.contract.lease_stores import s3_backend as s3
from tests.contract.terraform_world import BINARY, child_environment, needs_terraform

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from immtf.model.events import Event

pytestmark = [pytest.mark.terraform, needs_terraform]
HERE = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "lab", "AWS_SECRET_ACCESS_KEY": "lab", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
PRODUCER = """
variable "release" { default = "2.1.0" }
resource "terraform_data" "network" { input = "net-1" }
output "block" { value = { name = "base-net", version = var.release, requires = {} } }
output "network" { value = terraform_data.network.output }
output "subnets" { value = ["a", "b"] }
output "password" {
  value     = "s3cr3t-of-base"
  sensitive = true
}
"""
BLOCK = 'output "block" { value = { name = "web", version = "1.0.0", requires = { "base-net" = "~> 2.0" } } }\n'
BY_VARIABLES = """
variable "base_net" { type = object({ network = string }) }
variable "subnet_ids" { type = list(string) }
variable "secret" {
  type = string
  sensitive = true
}
resource "terraform_data" "web" { input = [var.base_net.network, join("-", var.subnet_ids), sha1(var.secret)] }
output "made" { value = nonsensitive(terraform_data.web.output) }
"""
BY_STATE = """
data "terraform_remote_state" "base_net" {
  backend  = "s3"
  config   = { bucket = "of-somebody-else" }
  defaults = { network = "of-nobody" }
}
resource "terraform_data" "web" { input = data.terraform_remote_state.base_net.outputs.network }
output "made" { value = terraform_data.web.output }
"""
BY_ONE_VARIABLE = """
variable "base_net" {}
resource "terraform_data" "web" { input = var.base_net.network }
"""
OUTPUTS = """{ network: string, subnets: { type: list, variable: subnet_ids }, password: { type: string, variable: secret } }"""


@dataclass
class Place:
    """An environment with the states in a directory, and the blocks beside each other."""

    tmp: Path
    told: list[Event] = field(default_factory=list)

    def write(self, name: str, hcl: str, requires: str = "{}", version: str = "1.0.0") -> None:
        directory = self.tmp / "blocks" / name
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "main.tf").write_text(hcl)
        (directory / "immtf.yaml").write_text(f"block: {name}\nversion: {version}\nrequires: {requires}\n")

    def state(self, name: str) -> Path:
        return self.tmp / "states" / name / "terraform.tfstate"

    def there(self) -> tuple[str, ...]:
        return tuple(sorted(path.parent.name for path in (self.tmp / "states").glob("*/terraform.tfstate")))

    def session(self, name: str, command: str, **more: Any) -> Session:
        block = load_block(self.tmp / "blocks" / name)
        backend = Backend("local", {"path": str(self.state(name))})
        target = Target(
            cloud="aws",
            environment="staging",
            is_test=True,
            home=self.tmp / "home",
            process=child_environment() | HERE,
            terraform=BINARY,
            directory=self.tmp / "home" / name,
            override={"terraform": {"backend": {"local": dict(backend.config)}}},
            states=States(lambda block: Backend("local", {"path": str(self.state(block))}), self.there),
            flags=f"blocks/{name} --environment staging",
        )
        return Session(block, target, "r1", Signals(), (self.hear,), command=command, **more)

    def hear(self, event: Event, _at: datetime) -> None:
        self.told.append(event)

    def create(self, name: str, **more: Any) -> None:
        session = self.session(name, "create", **more)
        use.create(session, None, lambda _question: None)
        session.close()

    def made(self, name: str) -> Any:
        return json.loads(self.state(name).read_text())["outputs"]["made"]["value"]

    @property
    def warnings(self) -> list[str]:
        return [event.message for event in self.told if isinstance(event, Noted) and event.level == "warning"]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.write("base-net", PRODUCER, version="2.1.0")
    return place


def test_what_is_published_reaches_the_variables_that_are_declared_and_no_line_shows_a_secret(place: Place) -> None:
    """F46, F49: an object in the variable of the producer's name, a list and a secret in variables of their own."""
    place.write("web", BLOCK + BY_VARIABLES, f'{{ base-net: {{ version: "~> 2.0", outputs: {OUTPUTS} }} }}')
    place.create("base-net")
    hidden: list[Any] = []
    place.create("web", hide=hidden.extend)
    assert place.made("web") == ["net-1", "a-b", "8d34cf76aad1defd4b75c05ef92c68657906bbed"]
    assert hidden == ["s3cr3t-of-base"]
    assert "s3cr3t" not in str(place.told)
    assert [path for path in (place.tmp / "home/web").rglob("*") if path.is_file() and b"s3cr3t" in path.read_bytes()] == []


def test_a_remote_state_is_read_from_where_the_environment_has_it(place: Place) -> None:
    """F46: whatever backend, settings and defaults the HCL names, which stays as it is."""
    place.write("web", BLOCK + BY_STATE, '{ base-net: "~> 2.0" }')
    place.create("base-net")
    place.create("web")
    assert place.made("web") == "net-1"
    assert "of-somebody-else" in (place.tmp / "blocks/web/main.tf").read_text()
    assert place.warnings == []


def test_nothing_is_begun_where_the_producer_is_not_deployed(place: Place) -> None:
    """F46: the command that deploys it is said."""
    place.write("web", BLOCK + BY_VARIABLES, f'{{ base-net: {{ version: "~> 2.0", outputs: {OUTPUTS} }} }}')
    with pytest.raises(VersionsUnresolved, match=r"\[producer-absent\] the state of block base-net .* isn't there") as refused:
        place.create("web")
    assert refused.value.next.endswith("blocks/base-net --environment staging`")
    assert not place.state("web").exists()
    assert not (place.tmp / "home/web/work").exists()


def test_nothing_is_begun_where_the_producer_is_of_another_version(place: Place) -> None:
    """F46: both versions are named; Terraform isn't even initialised."""
    place.write("web", BLOCK + BY_STATE, '{ base-net: "~> 2.0" }')
    place.create("base-net", variables={"release": "3.0.0"})
    with pytest.raises(VersionsUnresolved, match=r"is block base-net 3.0.0, and block web 1.0.0 requires base-net ~> 2.0"):
        place.create("web")
    assert not (place.tmp / "home/web/work").exists()


def test_mocks_stand_for_a_producer_in_a_plan_and_nowhere_else(place: Place) -> None:
    """F46: by a variable, and by the data source too."""
    mocked = '{ base-net: { version: "~> 2.0", outputs: { network: { type: string, mock: net-0 } } } }'
    place.write("web", BLOCK + BY_STATE, mocked)
    place.write("api", BY_ONE_VARIABLE, mocked)
    for name in ("web", "api"):
        with pytest.raises(VersionsUnresolved, match="producer-absent"):
            place.create(name)
        session = place.session(name, "plan")
        assert upgrading.plan(session, None, ()).outcome == "pending"
        session.close()
        assert place.warnings[-1] == "block base-net isn't deployed: mocks stand for its outputs, in this plan alone"
    place.create("base-net")
    place.create("web")
    assert place.made("web") == "net-1"


def test_a_producer_is_not_upgraded_past_what_a_deployed_block_accepts_nor_destroyed_under_it(place: Place) -> None:
    """F46: the consumer is named; without it, it goes."""
    place.write("web", BLOCK + BY_STATE, '{ base-net: "~> 2.0" }')
    place.create("base-net")
    place.create("web")
    place.write("base-net", PRODUCER.replace("2.1.0", "3.0.0"), version="3.0.0")
    with pytest.raises(VersionsUnresolved, match=r"\[consumer-version\] block web 1.0.0 is deployed and accepts base-net ~> 2.0"):
        upgrading.upgrade(place.session("base-net", "upgrade"), None, (), lambda _question: None)
    with pytest.raises(PlanRefused, match=r"\[consumer-deployed\] block web 1.0.0 is deployed and requires base-net"):
        use.destroy(place.session("base-net", "destroy"), lambda _question: None)
    for name in ("web", "base-net"):
        use.destroy(place.session(name, "destroy"), lambda _question: None)
        assert json.loads(place.state(name).read_text())["resources"] == []


def test_a_producer_s_state_in_s3_is_read_by_immtf_and_by_the_data_source(place: Place) -> None:
    """F46: with the settings that an environment has for its backend, endpoint and lock file among them."""
    place.write("web", BLOCK + BY_STATE, '{ base-net: { version: "~> 2.0", outputs: { network: string } } }')
    state = as_state({"block": {"name": "base-net", "version": "2.1.0", "requires": {}}, "network": "net-3"})
    with moto() as url:
        aws(url).client("s3").put_object(Bucket=BUCKET, Key="base-net/terraform.tfstate", Body=state.encode())
        session = place.session("web", "create")
        states = States(lambda block: s3(url, f"{block}/terraform.tfstate"), lambda: ("base-net",))
        session.target = replace(session.target, states=states)
        use.create(session, None, lambda _question: None)
        session.close()
    assert place.made("web") == "net-3"
