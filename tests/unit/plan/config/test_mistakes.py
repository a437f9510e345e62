# ruff: noqa: E501 - a mistake stands here on one line, as it is printed
from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immtf.plan.config import ConfigInvalid, Mistake, load_block

HEAD = "block: consul\nversion: 1.1.0\n"
CLUSTER = HEAD + "clusters:\n  server:\n    nodes: module.server\n"
GATES = CLUSTER + "    gates:\n"
PLACE = "clusters.server"


def mistakes(directory: Path, text: str) -> list[str]:
    """Return the mistakes in `text` without the file's name; none where it is a block."""
    (directory / "main.tf").touch()
    file = directory / "immtf.yaml"
    file.write_text(text, encoding="utf-8")
    try:
        load_block(file)
    except ConfigInvalid as error:
        return [str(mistake).removeprefix(f"{file}:") for mistake in error.mistakes]
    return []


ALL = r"""
blok: Consul
version: 1.10
terraform: ./nope
requires: { base: "^2.0", consul: "=> 1" }
image: { variabel: image_id, family: 3 }
clusters:
  server:
    nodes: 'module.server["a"]'
    stratgy: replace
    max_unavailable: 0
    volumes: { data: { mount: var/lib }, y: { mount: /x }, z: { mount: /x/ } }
    gates:
      - mountd
      - consul: { expect: 0 }
      - tcp: { port: "22" }
  "we\eird": { nodes: server, gates: [] }
lab: { images: ., network: n }
lab: 3
"""


