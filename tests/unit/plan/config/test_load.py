from __future__ import annotations

from pathlib import Path

import pytest

from immtf.errors import ExitCode, UsageError
from immtf.model.block import (
    Block,
    Cluster,
    CommandGate,
    ConsulGate,
    HttpGate,
    ImageSpec,
    LabSpec,
    MountedGate,
    OutputNeed,
    RestoreSpec,
    TcpGate,
    VolumeSpec,
)
from immtf.plan.config import ConfigInvalid, load_block

WHOLE = """
block: consul
version: 1.1.0
terraform: ./root
requires: { base: "~> 2.0" }
image: { variable: image_id, family: consul, version: "~> 1.1" }
clusters:
  server:
    nodes: module.net.module.server
    strategy: swap
    max_unavailable: 2
    volumes: { data: { mount: /var/lib//consul/ }, wal: { mount: /wal, snapshot: { keep: 3 } } }
    gates:
      - mounted
      - consul: { expect: 5, port: 8501, scheme: https, token_env: TOKEN, max_lag: 0, passes: 1, interval: 500ms, deadline: 1h30m }
      - http: { url: "http://{address}:80/{node}", status: 204, contains: ok, timeout: 2.5s }
      - tcp: { port: 22 }
      - command: { run: "true", name: ready }
  client: { nodes: aws_instance.client, gates: [consul] }
on_failure: rollback-node
lab: { images: ../images, network: network_cidr }
"""


def make_file(directory: Path, text: str) -> Path:
    (directory / "root").mkdir()
    (directory / "root" / "main.tf").touch()
    (directory / "immtf.yaml").write_text(text, encoding="utf-8")
    return directory


def test_a_whole_file_becomes_a_whole_block(tmp_path: Path) -> None:
    assert load_block(make_file(tmp_path, WHOLE)) == Block(
        name="consul",
        version="1.1.0",
        directory=tmp_path,
        file=tmp_path / "immtf.yaml",
        terraform=tmp_path / "root",
        requires={"base": "~> 2.0"},
        image=ImageSpec("image_id", "consul", "~> 1.1"),
        clusters={
            "server": Cluster(
                name="server",
                nodes="module.net.module.server",
                strategy="swap",
                max_unavailable=2,
                volumes={"data": VolumeSpec("data", "/var/lib/consul"), "wal": VolumeSpec("wal", "/wal", 3)},
                gates=(
                    MountedGate(),
                    ConsulGate(
                        expect=5,
                        port=8501,
                        scheme="https",
                        token_env="TOKEN",
                        max_lag=0,
                        passes=1,
                        interval_s=0.5,
                        deadline_s=5400.0,
                    ),
                    HttpGate(url="http://{address}:80/{node}", status=204, contains="ok", timeout_s=2.5),
                    TcpGate(port=22),
                    CommandGate(run="true", name="ready"),
                ),
            ),
            "client": Cluster(name="client", nodes="aws_instance.client", gates=(ConsulGate(),)),
        },
        lab=LabSpec(tmp_path.parent / "images", "network_cidr"),
        on_failure="rollback-node",
    )


def test_what_is_left_out_has_the_defaults_of_the_model(tmp_path: Path) -> None:
    (tmp_path / "x.tf.json").touch()
    (tmp_path / "immtf.yaml").write_text("block: base\nversion: 2.0.0\nimage: { variable: i, family: f }\n", encoding="utf-8")
    file = tmp_path / "immtf.yaml"
    assert load_block(file) == Block("base", "2.0.0", tmp_path, file, tmp_path, image=ImageSpec("i", "f"))


@pytest.mark.parametrize(
    ("entry", "spec"),
    [
        ("{ run: ./fill }", RestoreSpec(run="./fill")),
        ("{ run: ./fill, timeout: 1h }", RestoreSpec(run="./fill", timeout_s=3600.0)),
        ("{ snapshot: snap-0a }", RestoreSpec(snapshot="snap-0a")),
        ("{ snapshot: snap-0a, variable: data_from }", RestoreSpec(snapshot="snap-0a", variable="data_from")),
    ],
    ids=["script", "script with a limit", "snapshot", "snapshot and variable"],
)
def test_how_data_are_filled(tmp_path: Path, entry: str, spec: RestoreSpec) -> None:
    (tmp_path / "main.tf").touch()
    (tmp_path / "immtf.yaml").write_text(f"block: base\nversion: 2.0.0\nrestore: {entry}\n", encoding="utf-8")
    assert load_block(tmp_path).restore == spec


