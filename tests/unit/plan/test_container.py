"""`docker-args`: the words of the command, for each situation that a caller may be in."""

from __future__ import annotations

import shlex
from pathlib import PurePosixPath
from typing import Any

import pytest

from immtf.plan.container import FILES, HOME, INSIDE, ROLE, STOP_S, Call, Shell, Situation, docker_run, needs_engine, passed

KEYS = {"AWS_ACCESS_KEY_ID": "AKIA-SECRET", "AWS_SECRET_ACCESS_KEY": "very-secret", "AWS_SESSION_TOKEN": "", "PATH": "/bin"}
TOP, BLOCK = PurePosixPath("/home/eve/infra"), PurePosixPath("/home/eve/infra/blocks/consul")


def make_situation(**more: Any) -> Situation:
    return Situation(**({"image": "immtf:1", "command": ("upgrade",), "top": TOP, "block": BLOCK, "user": (1001, 100)} | more))


def pairs(call: Call, option: str) -> list[str]:
    """Return the values of an option that is a word of its own."""
    return [word for before, word in zip(call.words, call.words[1:], strict=False) if before == option]


def test_the_plainest_command() -> None:
    call = docker_run(make_situation())
    assert call.text(" ") == (
        f"docker run --rm --stop-timeout={STOP_S} --volume /etc/passwd:/etc/passwd:ro --user 1001:100"
        " --volume /home/eve/infra:/block --workdir=/block/blocks/consul"
        " --volume immtf:/home/immtf immtf:1 upgrade"
    )
    assert call.notes == (ROLE,)
    assert "http-put-response-hop-limit 2" in ROLE


def test_a_block_in_the_image_is_not_mounted() -> None:
    call = docker_run(make_situation(baked=True, top=None, block=None))
    assert (pairs(call, "--volume"), "--user" in call.words) == (["immtf:/home/immtf"], False)
    kept = docker_run(make_situation(baked=True, top=None, block=None, keep="/srv/x"))
    assert "--user" in kept.words
    assert not any(word.startswith("--workdir") for word in call.words)


def test_where_no_block_is_known_none_is_mounted() -> None:
    assert not [word for word in docker_run(make_situation(top=None, block=None)).words if word.endswith(":/block")]


def test_a_block_at_the_top_is_the_working_directory() -> None:
    assert "--workdir=/block" in docker_run(make_situation(block=TOP)).words


def test_variables_go_by_name_and_no_value_is_in_the_command() -> None:
    given = KEYS | {
        "IMMTF_IMAGE": "1.2",
        "TF_VAR_size": "big",
        "https_proxy": "p",
        "IMMTF_HOME": "/h",
        "TF_CLI_ARGS": "-x",
        "GITHUB_TOKEN": "t",
    }
    call = docker_run(make_situation(environment=given))
    assert pairs(call, "--env") == ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "IMMTF_IMAGE", "TF_VAR_size", "https_proxy"]
    assert not [word for word in call.words if "SECRET" in word.replace("AWS_SECRET_ACCESS_KEY", "") or "secret" in word]
    assert call.notes == ()


@pytest.mark.parametrize(
    ("name", "goes"),
    [
        *[
            ("CONSUL_HTTP_TOKEN", True),
            ("ETCDCTL_USER", True),
            ("IMMTF_ETCD", False),
            ("TF_LOG", True),
            ("TF_WORKSPACE", True),
            ("GITLAB_CI", True),
            ("TF_TOKEN_app_terraform_io", True),
        ],
        *[("TF_LOG_PATH", False), ("TF_CLI_CONFIG_FILE", False), ("TF_DATA_DIR", False), ("TF_PLUGIN_CACHE_DIR", False)],
        *[("IMMTF_TERRAFORM", False), ("IMMTF_INSIDE", False), ("AWS_CONFIG_FILE", False), ("HOME", False), ("GITHUB_TOKEN", False)],
    ],
)
def test_which_variables_go_in(name: str, goes: bool) -> None:
    assert passed(name) is goes


def test_a_profile_needs_the_files_and_keys_do_not() -> None:
    files = PurePosixPath("/home/eve/.aws")
    mount = f"/home/eve/.aws:{HOME}/.aws:ro"
    assert mount in pairs(docker_run(make_situation(aws_files=files)), "--volume")
    assert mount not in pairs(docker_run(make_situation(aws_files=files, environment=KEYS)), "--volume")
    call = docker_run(make_situation(aws_files=files, environment={"AWS_PROFILE": "prod"}))
    assert (mount in pairs(call, "--volume"), "AWS_PROFILE" in pairs(call, "--env"), call.notes) == (True, True, ())


def test_a_file_that_a_variable_names_is_mounted_where_the_variable_then_points() -> None:
    given = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/var/token", "AWS_ROLE_ARN": "arn:x", "CONSUL_CACERT": "/gone.pem"}
    call = docker_run(make_situation(environment=given, files=frozenset({"AWS_WEB_IDENTITY_TOKEN_FILE"})))
    inside = FILES["AWS_WEB_IDENTITY_TOKEN_FILE"]
    assert f"/var/token:{inside}:ro" in pairs(call, "--volume")
    assert {f"AWS_WEB_IDENTITY_TOKEN_FILE={inside}", "AWS_ROLE_ARN"} == set(pairs(call, "--env"))
    assert call.notes == ("left out, as there is no such file: CONSUL_CACERT",)