def test_every_mistake_is_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    assert mistakes(tmp_path, ALL.lstrip()) == [
        "1:1: blok: `blok` is not known here; did you mean `block`?",
        '2:10: version: should be text, is the number 1.1; write it in quotes: "1.10"',
        "3:12: terraform: the directory `./nope` can't be read: No such file or directory; name Terraform's root module, relative to this file",
        "4:19: requires.base: `^` in `^2.0` is not an operator; write `~> 2.0`",
        "4:35: requires.consul: `=>` in `=> 1` is not an operator; write `>= 1`",
        "5:10: image.variabel: `variabel` is not known here; did you mean `variable`?",
        '5:38: image.family: should be text, is the number 3; write it in quotes: "3"',
        '8:12: clusters.server.nodes: `module.server["a"]` is one node; name what all nodes are of: `module.server`',
        "9:5: clusters.server.stratgy: `stratgy` is not known here; did you mean `strategy`?",
        "10:22: clusters.server.max_unavailable: should be at least 1, is 0",
        "11:31: clusters.server.volumes.data.mount: `var/lib` is not an absolute path; `/var/lib`?",
        "11:72: clusters.server.volumes.z.mount: `/x/` is the mount of `y` already",
        "13:9: clusters.server.gates[0]: `mountd` is not a gate; did you mean `mounted`?",
        "14:27: clusters.server.gates[1].consul.expect: should be at least 1, is 0",
        "15:22: clusters.server.gates[2].tcp.port: should be a whole number, is the text `22`; write it without quotes",
        r"16:3: clusters.we\x1bird: `we\x1bird` is not a name: small letters, digits, `-` and `_`, a letter first, at most 63; `we-ird` would do",
        r"16:23: clusters.we\x1bird.nodes: `server` is not the address of a module or an aws_instance, like `module.server` or `aws_instance.server`; `module.server`?",
        r"16:38: clusters.we\x1bird.gates: a cluster needs at least one gate; `- mounted` or `- consul` for a start",
        "18:1: lab: `lab` stands here a second time; it stands in line 17 already",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("version: 1.0.0", "1:1: block: `block` is missing"),
        ("block: 1c\nversion: 1.0.0", "1:8: block: `1c` is not a name: small letters, digits, `-` and `_`, a letter first, at most 63; `c` would do"),
        ("block: ÄÖ\nversion: 1.0.0", "1:8: block: `ÄÖ` is not a name: small letters, digits, `-` and `_`, a letter first, at most 63"),
        ("block: [a]\nversion: 1.0.0", "1:8: block: should be text, is a list"),
        ("block: {a: b}\nversion: 1.0.0", "1:8: block: should be text, is a mapping"),
        ("block: true\nversion: 1.0.0", '1:8: block: should be text, is the truth value `true`; write it in quotes: "true"'),
        ("block: a\nversion: one", "2:10: version: `one` is not a version; write it like `1.2.3` or `1.2.3-rc1`"),
        ("block: a\nversion:\n", "2:1: version: should be text, is empty; write a value, or leave the key out"),
        (HEAD + "terraform: ''", "3:12: terraform: nothing is written here"),
        (HEAD + "requires: [base]", "3:11: requires: should be a mapping (`key: value`), is a list"),
        (HEAD + "requires: {base: '>='}", "3:18: requires.base: `>=` has an empty place; write constraints like `~> 1.2, != 1.2.3`"),
        (HEAD + "requires: {consul: '1'}", "3:20: requires.consul: a block can't need itself"),
        (HEAD + "requires: {<<: '1'}", "3:12: requires.<<: `<<` is of YAML 1.1 and merges nothing here; write the keys out"),
        (HEAD + "requires: {base: }", "3:12: requires.base: should be text, is empty; write a value, or leave the key out"),
        (HEAD + "requires: {base: {}}", "3:12: requires.base.version: `version` is missing"),
        (HEAD + "requires: {base: {versoin: '1'}}", "3:19: requires.base.versoin: `versoin` is not known here; did you mean `version`?"),
        (HEAD + "requires: {base: {version: '^1'}}", "3:28: requires.base.version: `^` in `^1` is not an operator; write `~> 1`"),
        (HEAD + "requires: {base: {version: '1', outputs: [id]}}", "3:42: requires.base.outputs: should be a mapping (`key: value`), is a list"),
        (HEAD + "requires: {base: {version: '1', outputs: {id: strng}}}", "3:47: requires.base.outputs.id: should be one of `any`, `string`, `number`, `bool`, `list`, `map`, is the text `strng`; did you mean `string`?"),
        (HEAD + "requires: {base: {version: '1', outputs: {id: {typ: list}}}}", "3:48: requires.base.outputs.id.typ: `typ` is not known here; did you mean `type`?"),
        (HEAD + "requires: {base: {version: '1', outputs: {id: {variable: var.x}}}}", "3:58: requires.base.outputs.id.variable: `var.x` is not the name of a Terraform variable; `x`?"),
        (HEAD + "requires: {base: {version: '1', outputs: {id: {mock: }}}}", "3:48: requires.base.outputs.id.mock: nothing is written here; write a value, or leave the key out"),
        (HEAD + "requires: {base: {version: '1', outputs: {id: {mock: 3, type: string}}}}", "3:54: requires.base.outputs.id.mock: the mock is not of the type `string`; it stands for the output, so it has to be of its type"),
        (HEAD + "requires: {base: {version: '1', outputs: {'an id': string}}}", "3:43: requires.base.outputs.an id: `an id` is not the name of a Terraform output; letters, digits, `-` and `_`, no digit first"),
        (HEAD + "requires: {base: {version: '1', outputs: {id: {variable: x}, b: {variable: x}}}}", "3:76: requires.base.outputs.b.variable: the variable `x` takes the output `id` of base already; each value needs a variable of its own"),
        (HEAD + "requires: {base: {version: '1', outputs: {id: {variable: base}}}}", "3:58: requires.base.outputs.id.variable: the variable `base` takes the outputs of base already; each value needs a variable of its own"),
        (HEAD + "requires: {base: {version: '1', outputs: {id: {variable: i}}}}\nimage: {variable: i, family: f}", "3:58: requires.base.outputs.id.variable: the variable `i` takes the image's id already; each value needs a variable of its own"),
        (HEAD + "requires: {consul: {version: '1'}}", "3:20: requires.consul: a block can't need itself"),
        (HEAD + "clusters:\n", "3:1: clusters: should be a mapping (`key: value`), is empty; write a value, or leave the key out"),
        (HEAD + "clusters: {a: }", "3:12: clusters.a: should be a mapping (`key: value`), is empty; write a value, or leave the key out"),
        (HEAD + "image:\n", "3:1: image: nothing is written here; write a value, or leave the key out"),
        (HEAD + "image: ami", "3:8: image: should be a mapping (`key: value`), is the text `ami`"),
        (HEAD + "image: {variable: var.x, family: f}", "3:19: image.variable: `var.x` is not the name of a Terraform variable; `x`?"),
        (HEAD + "image: {variable: x.y, family: f}", "3:19: image.variable: `x.y` is not the name of a Terraform variable"),
        (HEAD + "lab: {network: 1a}", "3:16: lab.network: `1a` is not the name of a Terraform variable"),
        (HEAD + "restore: {}", "3:10: restore: neither `run` nor `snapshot`: the data come from one of them"),
        (HEAD + "restore: {run: x, snapshot: snap-1}", "3:10: restore: both `run` and `snapshot`: the data come from one of them"),
        (HEAD + "restore: {snapshot: vol-1}", "3:21: restore.snapshot: `vol-1` is not the id of a snapshot, like `snap-0123456789abcdef0`"),
        (HEAD + "restore: {run: x, variable: y}", "3:29: restore.variable: `variable` is of `snapshot`, which is not here"),
        (HEAD + "restore: {snapshot: snap-1, timeout: 1m}", "3:38: restore.timeout: `timeout` is of `run`, which is not here"),
        (HEAD + "restore: {run: ' '}", "3:16: restore.run: nothing is written here"),
        (HEAD + "restore: {script: x, run: y}", "3:11: restore.script: `script` is not known here; known: run, snapshot, variable, timeout"),
        (HEAD + "on_failure: hlt", "3:13: on_failure: should be one of `halt`, `rollback-node`, is the text `hlt`; did you mean `halt`?"),
        (HEAD + "on_failure: [halt]", "3:13: on_failure: should be one of `halt`, `rollback-node`, is a list"),
        (HEAD + "zzz: 1", "3:1: zzz: `zzz` is not known here; known: block, version, terraform, requires, image, clusters, on_failure, lab, restore"),
        (HEAD + "On-Failure: halt", "3:1: On-Failure: `On-Failure` is not known here; did you mean `on_failure`?"),
    ],
)  # fmt: skip
def test_mistakes_in_the_block(tmp_path: Path, text: str, told: str) -> None:
    assert mistakes(tmp_path, text) == [told]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (CLUSTER, "4:3: clusters.server.gates: `gates` is missing"),
        (CLUSTER + "    gates: mounted", "6:12: clusters.server.gates: should be a list (`- entry`), is the text `mounted`; `[mounted]`?"),
        (CLUSTER + "    gates: [mounted]", "6:13: clusters.server.gates[0]: `mounted` has nothing to look at: this cluster has no volumes; list them under `volumes`"),
        (GATES + "      - consul\n    strategy: swop", "8:15: clusters.server.strategy: should be one of `replace`, `swap`, is the text `swop`; did you mean `swap`?"),
        (GATES + "      - consul\n    max_unavailable: 1.5", "8:22: clusters.server.max_unavailable: should be a whole number, is the number 1.5"),
        (GATES + "      - consul\n    max_unavailable: true", "8:22: clusters.server.max_unavailable: should be a whole number, is the truth value `true`"),
        (GATES + "      - consul: { expect: 3 }\n    max_unavailable: 2", "8:22: clusters.server.max_unavailable: with 2 of 3 servers away there is no quorum; 3 servers can spare 1"),
        (GATES + "      - consul\n    volumes: {d: {mount: /}}", "8:26: clusters.server.volumes.d.mount: `/` can't be the place of a data volume; name a directory below `/`"),
        (GATES + "      - consul\n    volumes: {d: {mount: /a/../b}}", "8:26: clusters.server.volumes.d.mount: `/a/../b` can't be the place of a data volume; name a directory below `/`"),
        (GATES + "      - consul\n    volumes: {d: {mount: /a b}}", "8:26: clusters.server.volumes.d.mount: `/a b` has a blank or a backslash in it, which `findmnt` and `/etc/fstab` write as something else; rename the place"),
        (GATES + "      - consul\n    volumes: {d: {mount: '/a\\b'}}", "8:26: clusters.server.volumes.d.mount: `/a\\b` has a blank or a backslash in it, which `findmnt` and `/etc/fstab` write as something else; rename the place"),
        (GATES + "      - consul\n    volumes: {d: {mount: /a, snapshot: true}}", "8:40: clusters.server.volumes.d.snapshot: should be a mapping (`key: value`), is the truth value `true`; `snapshot: { keep: 3 }`"),
        (GATES + "      - consul\n    volumes: {d: {mount: /a, snapshot: {keep: 0}}}", "8:47: clusters.server.volumes.d.snapshot.keep: should be at least 1, is 0"),
        (GATES + "      - consul\n    volumes: {d: {mount: /a, snapshot: {keeps: 2}}}", "8:41: clusters.server.volumes.d.snapshot.keeps: `keeps` is not known here; did you mean `keep`?"),
        (GATES + "      - consul\n    volumes: {d: {mount: ./b}}", "8:26: clusters.server.volumes.d.mount: `./b` is not an absolute path"),
        (GATES + "      - consul\n    volumes: {d: /b}", "8:18: clusters.server.volumes.d: should be a mapping (`key: value`), is the text `/b`"),
        (GATES + "      - consul\n  twin: {nodes: module.server, gates: [consul]}", "8:17: clusters.twin.nodes: `module.server` is the nodes of `server` already"),
        (GATES + "      - consul\n  x: {nodes: aws_ebs_volume.x, gates: [consul]}", "8:14: clusters.x.nodes: `aws_ebs_volume.x` is not the address of a module or an aws_instance, like `module.server` or `aws_instance.server`"),
        (GATES + "      - consul\n  x: {nodes: 'module.x[0]', gates: [consul]}", "8:14: clusters.x.nodes: `module.x[0]` is one node; name what all nodes are of: `module.x`"),
    ],
)  # fmt: skip
def test_mistakes_in_a_cluster(tmp_path: Path, text: str, told: str) -> None:
    assert mistakes(tmp_path, text) == [told]


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("consull", "7:9: {at}: `consull` is not a gate; did you mean `consul`?"),
        ("zzz: {}", "7:9: {at}: `zzz` is not a gate; known: mounted, consul, etcd, http, tcp, command, testinfra"),
        ("http", "7:9: {at}: the gate `http` needs settings; `- http: {{ url: … }}`"),
        ("http:", "7:9: {at}.http: the settings of the gate `http` should be a mapping (`key: value`), is empty; `- http: {{ url: … }}`"),
        ("consul:", "7:9: {at}.consul: the settings of the gate `consul` should be a mapping (`key: value`), is empty; `- consul`"),
        ("3", "7:9: {at}: a gate is a word or one key with its settings, this is the number 3; known: mounted, consul, etcd, http, tcp, command, testinfra"),
        ("{}", "7:9: {at}: a gate is a word or one key with its settings, this is a mapping; known: mounted, consul, etcd, http, tcp, command, testinfra"),
        ("consul:\n        expect: 3", "7:9: {at}: the settings of the gate `consul` are not indented below it; indent `expect` by two more spaces"),
        ("{tcp: {port: 1}, consul: {}}", "7:9: {at}: one entry holds several keys: `tcp`, `consul`; write each gate as an entry of its own, with `-` before it"),
        ("consul: {expect: '3'}", "7:26: {at}.consul.expect: should be a whole number, is the text `3`; write it without quotes"),
        ("consul: {expect: three}", "7:26: {at}.consul.expect: should be a whole number, is the text `three`"),
        ("consul: {expect: null}", "7:26: {at}.consul.expect: nothing is written here; write a value, or leave the key out"),
        ("consul: {expct: 3}", "7:18: {at}.consul.expct: `expct` is not known here; did you mean `expect`?"),
        ("consul: {port: 70000}", "7:24: {at}.consul.port: should be at most 65535, is 70000"),
        ("consul: {scheme: htps}", "7:26: {at}.consul.scheme: should be one of `http`, `https`, is the text `htps`; did you mean `https`?"),
        ("consul: {deadline: 90}", "7:28: {at}.consul.deadline: should be text, is the number 90; write it with its unit: 90s"),
        ("consul: {deadline: '90'}", "7:28: {at}.consul.deadline: `90` is not a time like `90s`, `5m` or `1m30s`; `90s`?"),
        ("consul: {deadline: 5 min}", "7:28: {at}.consul.deadline: `5 min` is not a time like `90s`, `5m` or `1m30s`; units are ms, s, m and h"),
        ("consul: {interval: 0s}", "7:28: {at}.consul.interval: `0s` is no time at all; write a time above 0"),
        (
            "consul: {healthy_for: 1m, deadline: 60s}",
            "7:9: {at}: 60 s without a break can't be had within 60 s; give it a longer `deadline`, or a shorter `healthy_for`",
        ),
        ("consul: {passes: 11, deadline: 10s}", "7:9: {at}: 11 passes, 1 s apart, can't be had within 10 s; give it a longer `deadline`"),
        ("consul\n      - consul: {port: 1}", "8:9: clusters.server.gates[1]: a second gate `consul` in this cluster; give one of them a `name`"),
        ("http: {url: 'ftp://{address}'}", "7:21: {at}.http.url: `ftp://{{address}}` is not a URL like `http://{{address}}:8080/health`; nothing but `{{address}}` and `{{node}}` is filled in"),
        ("http: {url: 'http://{ip}/'}", "7:21: {at}.http.url: `http://{{ip}}/` is not a URL like `http://{{address}}:8080/health`; nothing but `{{address}}` and `{{node}}` is filled in"),
        ("http: {url: 'http://a:99999/'}", "7:21: {at}.http.url: `http://a:99999/` is not a URL like `http://{{address}}:8080/health`; nothing but `{{address}}` and `{{node}}` is filled in"),
        ("command: {run: ' '}", "7:24: {at}.command.run: nothing is written here"),
    ],
)  # fmt: skip
def test_mistakes_in_a_gate(tmp_path: Path, entry: str, told: str) -> None:
    assert mistakes(tmp_path, f"{GATES}      - {entry}\n") == [told.format(at="clusters.server.gates[0]")]


