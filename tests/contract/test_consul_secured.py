"""The adapters against a real Consul with ACLs and TLS on: what is wanted from the environment, and what is said where it is wrong.

The server denies whatever no token allows, wants a client's certificate, and its own certificate is made by Consul's own command, for
one of the two addresses at which it is asked.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import time
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.consul import ConsulService
from immtf.adapters.consul_kv import ConsulKv
from immtf.errors import CloudFailed
from immtf.model.block import ConsulGate
from immtf.model.names import NodeId
from immtf.plan.quorum import judge_whole
from tests.contract.consul_program import consul_program
from tests.contract.spot import spot

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMED, UNNAMED = (f"{spot(76, 1)}.{number}" for number in (11, 12))
NODE = NodeId("server", "a")
GATE = ConsulGate(timeout_s=5.0, port=8501, scheme="https", token_env="MANAGEMENT")
WRONG = "11111111-2222-3333-4444-555555555555"
LIMIT_S = 60.0


@dataclass(frozen=True)
class Secured:
    """The server's files and its management token."""

    folder: Path
    token: str = ""

    def environment(self, **differs: str) -> dict[str, str]:
        """Return what a user's environment should hold, but for these."""
        files = {"CACERT": "consul-agent-ca.pem", "CLIENT_CERT": "dc1-client-consul-0.pem", "CLIENT_KEY": "dc1-client-consul-0-key.pem"}
        right = {f"CONSUL_{name}": str(self.folder / file) for name, file in files.items()}
        return {**right, "MANAGEMENT": self.token, **differs}

    def told(self, gate: ConsulGate = GATE, address: str = NAMED, **differs: str) -> str:
        """Return why the server can't be asked so."""
        view = ConsulService(self.environment(**differs)).view(gate, {NODE: address})
        assert not judge_whole(view, 1).held
        return view.answers[NODE].problem if view.answers[NODE].problem not in {"", "not asked"} else view.problem


def make_certificates(consul: Path, folder: Path) -> None:
    """Make a CA, a server's and a client's certificate, and a CA that signed neither."""
    (folder / "other").mkdir()
    for where, arguments in (
        (folder, ("ca", "create")),
        (folder, ("cert", "create", "-server", f"-additional-ipaddress={NAMED}")),
        (folder, ("cert", "create", "-client")),
        (folder / "other", ("ca", "create")),
    ):
        subprocess.run([consul, "tls", *arguments], cwd=where, check=True, capture_output=True, timeout=LIMIT_S)


def configuration(folder: Path) -> str:
    settings = {
        "server": True,
        "bootstrap_expect": 1,
        "node_name": "a",
        "data_dir": str(folder / "data"),
        "bind_addr": NAMED,
        "client_addr": f"{NAMED} {UNNAMED}",
        "ports": {"dns": -1, "grpc": -1, "http": 8500, "https": 8501},
        "acl": {"enabled": True, "default_policy": "deny"},
        "ca_file": str(folder / "consul-agent-ca.pem"),
        "cert_file": str(folder / "dc1-server-consul-0.pem"),
        "key_file": str(folder / "dc1-server-consul-0-key.pem"),
        "verify_incoming_https": True,
        "performance": {"raft_multiplier": 1},
        "disable_update_check": True,
    }
    file = folder / "agent.json"
    file.write_text(json.dumps(settings))
    return str(file)


