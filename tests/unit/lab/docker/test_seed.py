from __future__ import annotations

import json

from immtf.lab.docker.seed import FOLDER, files, host_name
from immtf.lab.runtime import InstanceSpec

KEY = "ssh-ed25519 AAAA me@here"


def test_a_seed_says_who_the_instance_is_and_who_may_log_in() -> None:
    spec = InstanceSpec("i-0abc", "ami-1", "10.9.0.11", "eu-central-1a", b"#!/bin/sh\ntrue\n", public_key=KEY)
    seed = files(spec)
    assert json.loads(seed[f"{FOLDER}/meta-data"]) == {
        "instance-id": "i-0abc",
        "local-hostname": "ip-10-9-0-11",
        "local-ipv4": "10.9.0.11",
        "availability-zone": "eu-central-1a",
        "public-keys": [KEY],
    }
    assert seed[f"{FOLDER}/user-data"] == b"#!/bin/sh\ntrue\n"
    assert host_name("10.9.0.11") == "ip-10-9-0-11"


def test_what_an_earlier_instance_of_the_disk_had_is_written_over() -> None:
    seed = files(InstanceSpec("i-0abd", "ami-1", "10.9.0.12", "eu-central-1a"))
    assert seed[f"{FOLDER}/user-data"] == b""
    assert json.loads(seed[f"{FOLDER}/meta-data"])["public-keys"] == []
