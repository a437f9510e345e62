"""Labels, archives, the store's files, and what is said where no engine is."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import docker.errors
import pytest
import requests

from immtf.errors import LabFailed
from immtf.lab import client
from immtf.lab.docker import loops
from immtf.lab.docker.engine import asked, gone_is_good, no_engine, reach
from immtf.lab.docker.leftovers import PATIENCE_S, clear_lab, labels_of, note, patiently
from immtf.lab.docker.scope import LAB, RUN, Scope, of_lab
from immtf.lab.docker.trees import packed_files, packed_tree
from immtf.lab.place import Place
from immtf.lab.runtime import RuntimeFailed

if TYPE_CHECKING:
    from pathlib import Path


def test_a_lab_s_things_are_found_by_lab_and_by_controller(tmp_path: Path) -> None:
    one, other = Scope(tmp_path, "aa"), Scope(tmp_path, "bb")
    assert of_lab(tmp_path) == f"{LAB}={one.labels('guest')[LAB]}"
    assert one.labels("guest")[LAB] == other.labels("guest")[LAB]
    assert (one.mine, one.name, one.shelf) != (other.mine, other.name, other.shelf)
    assert of_lab(tmp_path / "x") != of_lab(tmp_path)
    assert one.repository == one.repository.lower()


def test_a_tree_keeps_modes_and_links_and_does_not_replace_the_base_s_links(tmp_path: Path) -> None:
    for name in ("bin", "etc/empty"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "bin/tool").write_text("#!/bin/sh\n")
    (tmp_path / "bin/tool").chmod(0o755)
    (tmp_path / "etc/link").symlink_to("/nowhere")
    with tarfile.open(fileobj=io.BytesIO(packed_tree(tmp_path))) as archive:
        found = {entry.name: (entry.type, entry.mode if not entry.issym() else entry.linkname, entry.uid) for entry in archive}
    assert found == {
        "bin/tool": (tarfile.REGTYPE, 0o755, 0),
        "etc": (tarfile.DIRTYPE, (tmp_path / "etc").stat().st_mode & 0o7777, 0),
        "etc/empty": (tarfile.DIRTYPE, (tmp_path / "etc/empty").stat().st_mode & 0o7777, 0),
        "etc/link": (tarfile.SYMTYPE, "/nowhere", 0),
    }
    with tarfile.open(fileobj=io.BytesIO(packed_files({"usr/x": b"12"}, mode=0o600))) as archive:
        assert [(entry.name, entry.size, entry.mode) for entry in archive] == [("usr/x", 2, 0o600)]


def test_files_of_volumes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    volume, copy = tmp_path / "vol-1", tmp_path / "snap-1"
    assert loops.main("make", str(volume), str(1 << 30)) == 0
    assert capsys.readouterr().out == "true\n"
    with volume.open("r+b") as file:
        file.seek(1 << 20)
        file.write(b"kept")
    loops.make(str(volume), "5")
    assert volume.stat().st_size == 1 << 30, "what is there stays"
    loops.copy(str(volume), str(copy))
    loops.copy(str(volume), str(volume))
    assert [path.stat().st_blocks * 512 < 1 << 21 for path in (volume, copy)] == [True, True]
    assert [path.read_bytes()[1 << 20 :][:4] for path in (volume, copy)] == [b"kept", b"kept"]
    for _ in range(2):
        assert loops.main("remove", str(copy)) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["vol-1"]
    assert loops.main("copy", str(tmp_path / "none"), str(copy)) == 1
    assert "none" in capsys.readouterr().err
    assert loops.release_all("/no/such/shelf") == 0


def test_no_engine_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LabFailed) as failed:
        reach({"DOCKER_HOST": f"unix://{tmp_path}/no.sock"})
    assert failed.value.where == f"unix://{tmp_path}/no.sock"
    assert "--lab-runtime process" in failed.value.next
    refused = no_engine({}, PermissionError(13, "Permission denied"))
    assert "may not speak" in refused.what
    assert "usermod" in refused.next


def test_a_lab_without_an_engine_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    with pytest.raises(LabFailed, match="no Docker engine answers"):
        client.up(tmp_path / "lab", path=[], runtime="docker", environment={"DOCKER_HOST": f"unix://{tmp_path}/no.sock", "PATH": ""})
    assert not (tmp_path / "lab").exists()


def test_where_nothing_was_ever_in_docker_no_engine_is_asked(tmp_path: Path) -> None:
    nowhere = {"DOCKER_HOST": f"unix://{tmp_path}/no.sock"}
    assert clear_lab(Place(tmp_path), nowhere) == ()
    Place(tmp_path).docker_note.write_text("torn {")
    with pytest.raises(LabFailed):
        clear_lab(Place(tmp_path), nowhere)


def test_a_lab_clears_what_its_own_controllers_made(tmp_path: Path) -> None:
    place, told = Place(tmp_path), {"DOCKER_HOST": "unix:///x", "HOME": "/"}
    for run in ("aa", "bb"):
        note(place, told, ["DOCKER_HOST"], run)
    assert labels_of(place) == [f"{RUN}=aa", f"{RUN}=bb"]
    place.docker_note.write_text("torn {")
    assert labels_of(place) == [of_lab(tmp_path)]


def test_what_another_removes_at_this_moment_is_asked_again_and_not_for_ever() -> None:
    now, tries = [0.0], iter([RuntimeFailed("volume is in use"), None])

    def attempt() -> dict[str, int]:
        if failed := next(tries, RuntimeFailed("still in use")):
            raise failed
        return {"instances": 1}

    def sleep(seconds: float) -> None:
        now[0] += seconds

    assert patiently(attempt, lambda: now[0], sleep) == {"instances": 1}
    with pytest.raises(RuntimeFailed, match="still in use"):
        patiently(attempt, lambda: now[0], sleep)
    assert PATIENCE_S <= now[0] < 2 * PATIENCE_S


def test_a_lab_with_the_other_runtime_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    try:
        assert client.up(folder, path=[]).runtime == "process"
        with pytest.raises(LabFailed, match="runs with runtime process, not with docker") as failed:
            client._of_runtime(client.up(folder, path=[]), "docker")
        assert failed.value.next.endswith("immtf lab down --name lab")
    finally:
        client.down(folder)


def test_what_docker_refuses_is_told_in_its_words() -> None:
    with pytest.raises(RuntimeFailed, match="i-1: Address already in use"), asked("i-1"):
        raise docker.errors.APIError("500", explanation="Address already in use")
    with pytest.raises(RuntimeFailed, match="i-1: too slow"), asked("i-1"):
        raise requests.ReadTimeout("too slow")
    with gone_is_good():
        raise docker.errors.NotFound("no such container")
    with gone_is_good():
        raise docker.errors.APIError("removal of container x is already in progress")
    with pytest.raises(docker.errors.APIError), gone_is_good():
        raise docker.errors.APIError("has active endpoints")