@pytest.mark.parametrize("entry", ["consul: {token_env: 6f1c-secret}", "http: {url: 'http://me:6f1c-secret@{address}/'}"])
def test_what_may_be_a_secret_is_not_repeated(tmp_path: Path, entry: str) -> None:
    (told,) = mistakes(tmp_path, f"{GATES}      - {entry}\n")
    assert "6f1c" not in told


def test_a_root_module_without_terraform_files_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    told = "3:12: terraform: the directory `empty` holds no Terraform files; name Terraform's root module"
    assert mistakes(tmp_path, HEAD + "terraform: empty") == [told]


def test_a_missing_key_is_told_beside_a_misspelt_one_that_is_another(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "blok: a\nzzzzzzz: 1.0.0") == [
        "1:1: blok: `blok` is not known here; did you mean `block`?",
        "1:1: version: `version` is missing",
        "2:1: zzzzzzz: `zzzzzzz` is not known here; known: block, version, terraform, requires, image, clusters, on_failure, lab, restore",
    ]


def test_the_sentence_holds_all_of_it_and_moves_no_cursor() -> None:
    twice = Mistake(Path("a\n/immtf.yaml"), 2, 1, "x", "second\x1b[2J", "mend it")
    error = ConfigInvalid((twice, Mistake(Path("a\n/immtf.yaml"), 1, 1, "", "first"), twice))
    assert str(error).splitlines() == [
        r"a\n/immtf.yaml: 2 mistakes",
        r"  a\n/immtf.yaml:1:1: first",
        r"  a\n/immtf.yaml:2:1: x: second\x1b[2J; mend it",
        "  next: mend the file and run the command again; `immtf schema` prints its JSON schema",
    ]


