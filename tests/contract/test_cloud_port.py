"""The `Cloud` port: the same cases on the simulation's fake, and on boto3 against the lab's gateway."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.ec2 import FILTER_VALUES, Ec2
from immtf.errors import CloudFailed
from immtf.lab.gateway.orders import Fail, Order
from immtf.model.cloud import Attachment
from immtf.plan.faults import UNREACHABLE
from tests.contract.cloud_benches import KEYS, Bench, aws_of, opened, tags_of
from tests.contract.ec2_lab import REGION, Lab, serve
from tests.fakes.cloud import TAGS
from tests.fakes.runtime import FakeRuntime

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_INSTANCE, NO_VOLUME = "i-0fffffffffffffff0", "vol-0fffffffffffffff0"


@pytest.fixture(scope="module")
def served() -> Iterator[Lab]:
    with serve(FakeRuntime()) as lab:
        yield lab


@pytest.fixture(params=["fake", "ec2"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with opened(request.param) as bench:
        yield bench


@pytest.fixture(scope="module", params=["fake", "ec2"])
def still(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A bench that the tests only look at."""
    with opened(request.param) as bench:
        yield bench


def test_instances_are_told_with_what_decides(still: Bench) -> None:
    found = still.cloud.instances(still.instance.values())
    assert set(found) == set(still.instance.values())
    for key in KEYS:
        item = found[still.instance[key]]
        assert (item.instance_id, item.state, item.image_id) == (still.instance[key], "running", still.image)
        assert item.zone[-1] in "abc"
        assert item.address.count(".") == 3
        assert tags_of(key).items() <= item.tags.items()


def test_what_does_not_exist_is_absent_and_no_error_for_the_rest(still: Bench) -> None:
    assert set(still.cloud.instances([NO_INSTANCE, still.instance["a"]])) == {still.instance["a"]}
    assert set(still.cloud.volumes([still.volume["a"], NO_VOLUME])) == {still.volume["a"]}
    assert still.cloud.instances([]) == {}
    assert still.cloud.volumes([NO_VOLUME]) == {}


def test_more_ids_than_one_question_takes(still: Bench) -> None:
    instances = [f"i-{number:017x}" for number in range(2 * FILTER_VALUES + 50)] + list(still.instance.values())
    volumes = [f"vol-{number:017x}" for number in range(FILTER_VALUES)] + list(still.volume.values())
    assert set(still.cloud.instances(instances)) == set(still.instance.values())
    assert set(still.cloud.volumes(volumes)) == set(still.volume.values())


def test_a_volume_says_to_what_it_is_tied(still: Bench) -> None:
    (volume,) = still.cloud.volumes([still.volume["a"]]).values()
    assert volume.state == "in-use"
    (tie,) = volume.attachments
    assert tie == Attachment(still.instance["a"], "/dev/xvdf", "attached")
    assert volume.size_gib > 0
    assert volume.zone == still.cloud.instances([still.instance["a"]])[still.instance["a"]].zone


def test_instances_are_found_by_all_of_their_tags(still: Bench) -> None:
    assert {item.instance_id for item in still.cloud.tagged(TAGS)} == set(still.instance.values())
    assert [item.instance_id for item in still.cloud.tagged(tags_of("b"))] == [still.instance["b"]]
    assert list(still.cloud.tagged({**tags_of("b"), "immtf:environment": "another"})) == []


def test_an_instance_that_is_gone_is_not_found_by_its_tags(bench: Bench) -> None:
    bench.terminate("b")
    assert list(bench.cloud.tagged(tags_of("b"))) == []
    assert [item.state for item in bench.cloud.instances([bench.instance["b"]]).values()] in ([], ["terminated"])


def test_a_stop_is_answered_before_it_is_done_and_may_be_repeated(bench: Bench) -> None:
    with bench.slowly("stop"):
        bench.cloud.stop(bench.instance["a"])
        assert bench.cloud.instances([bench.instance["a"]])[bench.instance["a"]].state == "stopping"
        bench.cloud.stop(bench.instance["a"])
    bench.until("a", "stopped")
    bench.cloud.stop(bench.instance["a"])
    assert bench.cloud.instances([bench.instance["a"]])[bench.instance["a"]].state == "stopped"


def test_between_two_states_a_call_is_refused_with_its_code(bench: Bench) -> None:
    with bench.slowly("stop"):
        bench.cloud.stop(bench.instance["a"])
        with pytest.raises(CloudFailed) as caught:
            bench.cloud.start(bench.instance["a"])
        assert caught.value.code == "IncorrectInstanceState"
    with bench.slowly("boot"):
        with pytest.raises(CloudFailed) as caught:
            bench.cloud.stop(bench.launch())
        assert caught.value.code == "IncorrectInstanceState"


def test_a_stopped_instance_starts_with_its_volume(bench: Bench) -> None:
    bench.cloud.stop(bench.instance["a"])
    bench.until("a", "stopped")
    bench.cloud.start(bench.instance["a"])
    bench.until("a", "running")
    bench.cloud.start(bench.instance["a"])
    (volume,) = bench.cloud.volumes([bench.volume["a"]]).values()
    assert [tie.instance_id for tie in volume.attachments] == [bench.instance["a"]]


