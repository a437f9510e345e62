from __future__ import annotations

from immtf.lab.gateway.launch import addressed, fixed_addresses, without_address, written_out


def test_the_primary_interface_goes_with_its_instance() -> None:
    full = written_out({"SubnetId": "subnet-1", "PrivateIpAddress": "127.9.10.11", "SecurityGroupId.1": "sg-1", "MaxCount": "1"})
    assert full == {
        "MinCount": "1",
        "MaxCount": "1",
        "SecurityGroupId.1": "sg-1",
        "NetworkInterface.1.DeviceIndex": "0",
        "NetworkInterface.1.SubnetId": "subnet-1",
        "NetworkInterface.1.PrivateIpAddress": "127.9.10.11",
        "NetworkInterface.1.DeleteOnTermination": "true",
    }


def test_what_was_said_of_the_interface_stays() -> None:
    said = {"NetworkInterface.1.DeviceIndex": "0", "NetworkInterface.1.SubnetId": "s", "NetworkInterface.1.DeleteOnTermination": "false"}
    assert written_out(said) == said | {"MinCount": "1"}


def test_an_interface_that_exists_already_is_kept() -> None:
    said = {"NetworkInterface.1.DeviceIndex": "0", "NetworkInterface.1.NetworkInterfaceId": "eni-1"}
    assert written_out(said) == said | {"MinCount": "1"}


def test_interfaces_without_a_primary_one_are_left_to_the_backend() -> None:
    said = {"NetworkInterface.1.DeviceIndex": "1", "NetworkInterface.1.SubnetId": "s"}
    assert written_out(said) == said | {"MinCount": "1"}


def test_the_root_disk_is_there_beside_others_and_goes_with_its_instance() -> None:
    full = written_out({"BlockDeviceMapping.1.DeviceName": "/dev/xvdg", "BlockDeviceMapping.1.Ebs.VolumeSize": "2"})
    root = {name: value for name, value in full.items() if name.startswith("BlockDeviceMapping.2")}
    assert root == {
        "BlockDeviceMapping.2.DeviceName": "/dev/sda1",
        "BlockDeviceMapping.2.Ebs.DeleteOnTermination": "true",
        "BlockDeviceMapping.2.Ebs.VolumeSize": "8",
    }


def test_a_root_disk_that_was_asked_for_keeps_what_was_said() -> None:
    said = {
        "BlockDeviceMapping.1.DeviceName": "/dev/sda1",
        "BlockDeviceMapping.1.Ebs.DeleteOnTermination": "false",
        "BlockDeviceMapping.1.Ebs.SnapshotId": "snap-1",
    }
    assert said.items() <= written_out(said).items()
    assert "BlockDeviceMapping.1.Ebs.VolumeSize" not in written_out(said)


def test_as_many_as_may_be_are_made() -> None:
    assert written_out({"MinCount": "1", "MaxCount": "3"})["MinCount"] == "3"


def test_the_choice_of_an_address_is_left_to_the_cloud_where_a_subnet_is_named_and_no_address() -> None:
    assert without_address({"SubnetId": "s"}) == "s"
    assert without_address({"NetworkInterface.1.DeviceIndex": "0", "NetworkInterface.1.SubnetId": "s"}) == "s"
    assert without_address({"SubnetId": "s", "PrivateIpAddress": "a"}) == ""
    assert without_address({"ImageId": "ami-1"}) == ""


def test_an_instance_is_given_the_address_that_was_chosen() -> None:
    full = addressed({"SubnetId": "s", "MinCount": "2", "MaxCount": "3"}, "a")
    assert full == {
        "MinCount": "1",
        "MaxCount": "1",
        "NetworkInterface.1.DeviceIndex": "0",
        "NetworkInterface.1.SubnetId": "s",
        "NetworkInterface.1.DeleteOnTermination": "true",
        "NetworkInterface.1.PrivateIpAddress": "a",
    }


def test_fixed_addresses_are_found_where_they_may_stand() -> None:
    assert list(fixed_addresses({"SubnetId": "s", "PrivateIpAddress": "a"})) == [("s", "a")]
    nested = {
        "NetworkInterface.1.DeviceIndex": "0",
        "NetworkInterface.1.SubnetId": "s",
        "NetworkInterface.1.PrivateIpAddresses.1.PrivateIpAddress": "b",
    }
    assert list(fixed_addresses(nested)) == [("s", "b")]
    assert list(fixed_addresses({"SubnetId": "s"})) == []