def bootstrap() -> str:
    """Ask for the first management token until there is a leader to give it."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            request = urllib.request.Request(f"http://{NAMED}:8500/v1/acl/bootstrap", method="PUT")
            with opener.open(request, timeout=5) as answer:
                return str(json.load(answer)["SecretID"])
        except OSError:
            assert time.monotonic() < deadline, "the server has no leader"
            time.sleep(0.2)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    consul = consul_program(os.environ, Path.home())
    folder = tmp_path_factory.mktemp("secured")
    make_certificates(consul, folder)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([consul, "agent", f"-config-file={configuration(folder)}"], stdout=log, stderr=log)
    try:
        made = Secured(folder, bootstrap())
        deadline = time.monotonic() + LIMIT_S
        while not judge_whole(ConsulService(made.environment()).view(GATE, {NODE: NAMED}), 1).held:
            assert time.monotonic() < deadline, (folder / "log").read_text()[-3000:]
            time.sleep(0.2)
        yield made
    finally:
        server.kill()
        server.wait(LIMIT_S)


def test_with_all_that_is_wanted_it_is_whole_and_writes_are_taken(secured: Secured) -> None:
    store = ConsulKv(GATE, [NAMED], secured.environment())
    assert store.put("p/1", "one")
    assert store.get("p/1") == "one"
    assert ConsulKv(GATE, [NAMED], secured.environment(MANAGEMENT=WRONG)).put("p/1", "two") is False
    with pytest.raises(CloudFailed, match="CONSUL_CACERT names /nowhere"):
        ConsulKv(GATE, [NAMED], secured.environment(CONSUL_CACERT="/nowhere"))


@pytest.mark.parametrize(
    ("token", "reason"),
    [("", "wants a token, and MANAGEMENT is empty (403: "), (WRONG, "denies the token in MANAGEMENT (403: ")],
    ids=["missing", "wrong"],
)
def test_a_token_that_is_missing_or_wrong(secured: Secured, token: str, reason: str) -> None:
    """F34: what may not be read is unknown; F49: the token is never shown."""
    told = secured.told(MANAGEMENT=token)
    assert reason in told
    assert WRONG not in told
    with pytest.raises(CloudFailed, match="MANAGEMENT") as caught:
        ConsulService(secured.environment(MANAGEMENT=token)).hand_over(GATE, NAMED, NAMED)
    assert WRONG not in str(caught.value)


def test_a_server_that_can_not_be_told_from_another_is_not_believed(secured: Secured) -> None:
    """F34: another CA, none at all, another name: each with the variable that mends it."""
    for authority in (str(secured.folder / "other/consul-agent-ca.pem"), ""):
        told = secured.told(CONSUL_CACERT=authority)
        assert told.startswith("its certificate is not trusted (")
        assert "CONSUL_CACERT" in told
    told = secured.told(address=UNNAMED)
    assert told.startswith("its certificate is for another name (")
    assert "CONSUL_TLS_SERVER_NAME" in told
    service = ConsulService(secured.environment(CONSUL_TLS_SERVER_NAME="server.dc1.consul"))
    assert service.view(GATE, {NODE: UNNAMED}).answers[NODE].leader == NAMED
    assert "CONSUL_TLS_SERVER_NAME" in secured.told(CONSUL_TLS_SERVER_NAME="server.dc2.consul")


def test_a_client_without_a_certificate_is_told_what_to_give(secured: Secured) -> None:
    told = secured.told(CONSUL_CLIENT_CERT="", CONSUL_CLIENT_KEY="")
    assert "refuses TLS" in told
    assert "CONSUL_CLIENT_CERT" in told


def test_files_that_can_not_be_used_are_named(secured: Secured) -> None:
    empty = secured.folder / "empty.pem"
    empty.write_text("")
    for variable, file in (("CONSUL_CACERT", "/nowhere"), ("CONSUL_CACERT", str(empty)), ("CONSUL_CLIENT_CERT", str(empty))):
        told = secured.told(**{variable: file})
        assert told.startswith(f"{variable} names {file}, which can't be used")
    with pytest.raises(CloudFailed, match="CONSUL_CACERT names /nowhere"):
        ConsulService(secured.environment(CONSUL_CACERT="/nowhere")).hand_over(GATE, NAMED, NAMED)


def test_the_wrong_scheme_is_told(secured: Secured) -> None:
    assert "HTTPS" in secured.told(replace(GATE, scheme="http"))
    assert "does not speak TLS" in secured.told(replace(GATE, port=8500))


def test_the_variables_are_those_of_consul_s_own_command(secured: Secured) -> None:
    """The same environment serves `consul`; nothing but its address and its token have to be said otherwise."""
    consul = consul_program(os.environ, Path.home())
    variables = {**secured.environment(), "CONSUL_HTTP_ADDR": f"https://{NAMED}:8501", "CONSUL_HTTP_TOKEN": secured.token}
    done = subprocess.run(
        [consul, "operator", "raft", "list-peers"], env=variables, capture_output=True, text=True, timeout=LIMIT_S, check=True
    )
    assert NAMED in done.stdout


def test_where_consul_can_not_be_had_the_tests_are_skipped_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(pytest.skip.Exception, match=r"no Consul here: .*consul: IMMTF_CONSUL"):
        consul_program({"IMMTF_CONSUL": str(tmp_path / "none"), "PATH": os.environ["PATH"]}, Path.home())


def test_the_system_s_trust_is_read_once() -> None:
    from immtf.adapters.exchange import system_trust

    assert system_trust() is system_trust()
    assert system_trust().verify_mode is ssl.CERT_REQUIRED
