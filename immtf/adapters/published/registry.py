"""Blocks in the images of a registry, by the labels that `immtf image block` gives them: the OCI distribution API, read only.

`registry:HOST/NAME` asks the host itself, over TLS, or plainly on this very machine. What is behind a login is asked for with the token
that the registry gives anybody; one that wants a password is told so. Every answer is checked against the digest that names it.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin, urlsplit

from immtf.adapters.exchange import FAILURES, exchange
from immtf.adapters.published.found import Found, sorted_out
from immtf.errors import ImmtfError, UsageError
from immtf.model.published import Place, Published, Unread
from immtf.plan.tags import labelled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from immtf.adapters.exchange import Reply

LIMIT_S = 30.0
MOST = 4 << 20  # bytes of an answer; the protocol's own limit for a manifest
HOPS = 3
PAGES = 100
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
_INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_NEXT = re.compile(r'<([^>]+)>\s*;\s*rel="?next"?')
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_OK, _UNAUTHORIZED, _NOT_FOUND = 200, 401, 404


def in_registry(place: Place) -> Found:
    """Return the blocks in the images of a name. Raises `ImmtfError` where the registry can't be asked, `UsageError` for no such name."""
    images = _Images(place.where)
    best: dict[str, Published | Unread] = {}
    for tag in images.tags():
        digest, one = images.read(tag)
        exact = isinstance(one, Published) and tag == one.version
        if one is not None and (exact or digest not in best):
            best[digest] = one
    found = sorted_out(best.values())
    return found if not found.is_empty else Found(remark=f"no image of {place} has a block in it")


class _Images:
    """The images of one name in a registry."""

    def __init__(self, name: str) -> None:
        host, slash, self._path = name.partition("/")
        if not slash or not self._path or not host:
            raise UsageError(
                f"`{name}` names no host", where="--published", next="write registry:HOST/NAME, or image:NAME for this machine's"
            )
        scheme = "http" if urlsplit(f"//{host}").hostname in _HERE else "https"
        self._name = name
        self._root = f"{scheme}://{host}/v2/"
        self._token = ""

    def tags(self) -> Iterator[str]:
        """Go through the tags, page by page."""
        url = urljoin(self._root, f"{self._path}/tags/list?n=1000")
        for _page in range(PAGES):
            reply = self._get(url)
            yield from (str(tag) for tag in _object(reply.body, self._name).get("tags") or ())
            more = _NEXT.search(reply.headers.get("Link") or "")
            if more is None:
                return
            url = self._own(urljoin(url, more[1]))
        raise ImmtfError(f"its list of tags has over {PAGES} pages", where=self._name)

    def read(self, tag: str) -> tuple[str, Published | Unread | None]:
        """Return the digest that a tag leads to on this kind of machine, and what that image publishes."""
        place = Place("registry", self._name, tag)
        try:
            digest, manifest = self._manifest(tag)
            if "manifests" in manifest:
                digest, manifest = self._manifest(_chosen(manifest["manifests"]))
            wanted = str(manifest["config"]["digest"])
            body = self._get(urljoin(self._root, f"{self._path}/blobs/{wanted}")).body
            if _digest(body) != wanted:
                return digest, Unread(str(place), "its configuration is not what its digest says")
            labels = (_object(body, str(place)).get("config") or {}).get("Labels") or {}
        except (KeyError, TypeError, AttributeError, IndexError):  # an answer of another shape
            return tag, Unread(str(place), "is no image that can be read")
        return digest, labelled(labels, place, digest)

    def _manifest(self, reference: str) -> tuple[str, Mapping[str, Any]]:
        reply = self._get(urljoin(self._root, f"{self._path}/manifests/{reference}"), accept=", ".join((*_MANIFESTS, *_INDEXES)))
        digest = _digest(reply.body)
        told = reply.headers.get("Docker-Content-Digest") or digest
        if told != digest or (reference.startswith("sha256:") and reference != digest):
            raise ImmtfError(f"the manifest of {reference} is not what its digest says", where=self._name)
        return digest, _object(reply.body, self._name)

    def _own(self, url: str) -> str:
        """Refuse another host in place of this one."""
        if not url.startswith(self._root):
            raise ImmtfError(f"its list of tags goes on elsewhere: {url}", where=self._name)
        return url

    def _get(self, url: str, *, accept: str = "application/json, */*") -> Reply:
        """Return the answer, asked for again with a token where the registry wants one, and from where it sends."""
        reply = self._ask(url, accept)
        if reply.status == _UNAUTHORIZED and not self._token:
            self._token = self._anybodys(reply.headers.get("WWW-Authenticate") or "")
            reply = self._ask(url, accept)
        for _hop in range(HOPS):
            if reply.status not in {301, 302, 303, 307, 308}:
                break
            url = urljoin(url, reply.headers.get("Location") or "")
            reply = self._ask(url, accept)
        if reply.status != _OK or not reply.whole:
            raise self._refused(reply, url)
        return reply

    def _ask(self, url: str, accept: str) -> Reply:
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in _HERE:
            raise ImmtfError(f"sends to a place without TLS: {url}", where=self._name)
        own = {"Authorization": f"Bearer {self._token}"} if self._token and url.startswith(self._root) else {}
        try:
            return exchange("GET", url, timeout_s=LIMIT_S, read_at_most=MOST, headers={"Accept": accept, **own})
        except FAILURES as error:
            way = "is the host right? For images that are on this machine: image:NAME"
            raise ImmtfError(f"the registry does not answer: {error}", where=url.partition("?")[0], next=way) from error

    def _anybodys(self, challenge: str) -> str:
        """Return the token that anybody gets."""
        told = dict(_CHALLENGE.findall(challenge))
        if not challenge.lower().startswith("bearer") or "realm" not in told:
            raise ImmtfError("the registry wants a password", where=self._name, next="pull the images and name them as image:NAME")
        query = urlencode({"service": told.get("service", ""), "scope": told.get("scope") or f"repository:{self._path}:pull"})
        reply = self._ask(f"{told['realm']}?{query}", "application/json")
        data = _object(reply.body, self._name) if reply.status == _OK else {}
        token = str(data.get("token") or data.get("access_token") or "")
        if not token:
            raise ImmtfError(
                "the registry gives no token without a password", where=self._name, next="pull the images and name them as image:NAME"
            )
        return token

    def _refused(self, reply: Reply, url: str) -> ImmtfError:
        if reply.status == _NOT_FOUND and "/tags/list" in url:
            return UsageError("the registry has no such image", where=self._name, next="name it as in `docker pull HOST/NAME`")
        what = f"the registry answered {reply.status}" if reply.whole else "the registry's answer is too large"
        return ImmtfError(what, where=url.partition("?")[0], next="pull the images and name them as image:NAME")


def _chosen(manifests: Any) -> str:
    """Return the digest of the image for this kind of machine, else of the first that is for any."""
    machine = _MACHINES.get(platform.machine(), platform.machine())
    images = [row for row in manifests if (row.get("platform") or {}).get("architecture") != "unknown"]
    own = [row for row in images if (row.get("platform") or {}).get("architecture") == machine]
    return str([*own, *images][0]["digest"])


def _digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _object(body: bytes, where: str) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ImmtfError("the registry's answer is no JSON object", where=where)
    return found