@pytest.mark.parametrize("name", sorted(FILES))
def test_only_a_file_of_credentials_is_taken_for_some(name: str) -> None:
    told = docker_run(make_situation(environment={name: "/x"}, files=frozenset({name}))).notes
    credentials = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE")
    assert told == (() if name in credentials else (ROLE,))


def test_a_summary_is_written_and_is_no_credential() -> None:
    call = docker_run(make_situation(environment={"GITHUB_STEP_SUMMARY": "/s"}, files=frozenset({"GITHUB_STEP_SUMMARY"})))
    assert f"/s:{FILES['GITHUB_STEP_SUMMARY']}" in pairs(call, "--volume")
    assert call.notes == (ROLE,)


def test_a_directory_is_kept_where_one_is_named() -> None:
    call = docker_run(make_situation(keep="/srv/immtf", keep_there=False, environment=KEYS))
    assert f"/srv/immtf:{HOME}/.immtf" in pairs(call, "--volume")
    assert call.notes == ("/srv/immtf isn't there, and Docker would make it root's: mkdir -p /srv/immtf",)


def test_with_the_engine_paths_are_the_same_on_both_sides() -> None:
    call = docker_run(make_situation(engine=True, keep="/srv/x", socket="/run/d.sock", socket_group=105, environment=KEYS))
    assert {"/srv/x:/srv/x", "/run/d.sock:/var/run/docker.sock"} <= set(pairs(call, "--volume"))
    assert {"IMMTF_HOME=/srv/x", "XDG_STATE_HOME=/srv/x/state"} <= set(pairs(call, "--env"))
    assert {"--group-add=105", "--network=host"} <= set(call.words)
    assert "--group-add" not in docker_run(make_situation(engine=True, keep="/srv/x")).text()


def test_an_engine_elsewhere_is_told() -> None:
    call = docker_run(make_situation(engine=True, keep="/srv/x", environment=KEYS | {"DOCKER_HOST": "tcp://127.0.0.1:2375"}))
    assert len(call.notes) == 1
    assert call.notes[0].startswith("DOCKER_HOST is no socket")


def test_paths_of_this_machine_in_a_variable_are_told() -> None:
    (note,) = docker_run(make_situation(environment=KEYS | {"IMMTF_VAR_FILE": "a.json:/b.json"})).notes
    assert note.startswith("IMMTF_VAR_FILE names a path of this machine")


@pytest.mark.parametrize(
    ("command", "environment", "needed"),
    [
        (("test-upgrade", "--lab", "--lab-runtime", "docker"), {}, True),
        (("test-upgrade", "--lab-runtime=docker"), {}, True),
        (("test-upgrade", "--lab"), {"IMMTF_LAB_RUNTIME": "docker"}, True),
        (("test-upgrade", "--lab-runtime", "process"), {"IMMTF_LAB_RUNTIME": "docker"}, False),
        (("test-upgrade", "--from", "consul:1.0.0"), {}, True),
        (("test-upgrade", "--from", "git:v1"), {}, False),
        (("test-upgrade", "--from=../old"), {}, False),
        (("upgrade", "--var", "a=b:c"), {}, False),
    ],
)
def test_when_the_engine_is_needed(command: tuple[str, ...], environment: dict[str, str], needed: bool) -> None:
    assert needs_engine(command, environment) is needed


def test_a_terminal_is_handed_on_only_where_there_is_one() -> None:
    assert docker_run(make_situation(terminal=True)).lines[0] == ("docker", "run", "--rm", "--interactive", "--tty")
    assert "--tty" not in docker_run(make_situation()).words


def test_what_the_shell_would_read_is_quoted() -> None:
    call = docker_run(
        make_situation(top=PurePosixPath("/a b/$(id)"), block=PurePosixPath("/a b/$(id)"), command=("plan", "--var", "x=a b;c"))
    )
    assert shlex.split(call.text().replace("\\\n", "")) == call.words


def test_inside_the_container_the_shell_outside_fills_in_what_it_knows() -> None:
    call = docker_run(make_situation(inside=True, engine=True, top=None, block=None, keep="immtf"))
    filled = {word for word in call.words if isinstance(word, Shell)}
    assert '"$(id -u):$(id -g)"' in filled
    assert {'"$PWD:/block"', '"$PWD/.immtf:$PWD/.immtf"', '"IMMTF_HOME=$PWD/.immtf"'} <= filled
    assert {"AWS_ACCESS_KEY_ID", "AWS_REGION"} <= set(pairs(call, "--env"))
    assert call.notes == (INSIDE,)
    assert '--user "$(id -u):$(id -g)"' in call.text(" ")


@pytest.mark.parametrize("user", [(0, 0), (1000, 1000), None])
def test_who_has_a_name_in_the_image_needs_none_from_outside(user: tuple[int, int] | None) -> None:
    call = docker_run(make_situation(user=user))
    assert ("/etc/passwd:/etc/passwd:ro" in call.words, "--user" in call.words) == (False, user is not None)
