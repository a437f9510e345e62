"""The adapters against a real etcd with users and TLS on: what is wanted from the environment, and what is said where it is wrong.

The server wants a client's certificate and a user. Certificates are made by Consul's own command, which the lab has too; the server's is
for one of the two addresses at which it is asked.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from immtf.adapters.etcd import EtcdService
from immtf.adapters.etcd_kv import EtcdKv
from immtf.errors import CloudFailed
from immtf.model.block import EtcdGate
from immtf.model.names import NodeId
from immtf.plan.quorum import judge_whole
from tests.contract.consul_program import consul_program
from tests.contract.etcd_program import LIMIT_S, etcd_program, until
from tests.contract.spot import spot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAMED, UNNAMED = (f"{spot(78, 2)}.{number}" for number in (11, 12))
NODE = NodeId("server", "a")
GATE = EtcdGate(timeout_s=20.0, scheme="https", user_env="MANAGEMENT")
PASSWORD, WRONG = "s3cret:w0rd", "wr0ng:w0rd"


@dataclass(frozen=True)
class Secured:
    """The server's files."""

    folder: Path

    def environment(self, **differs: str) -> dict[str, str]:
        """Return what a user's environment should hold, but for these."""
        files = {"CACERT": "consul-agent-ca.pem", "CERT": "nameless.pem", "KEY": "nameless-key.pem"}
        right = {f"ETCDCTL_{name}": str(self.folder / file) for name, file in files.items()}
        return {**right, "MANAGEMENT": f"root:{PASSWORD}", **differs}

    def told(self, gate: EtcdGate = GATE, address: str = NAMED, **differs: str) -> str:
        """Return why the server can't be asked so."""
        view = EtcdService(self.environment(**differs)).view(gate, {NODE: address})
        assert not judge_whole(view, 1).held
        return view.answers[NODE].problem if view.answers[NODE].problem not in {"", "not asked"} else view.problem


def make_certificates(folder: Path) -> None:
    """Make a CA, a server's and a client's certificate, and a CA that signed neither."""
    consul = consul_program(os.environ, Path.home())
    (folder / "other").mkdir()
    for where, arguments in (
        (folder, ("ca", "create")),
        (folder, ("cert", "create", "-server", f"-additional-ipaddress={NAMED}")),
        (folder, ("cert", "create", "-client")),
        (folder / "other", ("ca", "create")),
    ):
        subprocess.run([consul, "tls", *arguments], cwd=where, check=True, capture_output=True, timeout=LIMIT_S)
    make_nameless(folder)


def make_nameless(folder: Path) -> None:
    """Make a client's certificate without a CommonName, by the same CA: the gateway takes no other where users are on."""
    authority = x509.load_pem_x509_certificate((folder / "consul-agent-ca.pem").read_bytes())
    signer = serialization.load_pem_private_key((folder / "consul-agent-ca-key.pem").read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    cert = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "immtf")]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(authority.not_valid_before_utc)
        .not_valid_after(authority.not_valid_after_utc)
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    (folder / "nameless.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "nameless-key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))


def ask(environment: Mapping[str, str], call: str, **body: Any) -> bool:
    """Make a call as nobody in particular; return whether it was taken."""
    context = ssl.create_default_context(cafile=environment["ETCDCTL_CACERT"])
    context.load_cert_chain(environment["ETCDCTL_CERT"], environment["ETCDCTL_KEY"])
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    request = urllib.request.Request(f"https://{NAMED}:2379/v3/{call}", data=json.dumps(body).encode(), method="POST")
    try:
        with opener.open(request, timeout=LIMIT_S):
            return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    etcd = etcd_program(os.environ, Path.home())
    folder = tmp_path_factory.mktemp("secured")
    make_certificates(folder)
    files = {"cert-file": "dc1-server-consul-0.pem", "key-file": "dc1-server-consul-0-key.pem", "trusted-ca-file": "consul-agent-ca.pem"}
    argv = [
        str(etcd),
        f"--data-dir={folder / 'data'}",
        f"--listen-client-urls=https://{NAMED}:2379,https://{UNNAMED}:2379",
        f"--advertise-client-urls=https://{NAMED}:2379",
        f"--listen-peer-urls=http://{NAMED}:2380",
        f"--initial-advertise-peer-urls=http://{NAMED}:2380",
        f"--initial-cluster=default=http://{NAMED}:2380",
        "--client-cert-auth",
        "--bcrypt-cost=4",
        "--logger=zap",
        "--log-outputs=stderr",
        *(f"--{name}={folder / file}" for name, file in files.items()),
    ]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(argv, cwd=folder, stdout=log, stderr=log)
    try:
        made = Secured(folder)
        until(lambda: ask(made.environment(), "auth/user/add", name="root", password=PASSWORD), (folder / "log").read_text)
        for call, body in (
            ("auth/role/add", {"name": "root"}),
            ("auth/user/grant", {"user": "root", "role": "root"}),
            ("auth/user/add", {"name": "guest", "password": PASSWORD}),
            ("auth/enable", {}),
        ):
            assert ask(made.environment(), call, **body)
        service = EtcdService(made.environment())
        until(lambda: judge_whole(service.view(GATE, {NODE: NAMED}), 1).held, lambda: f"{service.view(GATE, {NODE: NAMED})}")
        yield made
    finally:
        server.kill()
        server.wait(LIMIT_S)


