"""Which environment a name means on AWS, and what is refused before anything is begun."""

from __future__ import annotations

import json
import shlex
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from immtf.cli.environments import aws_target
from immtf.cli.options import Options
from immtf.cli.records import read_record, record_environment
from immtf.errors import UsageError
from immtf.plan.config import ConfigInvalid, load_block
from tests.unit.cli.program import immtf_program, make_tiny

if TYPE_CHECKING:
    from pathlib import Path

    from immtf.app.target import Target

STAGING = """\
environment: staging
class: test
region: eu-central-1
backend: { s3: { bucket: acme } }
variables: { word: staged, other: 1 }
blocks: { tiny: { variables: { word: mine } } }
"""
LIVE = 'environment: live\nclass: production\nbackend: { local: { path: "states/{block}" } }\n'


class Place:
    """A block `tiny`, definitions beside it, and a home."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.home, self.definitions = directory, directory / "home", directory / "environments"
        self.block = load_block(make_tiny(directory / "tiny"))
        self.options = Options(block=directory / "tiny", home=self.home, environments=self.definitions)
        self.definitions.mkdir()

    def define(self, text: str = STAGING, name: str = "staging") -> Path:
        file = self.definitions / f"{name}.yaml"
        file.write_text(text)
        return file

    def target(self, name: str | None = None, *, test: bool = False, makes: bool = False) -> Target:
        return aws_target(self.block, replace(self.options, environment=name), test=test, makes=makes)

    def keep(self, name: str) -> None:
        """Have immtf keep an environment, as before there were definitions."""
        self.options, options = replace(self.options, environments=self.directory), self.options
        self.target(name, makes=True)
        self.options = options


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_without_a_name_it_is_the_block_s_own(place: Place) -> None:
    target = place.target()
    assert (target.directory, target.states, target.override, target.is_test) == (None, None, {}, False)
    assert not place.home.exists()


def test_a_definition_says_where_the_state_is_and_with_what_it_runs(place: Place) -> None:
    place.define()
    target = place.target("staging")
    assert (target.environment, target.is_test, target.generated) == ("staging", True, False)
    assert target.directory == place.home / "environments/staging/tiny"
    assert target.variables == {"word": "mine", "other": 1}
    assert (target.process["AWS_REGION"], target.process["AWS_DEFAULT_REGION"]) == ("eu-central-1", "eu-central-1")
    assert target.override["provider"] == {"aws": {"region": "eu-central-1"}}
    s3 = target.override["terraform"]["backend"]["s3"]
    assert s3 == {"bucket": "acme", "key": "staging/tiny/terraform.tfstate", "region": "eu-central-1", "use_lockfile": True}
    assert target.states is not None
    assert target.states.backend_of("base").config["key"] == "staging/base/terraform.tfstate"
    assert target.flags == f"{place.directory}/tiny --environment staging"


def test_production_is_no_test_s(place: Place) -> None:
    """F44: neither by its definition nor by its record."""
    place.define(LIVE, "live")
    target = place.target("live")
    assert (target.is_test, "provider" in target.override) == (False, False)
    assert target.override["terraform"]["backend"]["local"]["path"] == str(place.definitions / "states/tiny")
    with pytest.raises(UsageError, match="no test's: its class is production"):
        place.target("live", test=True)
    place.keep("kept")
    with pytest.raises(UsageError, match="this environment is no test's"):
        place.target("kept", test=True)


def test_a_test_takes_a_definition_for_a_template(place: Place) -> None:
    file = place.define()
    first, second = place.target("staging", test=True, makes=True), place.target("staging", test=True, makes=True)
    assert first.environment != second.environment
    assert (first.is_test, first.generated, first.environment.startswith("t-")) == (True, True, True)
    assert first.override["terraform"]["backend"]["s3"]["key"] == f"{first.environment}/tiny/terraform.tfstate"
    assert first.variables == {"word": "mine", "other": 1}
    assert read_record(place.home / "environments" / first.environment) == {"class": "test", "definition": str(file)}
    again = place.target(first.environment)
    assert (again.override, again.generated, again.is_test) == (first.override, False, True)


def test_a_record_leads_to_no_production_definition(place: Place) -> None:
    """F44: nor to one that became production since."""
    file = place.define()
    name = place.target("staging", test=True, makes=True).environment
    file.write_text(STAGING.replace("class: test", "class: production"))
    with pytest.raises(UsageError, match="its class is production"):
        place.target(name)


def test_a_kept_environment_has_a_state_for_each_block(place: Place) -> None:
    target = place.target("mine", makes=True)
    state = place.home / "environments/mine/tiny/terraform.tfstate"
    assert target.override == {"terraform": {"backend": {"local": {"path": str(state)}}}}
    assert target.directory == state.parent
    assert read_record(place.home / "environments/mine") == {"class": "production"}
    assert place.target("mine").states is not None
    own = place.target(test=True, makes=True)
    assert (own.generated, own.is_test, read_record(place.home / "environments" / own.environment)) == (True, True, {"class": "test"})


def test_a_state_in_the_old_place_is_never_taken_for_none(place: Place) -> None:
    """The command that is told moves it, with what an apply could not save and the copies."""
    kept = place.home / "environments/mine"
    (kept / "work/0a").mkdir(parents=True)
    for name in ("terraform.tfstate", "terraform.tfstate.before-apply", "work/0a/errored.tfstate", "environment.json"):
        (kept / name).write_text("{}")
    with pytest.raises(UsageError, match="each block has its own directory now") as caught:
        place.target("mine")
    subprocess.run(["sh", "-ec", caught.value.next.partition(": ")[2]], check=True, timeout=60)
    assert (place.target("mine").directory or kept) == kept / "tiny"
    there = sorted(str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file())
    moved = ["terraform.tfstate", "terraform.tfstate.before-apply", "work/0a/errored.tfstate"]
    assert there == ["environment.json", *(f"tiny/{name}" for name in moved)]
    assert shlex.split(caught.value.next.partition(": ")[2])[:2] == ["mkdir", "-p"]


def test_a_name_that_isn_t_there_is_told_with_the_nearest(place: Place) -> None:
    place.define()
    place.target("staging")
    place.keep("kept")
    for name, near in (("stagin", "did you mean --environment staging?; "), ("kep", "did you mean --environment kept?; "), ("zzz", "")):
        with pytest.raises(UsageError, match="there is no environment") as caught:
            place.target(name)
        assert caught.value.next.startswith(f"{near}defined: staging; kept: kept; a new one is defined first, in ")
    with pytest.raises(UsageError, match="can't be the name"):
        place.target("../x")


def test_a_directory_that_is_called_like_a_definition_is_none(place: Place) -> None:
    place.define()
    (place.definitions / "odd.yaml").mkdir()
    assert place.target("staging").environment == "staging"
    with pytest.raises(UsageError) as refused:
        place.target("odd")
    assert refused.value.next.startswith("defined: staging; ")


def test_without_any_both_directories_are_told(place: Place) -> None:
    with pytest.raises(UsageError, match="there is no environment") as caught:
        place.target("zzz")
    assert caught.value.where == f"{place.definitions}, {place.home / 'environments'}"
    assert caught.value.next == "none is defined and none is kept here: are both directories right?; `immtf create` makes one"


@pytest.mark.parametrize("test", [False, True], ids=["create", "test-create"])
def test_where_some_are_defined_none_is_made_by_a_name_that_is_not(place: Place, *, test: bool) -> None:
    """F44: `--environment stagin` would be another production, and a test would run without what the definition says."""
    place.define()
    place.keep("kept")
    with pytest.raises(UsageError) as caught:
        place.target("stagin", test=test, makes=True)
    assert f"a new one is defined first, in {place.definitions}/stagin.yaml" in caught.value.next
    assert sorted(path.name for path in (place.home / "environments").iterdir()) == ["kept"]
    assert place.target("kept", makes=True).environment == "kept"


def test_a_directory_of_definitions_that_is_not_there_is_none_without_definitions(place: Place) -> None:
    """F44: from a fresh home and a wrong directory all of production would be made a second time."""
    place.options = replace(place.options, environments=place.directory / "nowhere")
    with pytest.raises(UsageError) as caught:
        place.target("live", makes=True)
    assert f"there is no directory {place.directory}/nowhere, which --environments names" in caught.value.next
    assert not place.home.exists()


def test_a_file_with_the_other_suffix_is_not_passed_over(place: Place) -> None:
    place.define().rename(place.definitions / "staging.yml")
    with pytest.raises(UsageError, match=r"no file staging\.yaml"):
        place.target("staging", makes=True)


@pytest.mark.parametrize("what", ["suffix", "link", "directory"])
def test_what_was_to_define_environments_and_can_not_be_read_is_not_passed_over(place: Place, what: str) -> None:
    """F44: neither is its own name made anew, nor one that is mistyped."""
    file = place.define()
    if what == "directory":
        file.unlink()
        place.definitions.rmdir()
        place.definitions.symlink_to(place.directory / "nowhere")
    else:
        file.rename(file.with_suffix(".yml" if what == "suffix" else ".gone"))
    if what == "link":
        file.symlink_to("nowhere.yaml")
    for name in ("staging", "stagin"):
        with pytest.raises(UsageError, match=r"leads to no file|no file staging|there is no environment"):
            place.target(name, makes=True)
    assert not place.home.exists()


def test_what_a_block_does_not_declare_is_told_with_its_place(place: Place) -> None:
    place.define(STAGING.replace("{ word: mine }", "{ wrd: mine }"))
    with pytest.raises(ConfigInvalid, match=r"staging\.yaml:6:.*declares no variable `wrd`; did you mean `word`"):
        place.target("staging")


def test_states_that_immtf_keeps_are_not_forgotten_for_a_definition(place: Place) -> None:
    """A definition of the same name would begin with none."""
    kept = place.target("staging", makes=True)
    assert kept.directory is not None
    (kept.directory / "terraform.tfstate").write_text("{}")
    place.define()
    with pytest.raises(UsageError, match="keeps a state of an environment staging itself"):
        place.target("staging")


@pytest.mark.parametrize("worked", [False, True], ids=["looked", "worked"])
@pytest.mark.parametrize("makes", [False, True])
def test_a_name_that_was_defined_is_not_kept_here_where_its_file_is_not_found(place: Place, *, makes: bool, worked: bool) -> None:
    """From a wrong directory of definitions, `create` would make all of production a second time, with a state of its own."""
    place.define(LIVE, "live")
    directory = place.target("live").directory
    assert directory is not None
    if worked:
        (directory / "work").mkdir()
    place.options = replace(place.options, environments=place.directory / "nowhere")
    with pytest.raises(UsageError) as refused:
        place.target("live", makes=makes)
    assert "a file defined the environment live the last time" in refused.value.what
    assert "--environments DIR" in refused.value.next
    assert not (directory.parent / "environment.json").exists()


def test_a_kept_environment_stays_one_when_terraform_worked_in_it(place: Place) -> None:
    directory = place.target("mine", makes=True).directory
    assert directory is not None
    (directory / "work").mkdir()
    assert place.target("mine").directory == directory


def test_definitions_that_lead_to_the_same_states_are_refused(place: Place) -> None:
    place.define(LIVE, "live")
    place.define(LIVE.replace("live", "other"), "other")
    place.define("environment: broken\n", "broken")
    with pytest.raises(UsageError, match="live and other would share their states"):
        place.target("live")


def test_a_record_is_written_at_once_and_keeps_what_others_wrote(tmp_path: Path) -> None:
    record_environment(tmp_path / "e", {"class": "test", "expires": "later"})
    record_environment(tmp_path / "e", {"definition": "/x"})
    assert json.loads((tmp_path / "e/environment.json").read_text()) == {"class": "test", "expires": "later", "definition": "/x"}
    (tmp_path / "e/environment.json").write_text("[1")
    with pytest.raises(UsageError, match="can't be read"):
        read_record(tmp_path / "e")


def test_a_workspace_from_outside_is_refused(tmp_path: Path, tiny: Path, env: dict[str, str]) -> None:
    done = immtf_program("create", str(tiny), "--environment", "mine", "--yes", cwd=tmp_path, env=env | {"TF_WORKSPACE": "blue"})
    assert (done.returncode, "unset TF_WORKSPACE" in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / ".immtf/environments/mine/tiny").exists()


@pytest.mark.parametrize(
    ("name", "told"),
    [("stagin", "did you mean --environment staging?"), ("zzz", "--lab-name NAME"), ("live", "its class is production")],
)
def test_in_a_lab_only_a_definition_can_be_named(tmp_path: Path, tiny: Path, env: dict[str, str], name: str, told: str) -> None:
    (tmp_path / "environments").mkdir()
    for text in (STAGING, LIVE):
        (tmp_path / f"environments/{text.split()[1]}.yaml").write_text(text)
    (tmp_path / ".immtf/environments/zzz").mkdir(parents=True)
    done = immtf_program("test-create", str(tiny), "--lab", "--environment", name, "--yes", cwd=tmp_path, env=env)
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / ".immtf/labs").exists()


def test_the_directory_of_definitions_goes_into_the_next_command(tmp_path: Path) -> None:
    options = Options(block=tmp_path, environment="staging", environments=tmp_path / "defs")
    assert options.again("plan").endswith(f"--environment=staging --environments={tmp_path}/defs")
