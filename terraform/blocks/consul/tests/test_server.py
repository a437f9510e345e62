"""What a server has to be when it is back, for the gate `testinfra` (see docs/testinfra.md)."""


def test_the_image_is_the_one_that_was_rolled_out(host, node, root):
    assert host.file(f"{root}/etc/image-version").content_string.strip() == node.image_version


def test_each_data_volume_is_mounted_where_it_belongs(host, node):
    for volume in node.volumes:
        source = host.check_output("findmnt --noheadings --raw --output SOURCE --mountpoint %s", volume.mount)
        serial = host.check_output("lsblk --noheadings --nodeps --output SERIAL %s", source)
        assert serial.replace("-", "") == volume.volume_id.replace("-", "")


def test_the_server_is_a_member_of_its_cluster(host, node):
    members = host.check_output("consul members -status=alive -http-addr=%s", f"http://{node.address}:8500")
    assert node.address in members
