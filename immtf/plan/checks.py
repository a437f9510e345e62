"""Every check that can stop a run, by name: what it guards, whether a person may let it pass, and why (not).

A check's id stands in brackets in the message of what it refused. `--allow=ID --reason TEXT` lets that one check pass, for one
run, and is kept in the journal; everything else is judged as ever. What guards data or quorum is a hard rule: there is no wish
under which it should pass, so it can't be named. A test holds this list against the code: no check without a row, no row without
a check.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING

from immtf.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from immtf.model.block import Block


@dataclass(frozen=True, slots=True)
class Check:
    """A check: its id, what it guards, whether `--allow` may name it, and why."""

    id: str
    guards: str
    overridable: bool
    why: str


def _hard(name: str, guards: str, why: str) -> Check:
    return Check(name, guards, overridable=False, why=why)


def _soft(name: str, guards: str, why: str) -> Check:
    return Check(name, guards, overridable=True, why=why)


RULES = (
    _hard("plan-errored", "a plan that failed is not applied", "what it would do is not known"),
    _hard("volume-deleted", "no data volume is deleted, replaced or forgotten", "its data would be gone"),
    _hard("volume-made-anew", "a node that has data gets no empty volume", "the node would serve an empty disk"),
    _hard("volume-lost", "every volume that the state names is there", "its data have to be found first"),
    _hard("volume-elsewhere", "a node's volume is on its own instance or on none", "someone else may be writing to it"),
    _hard("volume-in-use", "no volume is detached from a running instance", "what is being written would be torn"),
    _hard("attachment-destroyed", "no attachment goes while its instance runs", "what is being written would be torn"),
    _hard("data-disk", "no data disk goes with its instance", "its data would be gone"),
    _hard("zone", "an instance stays in its volumes' availability zone", "the volume could not be attached to it"),
    _hard("rehomed", "a volume stays with its node", "a node would serve another node's data"),
    _hard("volumes", "the same volumes and filesystems are on the new instance", "nothing else proves that the data came back"),
    _hard("unmarked", "no volume lost the mark of its data", "the data may be gone; a person looks, then says --accept-unmarked NODE"),
    _hard(
        "blank", "no volume is formatted but one that never held data", "what stood on it may be found again as long as nobody writes to it"
    ),
    _soft(
        "snapshot", "a snapshot stands before a volume is moved", "right where the account can't take one now, and another backup stands"
    ),
    _hard("other-node", "a node's step touches no other node", "two nodes would be away at once"),
    _hard("node-in-shared", "what belongs to no node touches no node", "nodes would go all at once, without their gates"),
    _hard("node-removed", "an upgrade removes no node", "its volume and its vote would go with it"),
    _hard("node-exists", "`create` changes no node that is there", "`upgrade` changes it, one node at a time"),
    _hard("running-instance", "no instance is destroyed before it was stopped", "its volume would be torn from it"),
    _hard("create-before-destroy", "one instance at a time wants a node's volume", "both can't have it"),
    _hard("stray-instance", "no second instance is made for a node", "two servers would share one identity"),
    _hard("no-instance", "what is to be started is there", "there is nothing to start"),
    _hard("interface-deleted", "a node keeps its network interface", "the others know it by that address"),
    _hard("interface-moves", "a node's network interface stays where the node serves", "the node would be cut off"),
    _hard("interface-lost", "a node's network interface is there", "its address has to be found first"),
    _hard("interface-elsewhere", "a node's network interface is on its own instance or on none", "someone else may be answering for it"),
    _hard("slot-alone", "a second instance is made, or taken away again, alone", "the node serves meanwhile, and stays untouched"),
    _hard("slot-ready", "the new instance is up before anything moves to it", "the node would be away for its boot, or for good"),
    _hard("slot-in-use", "no instance that has a node's volumes is taken away", "its data would be torn from it"),
    _hard("moved", "no node changes its address in Terraform in a run", "under two names one node would be counted as two"),
    _hard("moves-only", "where moves are recorded nothing else happens", "the plan that was shown says nothing of it"),
    _hard("deposed", "what an interrupted replacement left is gone", "the next apply would destroy it, and it may hold the data"),
    _hard("not-a-delete", "a destroy only deletes", "it would leave something behind"),
    _hard("spare", "all other nodes are whole before one is taken away", "a second node would be away, and quorum perhaps lost"),
    _hard("quorum", "no more nodes are away than quorum allows", "the cluster could not accept a write any more"),
    _hard("image-missing", "the image is there, and this account may use it", "no instance can be made from it"),
    _hard("image-root", "the image starts from an EBS volume", "its instances can't be stopped, so no volume could be detached in safety"),
    _hard(
        "requires-version",
        "other blocks are of versions that this one accepts",
        "where the range is wrong, the block's file is mended for all",
    ),
    _soft(
        "requires-unknown",
        "the versions of the blocks that this one needs are known",
        "right where a block is there and can't publish its version yet",
    ),
    _hard("producer-absent", "the blocks that this one requires are deployed", "there is nothing that it could stand on"),
    _hard(
        "producer-output",
        "the outputs that are used of other blocks are there, and of their type",
        "Terraform would fail on them half-way, or make something wrong of them",
    ),
    _hard(
        "producer-variable",
        "what other blocks publish goes into variables that are declared for it",
        "a value would be passed over, or a secret shown; the variable is mended in the file or in the HCL",
    ),
    _hard("consumer-deployed", "no block is destroyed that a deployed block requires", "the other would stand on nothing; it goes first"),
    _hard(
        "consumer-version",
        "a block isn't upgraded past what a deployed block accepts of it",
        "the deployed block would run on what it says it can't run on; a version of it that accepts both goes first",
    ),
    _soft(
        "consumer-unknown",
        "what the deployed blocks require is known, where a version changes that they may require",
        "right where a block can't publish yet what it requires, or where the states can't be listed and a person looked",
    ),
    _hard(
        "upgrade-order",
        "after every step of an upgrade of many blocks each accepts what it requires",
        "in between, a block would run on what it says it can't run on; a version in between makes an order",
    ),
    _soft("image-architecture", "the image is of the present instances' architecture", "right where the instance type changes with it"),
    _soft("data-format", "an old image gets only data that it can read", "right where a tag is wrong, and a person knows better"),
    _soft("shared-change", "a node's step changes nothing that is shared", "right where it can't be applied on its own"),
    _soft("create-destroys", "`create` takes nothing away", "right after a `create` that was cut off; nodes and volumes stay guarded"),
)
_AGAIN = "right where the gate asks for what the new version doesn't have; the next node is still asked for as `spare`"
GATES = (
    _hard("mounted", "every volume is attached, mounted and the node's own", "nothing else proves that the data came back"),
    _soft("consul", "the node is back in a whole cluster", _AGAIN),
    _soft("etcd", "the member is back in a whole cluster", _AGAIN),
    _soft("http", "a page of the node answers", _AGAIN),
    _soft("tcp", "a port of the node answers", _AGAIN),
    _soft("command", "a script on the node ends well", _AGAIN),
    _soft("testinfra", "your own tests of the node pass", _AGAIN),
)
_BY_KIND = {check.id: check for check in GATES}
_BY_ID = {check.id: check for check in RULES}


@dataclass(frozen=True, slots=True)
class Overrides:
    """The checks that a person lets pass in this run, with the reason given for each; none by default."""

    reasons: Mapping[str, str] = field(default_factory=dict)

    def reason(self, check: str) -> str | None:
        """Return why this check may be passed over, or None where it may not: a hard rule never, whatever stands here."""
        return self.reasons.get(check) if may_override(check) else None

    def without(self, check: str) -> Overrides:
        """Return these without the one check."""
        return Overrides({name: reason for name, reason in self.reasons.items() if name != check})


def may_override(check: str) -> bool:
    """Return whether a person may let this check pass; a gate's id begins with its kind. What isn't known may not."""
    found = _BY_ID.get(check) or _BY_KIND.get(check.partition(":")[0])
    return found is not None and found.overridable


def checks_of(*blocks: Block) -> tuple[Check, ...]:
    """Return every check with the gates of these blocks by their own ids; without a block, the kinds of gates."""
    if not blocks:
        return (*RULES, *GATES)
    ids = dict.fromkeys(gate.id for block in blocks for cluster in block.clusters.values() for gate in cluster.gates)
    named = [(name, _BY_KIND[name.partition(":")[0]]) for name in ids]
    return (*RULES, *(Check(name, kind.guards, kind.overridable, kind.why) for name, kind in named))


def allow(ids: Sequence[str], reason: str | None, checks: Sequence[Check]) -> Overrides:
    """Return the overrides that `--allow` and `--reason` ask for.

    Raises `UsageError` for an id that isn't among `checks`, for a hard rule, and where no reason is given.
    """
    known = {check.id: check for check in checks}
    for name in ids:
        if name not in known:
            raise _unknown(name, checks)
        if not known[name].overridable:
            what = f"`{name}` is a hard rule ({known[name].guards}): {known[name].why}"
            raise UsageError(what, where="--allow", next="mend what it names; nothing overrides a hard rule")
    if ids and not (reason or "").strip():
        raise UsageError(
            "--allow needs a reason, for the journal", where="--allow", next='add --reason "why this check may be passed over"'
        )
    return Overrides(dict.fromkeys(ids, (reason or "").strip()))


def named(check: str) -> str:
    """Return the check's id as it stands before what it refused; "" where there is none."""
    return f"[{check}] " if check else ""


def way_past(check: str) -> str:
    """Return the half sentence that tells how a check is let pass; "" for a hard rule."""
    return f'; where it may be passed over, add --allow={check} --reason "why"' if may_override(check) else ""


def _unknown(name: str, checks: Sequence[Check]) -> UsageError:
    near = get_close_matches(name, [check.id for check in checks], n=1) or [check.id for check in checks if check.id.startswith(f"{name}:")]
    meant = f"; did you mean `{near[0]}`?" if near else ""
    allowed = ", ".join(check.id for check in checks if check.overridable)
    return UsageError(
        f"there is no check `{name}`{meant}", where="--allow", next=f"those that may be allowed: {allowed}; `immtf checks` shows all"
    )