@pytest.mark.parametrize(
    ("entry", "spec"),
    [("{ network: cidr }", LabSpec(network="cidr")), ("{ images: /x }", LabSpec(Path("/x"))), ("{}", LabSpec())],
    ids=["network", "images", "neither"],
)
def test_a_lab_may_lack_what_the_block_has_not(tmp_path: Path, entry: str, spec: LabSpec) -> None:
    (tmp_path / "main.tf").touch()
    (tmp_path / "immtf.yaml").write_text(f"block: base\nversion: 2.0.0\nlab: {entry}\n", encoding="utf-8")
    assert load_block(tmp_path).lab == spec


def test_a_file_of_any_name_and_one_that_is_a_link_are_read_where_they_stand(tmp_path: Path) -> None:
    make_file(tmp_path, WHOLE)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "root").mkdir()
    (tmp_path / "elsewhere" / "root" / "main.tofu").touch()
    link = tmp_path / "elsewhere" / "block.yaml"
    link.symlink_to(tmp_path / "immtf.yaml")
    block = load_block(link)
    assert (block.file, block.terraform) == (link, tmp_path / "elsewhere" / "root")


def test_a_relative_path_becomes_absolute(tmp_path: Path) -> None:
    make_file(tmp_path, WHOLE)
    there = Path(*[".."] * len(Path.cwd().parts[1:])) / tmp_path.relative_to("/")
    assert load_block(there).file == tmp_path / "immtf.yaml"


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    make_file(tmp_path, "")
    (tmp_path / "immtf.yaml").write_bytes(b"\xef\xbb\xbf" + WHOLE.replace("\n", "\r\n").encode())
    assert load_block(tmp_path).name == "consul"


@pytest.mark.parametrize(
    ("present", "asked", "following"),
    [
        ("immtf.yml", ".", "rename immtf.yml to immtf.yaml"),
        ("immtf.json", ".", "rename immtf.json to immtf.yaml"),
        ("x", ".", "name the directory of a block, or write its immtf.yaml"),
        ("x", "nowhere", "name the directory of a block, or write its immtf.yaml"),
        ("x", "n" * 5000, "name the directory of a block"),
    ],
)
def test_where_there_is_no_file_the_error_says_what_to_do(tmp_path: Path, present: str, asked: str, following: str) -> None:
    (tmp_path / present).touch()
    with pytest.raises(UsageError) as caught:
        load_block(tmp_path / asked)
    assert caught.value.next == following
    assert not isinstance(caught.value, ConfigInvalid)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "1:1: the file is empty; begin with `block: NAME` and `version: 1.0.0`"),
        (b"# nothing\n", "1:1: the file is empty; begin with `block: NAME` and `version: 1.0.0`"),
        (b"- a\n", "1:1: the file should be a mapping (`key: value`), is a list; begin with `block: NAME` and `version: 1.0.0`"),
        (
            b"consul",
            "1:1: the file should be a mapping (`key: value`), is the text `consul`; begin with `block: NAME` and `version: 1.0.0`",
        ),
        (b"block: a\nversion: \xff\n", "2:10: a byte that is not UTF-8; save the file as UTF-8"),
        (b"block: a\n\tversion: 1\n", "2:1: a tab: YAML is indented with spaces; use two spaces for each level"),
        (b"a" * 1_000_001, "1:1: over a megabyte: this is not a file for a person to write"),
    ],
)
def test_a_file_that_holds_no_block_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    file = make_file(tmp_path, "") / "immtf.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigInvalid) as caught:
        load_block(file)
    assert [str(mistake) for mistake in caught.value.mistakes] == [f"{file}:{told}"]
    assert caught.value.exit_code is ExitCode.USAGE


def test_a_file_that_cannot_be_read_is_told() -> None:
    with pytest.raises(UsageError, match="the file can't be read: Input/output error"):
        load_block(Path("/proc/self/mem"))


def test_the_file_is_read_anew_and_never_changed(tmp_path: Path) -> None:
    make_file(tmp_path, WHOLE)
    load_block(tmp_path)
    assert (tmp_path / "immtf.yaml").read_text(encoding="utf-8") == WHOLE


def test_a_requirement_in_its_long_form(tmp_path: Path) -> None:
    outputs = "{ vpc_id: string, subnets: { type: list, variable: subnet_ids, mock: [] }, any: {} }"
    requires = f'{{ dns: "1", base: {{ version: "~> 2.0", outputs: {outputs} }}, ntp: {{ version: "2" }} }}'
    text = f"block: web\nversion: 1.0.0\nrequires: {requires}\n"
    (tmp_path / "main.tf").touch()
    (tmp_path / "immtf.yaml").write_text(text, encoding="utf-8")
    block = load_block(tmp_path)
    assert block.requires == {"dns": "1", "base": "~> 2.0", "ntp": "2"}
    assert block.uses == {"base": (OutputNeed("vpc_id", "string"), OutputNeed("subnets", "list", "subnet_ids", []), OutputNeed("any"))}