def test_a_volume_of_a_stopped_instance_is_detached(bench: Bench) -> None:
    bench.cloud.stop(bench.instance["a"])
    bench.until("a", "stopped")
    bench.cloud.detach(bench.volume["a"], bench.instance["a"])
    bench.volume_until("a", "available")
    assert bench.cloud.volumes([bench.volume["a"]])[bench.volume["a"]].attachments == ()
    with pytest.raises(CloudFailed) as caught:
        bench.cloud.detach(bench.volume["a"], bench.instance["a"])
    assert caught.value.code == "IncorrectState"


def test_a_detach_from_what_it_does_not_hang_on_is_refused(bench: Bench) -> None:
    for volume, instance, code in (
        (bench.volume["a"], bench.instance["b"], "InvalidAttachment.NotFound"),
        (NO_VOLUME, bench.instance["a"], "InvalidVolume.NotFound"),
    ):
        with pytest.raises(CloudFailed) as caught:
            bench.cloud.detach(volume, instance)
        assert caught.value.code == code
    assert bench.cloud.volumes([bench.volume["a"]])[bench.volume["a"]].attachments[0].state == "attached"


@pytest.mark.parametrize("call", ["stop", "start"])
def test_a_change_of_what_does_not_exist_is_an_error(bench: Bench, call: str) -> None:
    with pytest.raises(CloudFailed) as caught:
        getattr(bench.cloud, call)(NO_INSTANCE)
    assert caught.value.code == "InvalidInstanceID.NotFound"


def test_throttling_is_an_error_and_never_nothing(served: Lab) -> None:
    """F42: an answer that was not given must not read as an instance that is not there."""
    cloud = Ec2(aws_of(served))
    try:
        served.gateway.order(Order("ec2.DescribeInstances", Fail("RequestLimitExceeded", status=503), times=None))
        served.gateway.order(Order("ec2.DescribeVolumes", Fail("RequestLimitExceeded", status=503), times=None))
        for question in (
            lambda: cloud.instances([NO_INSTANCE]),
            lambda: cloud.volumes([NO_VOLUME]),
            lambda: cloud.tagged({"immtf:block": "consul"}),
        ):
            with pytest.raises(CloudFailed) as caught:
                question()
            assert caught.value.code == "RequestLimitExceeded"
    finally:
        served.gateway.clear_orders()


def test_throttling_that_passes_is_waited_for(served: Lab) -> None:
    """F42: botocore's back-off."""
    aws = aws_of(served, attempts=3)
    served.gateway.order(Order("ec2.DescribeInstances", Fail("RequestLimitExceeded", status=503), times=1))
    assert Ec2(aws).instances([NO_INSTANCE]) == {}
    assert aws.calls == {"ec2:DescribeInstances": 2}


def test_expired_credentials_say_what_to_renew(served: Lab) -> None:
    """F41."""
    served.gateway.order(Order("ec2.DescribeVolumes", Fail("RequestExpired", "the request has expired")))
    with pytest.raises(CloudFailed, match="RequestExpired") as caught:
        Ec2(aws_of(served)).volumes([NO_VOLUME])
    assert "renew the credentials" in caught.value.next


def test_an_api_that_can_not_be_reached_says_so() -> None:
    aws = aws_of(type("Nowhere", (), {"url": "http://127.0.0.1:9"})())  # the port "discard": nobody listens
    with pytest.raises(CloudFailed, match="could not be reached") as caught:
        Ec2(aws).instances([NO_INSTANCE])
    assert caught.value.code == UNREACHABLE
    assert caught.value.next.startswith("look at the network")


ASK = """
from immtf.adapters.aws import Aws
from immtf.adapters.ec2 import Ec2
from immtf.errors import CloudFailed
try:
    Ec2(Aws(region={region!r}, attempts=1)).instances(["i-0"])
except CloudFailed as error:
    print(error.code, error, sep="|")
"""


@pytest.mark.parametrize(
    ("environment", "region", "code", "advice"),
    [
        ({}, REGION, "NoCredentials", "set AWS_PROFILE"),
        ({"AWS_PROFILE": "no-such"}, REGION, "NoCredentials", "set AWS_PROFILE"),
        ({"AWS_ACCESS_KEY_ID": "half"}, REGION, "NoCredentials", "set AWS_PROFILE"),
        ({"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}, None, "NoRegion", "set AWS_REGION"),
    ],
)
def test_what_boto_lacks_is_said_with_the_way_to_give_it(environment: dict[str, str], region: str | None, code: str, advice: str) -> None:
    """In a process of its own: boto3 looks into the environment itself."""
    clean = {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/nowhere",
        "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
        "HOME": "/nowhere",
    }
    done = subprocess.run(
        [sys.executable, "-c", ASK.format(region=region)], env=clean | environment, capture_output=True, text=True, timeout=60, check=True
    )
    told, _, sentence = done.stdout.partition("|")
    assert told == code, done.stdout
    assert advice in sentence


def test_the_lab_is_reached_past_a_proxy(served: Lab) -> None:
    """A machine behind a proxy has it in its environment; the lab's loopback addresses are none of its business."""
    script = ASK.replace("Aws(region={region!r}, attempts=1)", "Aws({region!r}, {url!r}, 'lab', 'lab', attempts=1)") + "\nprint('asked')"
    done = subprocess.run(
        [sys.executable, "-c", script.format(region=REGION, url=served.url)],
        env={"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9", "HOME": "/nowhere"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "asked\n"