@given(data=st.data())
def test_a_damaged_file_is_read_or_told_and_nothing_else(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Lines dropped, doubled, moved or with a character changed: always a block or mistakes with their places."""
    lines = data.draw(st.lists(st.sampled_from(ALL.lstrip().splitlines()), max_size=20))
    text = "\n".join(lines)
    cut = data.draw(st.integers(0, len(text)))
    damaged = (
        text[:cut] + data.draw(st.sampled_from(["", ":", "-", "{", "'", "\t", "\0", " ", "null", "[", "&a ", "*a", "\n"])) + text[cut:]
    )
    directory = tmp_path_factory.getbasetemp() / "damaged"
    directory.mkdir(exist_ok=True)
    for told in mistakes(directory, damaged):
        line, column, what = told.split(":", 2)
        assert int(line) >= 1
        assert int(column) >= 1
        assert what.strip()


@pytest.mark.parametrize(("servers", "away"), [(1, 1), (2, 1), (3, 1), (5, 2), (7, 3)])
def test_one_node_at_a_time_is_always_allowed_and_more_where_quorum_stays(tmp_path: Path, servers: int, away: int) -> None:
    assert mistakes(tmp_path, f"{GATES}      - consul: {{ expect: {servers} }}\n    max_unavailable: {away}\n") == []
    assert len(mistakes(tmp_path, f"{GATES}      - consul: {{ expect: {servers} }}\n    max_unavailable: {away + 1}\n")) == 1
