"""A real Consul server in a guest."""

from __future__ import annotations

import os
from pathlib import Path

from immtf.lab.toolchain import Cache, Toolchain, cache_directory
from tests.contract.runtime_benches import ProcessBench, eventually, make_spec

OPTIONS = ["agent", "-server", "-bootstrap", "-data-dir", "{root}/var/lib/data", "-bind", "{address}", "-client", "{address}"]


def test_a_server_keeps_what_was_written_when_its_node_is_made_anew(tmp_path: Path) -> None:
    bench = ProcessBench(tmp_path)
    program = Toolchain(Cache(cache_directory(os.environ, Path.home())), os.environ).ready().consul
    consul = f"export CONSUL_HTTP_ADDR=127.254.10.11:8500; {program} "
    try:
        bench.image(services=[{"name": "consul", "after": ["/var/lib/data"], "command": [str(program), *OPTIONS]}])
        bench.runtime.create_volume("vol-1")
        for instance_id in ("i-1", "i-2"):
            bench.runtime.boot(make_spec(instance_id))
            bench.runtime.attach("vol-1", instance_id, "/dev/xvdf")
            bench.mounted("vol-1", instance_id)
            written = consul + f"kv put {instance_id} kept"
            eventually(lambda: bench.runtime.execute(instance_id, written, timeout_s=5).exit_code == 0, 30)  # noqa: B023 - called at once
            if instance_id == "i-1":
                bench.runtime.terminate(instance_id)
        assert bench.sh(consul + "kv get i-1", "i-2") == "kept\n"
    finally:
        bench.runtime.close()
