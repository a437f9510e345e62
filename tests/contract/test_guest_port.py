"""The `Guest` port: the same cases on the simulation's fake and on SSM, as the lab serves it, with scripts that really run."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from werkzeug.serving import make_server

from immtf.adapters.aws import Aws
from immtf.adapters.clock import Signals, WallClock
from immtf.adapters.ssm import LEAST_TIMEOUT_S, Ssm
from immtf.errors import CloudFailed, GuestFailed
from immtf.lab.ssm import Ssm as LabSsm
from immtf.model.guest import Mark
from immtf.plan.facts import facts_script, mark_script, parse_facts
from tests.contract.runtime_benches import DATA, MOUNTS, ProcessBench, make_spec
from tests.fakes.clock import VirtualClock
from tests.fakes.guest import FakeGuest
from tests.fakes.simulation import MOUNT
from tests.fakes.world import make_scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from immtf.run.ports import Guest

LIMIT_S = 30.0


class Bench(Protocol):
    """An instance that runs with its volume mounted, and one that is stopped."""

    guest: Guest
    up: str
    down: str
    volume: str
    mount: str

    def filesystem(self) -> str:
        """Return the identity of the filesystem on the volume."""


class FakeBench:
    """The simulation."""

    def __init__(self) -> None:
        self.sim = make_scene(3, marked=False).sim
        self.guest: Guest = FakeGuest(self.sim)
        (up,), (down,) = self.sim.live("a"), self.sim.live("b")
        self.up, self.down, self.mount = up.instance_id, down.instance_id, MOUNT
        self.volume = next(item.volume_id for item in self.sim.volumes.values() if item.owner == self.up)
        self.sim.stop(down)
        self.sim.clock.sleep(60)

    def filesystem(self) -> str:
        return self.sim.volumes[self.volume].filesystem


class SsmBench:
    """boto3 against the lab's SSM in front of real processes."""

    def __init__(self, bench: ProcessBench, url: str) -> None:
        self._bench = bench
        self.aws = Aws(region="eu-west-1", endpoint=url, access_key="lab", secret_key="lab", attempts=1)
        self.guest: Guest = Ssm(self.aws, WallClock(Signals()))
        self.up, self.down, self.volume, self.mount = "i-1", "i-2", "vol-0abc", DATA

    def filesystem(self) -> str:
        return self._bench.sh(f"findmnt --noheadings --raw --output UUID --mountpoint {DATA}").strip()


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SsmBench]:
    bench = ProcessBench(tmp_path_factory.mktemp("guest"))
    bench.image(mounts=MOUNTS, services=[])
    bench.runtime.create_volume("vol-0abc")
    bench.runtime.boot(make_spec("i-1", address="127.254.20.11"))
    bench.runtime.attach("vol-0abc", "i-1", "/dev/xvdf")
    bench.runtime.boot(make_spec("i-2", address="127.254.20.12"))
    bench.runtime.stop("i-2")
    bench.mounted("vol-0abc", "i-1")
    server = make_server("127.0.0.1", 0, LabSsm(bench.runtime, clock=time.time), threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield SsmBench(bench, f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join(LIMIT_S)
    server.server_close()
    bench.runtime.close()


@pytest.fixture(scope="module", params=["fake", "ssm"])
def bench(request: pytest.FixtureRequest) -> Bench:
    made: Bench = FakeBench() if request.param == "fake" else request.getfixturevalue("real")
    return made


def test_facts_are_read_then_the_mark_is_written_once(bench: Bench) -> None:
    code, output, _ = bench.guest.run(bench.up, facts_script([bench.mount]), timeout_s=LIMIT_S)
    mount = parse_facts(output, [bench.mount]).mount(bench.mount)
    assert (code, mount is not None and mount.mounted) == (0, True)
    assert mount is not None
    assert mount.serial == bench.volume.replace("-", "")
    assert (mount.filesystem, mount.mark) == (bench.filesystem(), None)
    mark = Mark("consul", "server", "a", bench.volume, mount.filesystem)
    assert bench.guest.run(bench.up, mark_script(bench.mount, mark), timeout_s=LIMIT_S)[0] == 0
    _, output, _ = bench.guest.run(bench.up, facts_script([bench.mount]), timeout_s=LIMIT_S)
    seen = parse_facts(output, [bench.mount]).mount(bench.mount)
    assert seen is not None
    assert seen.mark == mark
    assert bench.guest.run(bench.up, mark_script(bench.mount, mark), timeout_s=LIMIT_S)[0] != 0, "a mark is never written over"


def test_a_place_where_nothing_is_mounted(bench: Bench) -> None:
    code, output, _ = bench.guest.run(bench.up, facts_script(["/srv/nothing"]), timeout_s=LIMIT_S)
    mount = parse_facts(output, ["/srv/nothing"]).mount("/srv/nothing")
    assert code == 0
    assert mount is not None
    assert not mount.mounted


@pytest.mark.parametrize("which", ["down", "none"])
def test_an_instance_that_can_not_be_reached_says_so(bench: Bench, which: str) -> None:
    instance_id = bench.down if which == "down" else "i-0fffffffffffffff0"
    with pytest.raises(GuestFailed) as caught:
        bench.guest.run(instance_id, facts_script([bench.mount]), timeout_s=LIMIT_S)
    assert caught.value.where == instance_id


def test_many_are_asked_at_once_and_who_can_t_be_reached_spoils_nothing(bench: Bench) -> None:
    script = facts_script([bench.mount])
    alone = bench.guest.run(bench.up, script, timeout_s=LIMIT_S)
    assert bench.guest.run_on([bench.up], script, timeout_s=LIMIT_S) == {bench.up: alone}
    answers = bench.guest.run_on([bench.up, bench.down], script, timeout_s=LIMIT_S)
    assert answers[bench.up] == alone
    failed = answers[bench.down]
    assert isinstance(failed, GuestFailed)
    assert failed.where == bench.down


def test_a_long_answer_of_many_is_whole(real: SsmBench) -> None:
    """The list of invocations gives 2,500 characters of each."""
    assert real.guest.run_on(["i-1"], "seq 1 2000", timeout_s=LIMIT_S) == {"i-1": (0, "".join(f"{n}\n" for n in range(1, 2001)), "")}
    assert real.guest.run_on(["i-1"], "echo no >&2; exit 3", timeout_s=LIMIT_S) == {"i-1": (3, "", "no\n")}
    (late,) = real.guest.run_on(["i-1"], "sleep 60", timeout_s=1).values()
    assert isinstance(late, GuestFailed)


def test_a_script_s_exit_code_output_and_errors(real: SsmBench) -> None:
    assert real.guest.run("i-1", "echo out; echo err >&2; exit 7", timeout_s=LIMIT_S) == (7, "out\n", "err\n")
    assert real.guest.run("i-1", "true", timeout_s=LIMIT_S) == (0, "", "")


def test_a_script_that_takes_too_long_is_no_answer(real: SsmBench) -> None:
    with pytest.raises(GuestFailed, match="ended as") as caught:
        real.guest.run("i-1", "echo begun; sleep 60", timeout_s=1)
    assert caught.value.where == "i-1"


def test_a_limit_below_one_second_is_rounded_up(real: SsmBench) -> None:
    assert real.guest.run("i-1", "sleep 0.3; echo done", timeout_s=0.2)[:2] == (0, "done\n")


class Scripted:
    """A client that SSM's answers are scripted for; each answer is given once, the last one for ever."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0

    def send_command(self, **_: Any) -> dict[str, Any]:
        return {"Command": {"CommandId": "c-1"}}

    def get_command_invocation(self, **_: Any) -> dict[str, Any]:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class ScriptedAws:
    """Gives that client for any service."""

    def __init__(self, client: Scripted) -> None:
        self._client = client

    def client(self, _service: str) -> Any:
        return self._client


def refusal(code: str) -> Exception:
    from botocore.exceptions import ClientError

    return ClientError({"Error": {"Code": code, "Message": "scripted"}}, "GetCommandInvocation")


def answer(status: str, code: int = 0, **more: Any) -> dict[str, Any]:
    return {"Status": status, "ResponseCode": code, "StandardOutputContent": "said", "StandardErrorContent": "", **more}


def asked(*answers: dict[str, Any] | Exception) -> tuple[Scripted, VirtualClock, Callable[[], tuple[int, str, str]]]:
    client, clock = Scripted(*answers), VirtualClock()
    guest = Ssm(ScriptedAws(client), clock)  # type: ignore[arg-type]  # all that it asks of it is a client
    return client, clock, lambda: guest.run("i-1", "true", timeout_s=10)


def test_a_command_is_asked_for_until_it_has_ended() -> None:
    """Right after it was sent AWS may not know it yet."""
    client, _, run = asked(refusal("InvocationDoesNotExist"), answer("Pending", -1), answer("InProgress", -1), answer("Success"))
    assert run() == (0, "said", "")
    assert client.asked == 4


def test_a_command_that_never_answers_is_given_up() -> None:
    _, clock, run = asked(answer("InProgress", -1))
    with pytest.raises(GuestFailed, match="no answer within 40 s"):
        run()
    assert 10 + LEAST_TIMEOUT_S <= clock.now < 50


@pytest.mark.parametrize(
    ("last", "told"),
    [
        (answer("TimedOut", -1, StatusDetails="DeliveryTimedOut"), "DeliveryTimedOut"),
        (answer("Failed", -1, StatusDetails="Undeliverable"), "Undeliverable"),
        (answer("Cancelled", -1), "Cancelled"),
    ],
)
def test_a_script_that_never_ran_is_no_exit_code(last: dict[str, Any], told: str) -> None:
    _, _, run = asked(last)
    with pytest.raises(GuestFailed, match=f"ended as {told}"):
        run()


def test_throttling_on_the_way_is_an_error_of_the_cloud() -> None:
    _, _, run = asked(refusal("ThrottlingException"))
    with pytest.raises(CloudFailed) as caught:
        run()
    assert caught.value.code == "ThrottlingException"


def test_expired_credentials_are_no_matter_of_the_instance(tmp_path: Path) -> None:
    """The failing call is `SendCommand`: it must not read as an agent that is not there."""
    del tmp_path
    client = Scripted(answer("Success"))
    client.send_command = lambda **_: (_ for _ in ()).throw(refusal("ExpiredTokenException"))  # type: ignore[method-assign]
    with pytest.raises(CloudFailed) as caught:
        Ssm(ScriptedAws(client), VirtualClock()).run("i-1", "true", timeout_s=10)  # type: ignore[arg-type]
    assert "renew the credentials" in caught.value.next