def test_with_all_that_is_wanted_it_is_whole_and_writes_are_taken(secured: Secured) -> None:
    store = EtcdKv(GATE, [NAMED], secured.environment())
    assert store.put("p/1", "one")
    assert store.get("p/1") == "one"
    separate = secured.environment(MANAGEMENT="root", ETCDCTL_PASSWORD=PASSWORD)
    with pytest.raises(CloudFailed, match="user:password"):
        EtcdKv(GATE, [NAMED], {**separate, "ETCDCTL_PASSWORD": ""})
    assert EtcdKv(GATE, [NAMED], separate).get("p/1") == "one"
    assert EtcdKv(GATE, [NAMED], secured.environment(MANAGEMENT=f"root:{WRONG}")).put("p/1", "two") is False
    assert EtcdKv(GATE, [NAMED], secured.environment(MANAGEMENT=f"guest:{PASSWORD}")).put("p/1", "two") is False
    with pytest.raises(CloudFailed, match="ETCDCTL_CACERT names /nowhere"):
        EtcdKv(GATE, [NAMED], secured.environment(ETCDCTL_CACERT="/nowhere"))


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        ("", "wants a user, and MANAGEMENT is empty (403: etcdserver: permission denied)"),
        (f"root:{WRONG}", "denies the user in MANAGEMENT (400: etcdserver: authentication failed, invalid user ID or password)"),
        (f"guest:{PASSWORD}", "denies the user in MANAGEMENT (403: etcdserver: permission denied)"),
    ],
    ids=["missing", "wrong", "without the right"],
)
def test_a_user_that_is_missing_or_wrong(secured: Secured, user: str, reason: str) -> None:
    """F34, F49: what may not be asked is refused with the variable; the password is never shown."""
    with pytest.raises(CloudFailed) as caught:
        EtcdKv(GATE, [NAMED], secured.environment(MANAGEMENT=user)).get("p/1")
    assert reason in caught.value.what
    assert PASSWORD not in str(caught.value)
    assert WRONG not in str(caught.value)


def test_a_server_that_can_not_be_told_from_another_is_not_believed(secured: Secured) -> None:
    """F34: another CA, none at all, another name: each with the variable that mends it."""
    for authority in (str(secured.folder / "other/consul-agent-ca.pem"), ""):
        told = secured.told(ETCDCTL_CACERT=authority)
        assert told.startswith("its certificate is not trusted (")
        assert "ETCDCTL_CACERT" in told
    told = secured.told(address=UNNAMED)
    assert told.startswith("its certificate is for another name (")
    assert told.endswith(")")


def test_a_client_without_a_certificate_is_told_what_to_give(secured: Secured) -> None:
    told = secured.told(ETCDCTL_CERT="", ETCDCTL_KEY="")
    assert "refuses TLS" in told
    assert "ETCDCTL_CERT" in told


def test_a_certificate_with_a_name_is_refused_by_the_gateway_and_told(secured: Secured) -> None:
    files = {"CERT": "dc1-client-consul-0.pem", "KEY": "dc1-client-consul-0-key.pem"}
    told = secured.told(**{f"ETCDCTL_{name}": str(secured.folder / file) for name, file in files.items()})
    assert told == "takes no certificate with a CommonName at its gateway: ETCDCTL_CERT must name one without (400)"


def test_files_that_can_not_be_used_are_named(secured: Secured) -> None:
    empty = secured.folder / "empty.pem"
    empty.write_text("")
    for variable, file in (("ETCDCTL_CACERT", "/nowhere"), ("ETCDCTL_CACERT", str(empty)), ("ETCDCTL_CERT", str(empty))):
        assert secured.told(**{variable: file}).startswith(f"{variable} names {file}, which can't be used")
