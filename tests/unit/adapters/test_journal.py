from __future__ import annotations

import json
import resource
import stat
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.journal import FILE, Journal, JournalFailed, find, runs
from immtf.errors import UsageError
from immtf.model.events import Noted, ProbeReported, RunFinished, RunHalted, RunStarted, StageStarted, StepFinished, TerraformTold
from immtf.report.journals import read_journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
BEGUN = RunStarted("upgrade", "consul", "1.1.0", "test-1", "lab", "ann")
HALT = RunHalted("x", "server/a", "y", "immtf upgrade", 20)
END = RunFinished("done", 3, 3, None, None, None)


def make_journal(directory: Path, run_id: str = "r1", *, at: datetime = START, secrets: tuple[str, ...] = ()) -> Journal:
    return Journal(directory, run_id, lambda: at, secrets=secrets)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def _little_room() -> Iterator[None]:
    """No file of this process may grow beyond 600 bytes, as on a disk that is full: a write in part, then an error."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


class TestWriting:
    def test_events_are_written_at_once_with_their_number_and_their_time(self, tmp_path: Path) -> None:
        journal = make_journal(tmp_path)
        journal.check()
        journal(BEGUN)
        journal(Noted("info", "größer \u2028"), START + timedelta(seconds=5))
        assert read_journal(journal.path) == [(BEGUN, START), (Noted("info", "größer \u2028"), START + timedelta(seconds=5))]
        records = [json.loads(line) for line in journal.path.read_bytes().split(b"\n") if line]
        assert [(record["seq"], record["run"]) for record in records] == [(1, "r1"), (2, "r1")]
        journal.close()
        journal.close()

    def test_only_its_owner_can_read_it(self, tmp_path: Path) -> None:
        journal = make_journal(tmp_path / "runs")
        journal(BEGUN)
        journal.close()
        assert [mode(tmp_path / "runs"), mode(journal.path.parent), mode(journal.path)] == [0o700, 0o700, 0o600]

    def test_secrets_are_masked(self, tmp_path: Path) -> None:
        """F49."""
        journal = make_journal(tmp_path, secrets=("s3cr3t-token", "lab"))
        journal(Noted("info", "with s3cr3t-token in the lab"))
        journal.close()
        assert read_journal(journal.path)[0][0] == Noted("info", "with ••• in the lab")

    def test_a_secret_that_is_learnt_later_is_masked_from_then_on(self, tmp_path: Path) -> None:
        """F49: what another block publishes is known when its state was read."""
        secrets: list[str] = []
        journal = Journal(tmp_path, "r1", lambda: START, secrets=secrets)
        secrets.append("s3cr3t-token")
        journal(Noted("info", "with s3cr3t-token"))
        journal.close()
        assert read_journal(journal.path)[0][0] == Noted("info", "with •••")

    def test_text_that_is_no_unicode_is_written_nevertheless(self, tmp_path: Path) -> None:
        journal = make_journal(tmp_path)
        journal(Noted("info", "file \udcff"))
        journal.close()
        assert read_journal(journal.path)[0][0] == Noted("info", "file \udcff")

    def test_threads_leave_whole_lines_without_gaps(self, tmp_path: Path) -> None:
        journal = make_journal(tmp_path)
        threads = [threading.Thread(target=lambda: [journal(Noted("info", "x" * 200)) for _ in range(50)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        journal.close()
        assert [json.loads(line)["seq"] for line in journal.path.read_text().splitlines()] == list(range(1, 201))

    @pytest.mark.parametrize("name", ["", "../x", "a/b", "."])
    def test_a_run_cannot_be_named_out_of_its_directory(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(UsageError):
            make_journal(tmp_path, name)


class TestFailing:
    """F47: the journal's disk is full. A directory that is no directory stands for one that refuses; root may write anywhere."""

    def test_it_is_said_before_the_first_change(self, tmp_path: Path) -> None:
        (tmp_path / "runs").write_text("")
        with pytest.raises(JournalFailed, match="the journal can't be written: ") as failed:
            make_journal(tmp_path / "runs").check()
        assert failed.value.where.endswith(f"runs/r1/{FILE}")
        assert "run the command again" in failed.value.next

    @pytest.mark.usefixtures("_little_room")
    def test_too_little_room_is_said_before_the_first_change_and_nothing_is_left(self, tmp_path: Path) -> None:
        journal = make_journal(tmp_path)
        with pytest.raises(JournalFailed, match="make room"):
            journal.check()
        journal.close()
        assert [path.name for path in journal.path.parent.iterdir()] == [FILE]

    def test_another_run_with_this_id_is_not_written_into(self, tmp_path: Path) -> None:
        journal = make_journal(tmp_path)
        journal(BEGUN)
        journal.close()
        with pytest.raises(JournalFailed, match="another run has this id"):
            make_journal(tmp_path).check()
        assert len(read_journal(journal.path)) == 1

    def make_full(self, directory: Path) -> Journal:
        (directory / "r1").mkdir()
        (directory / "r1" / FILE).symlink_to("/dev/full")
        return make_journal(directory)

    def test_a_full_disk_halts_the_run_once_so_that_it_can_end_in_order(self, tmp_path: Path) -> None:
        journal = self.make_full(tmp_path)
        with pytest.raises(JournalFailed, match="can't go on after event 0: No space left on device"):
            journal(BEGUN)
        for event in (StageStarted("clean-up", "x"), HALT, END):
            journal(event)
        assert journal.failure is not None
        journal.close()

    def test_an_act_is_not_cut_in_two_the_event_after_it_halts(self, tmp_path: Path) -> None:
        journal = self.make_full(tmp_path)
        for event in (TerraformTold("n", "apply_start", "a.b", "create", 0.0, ""), ProbeReported(1, 0, 0.1, 0.1), Noted("warning", "x")):
            journal(event)
        assert journal.failure is not None
        with pytest.raises(JournalFailed):
            journal(StepFinished("n", "apply", 1.0, "done"))
        journal.close()

    def test_when_all_is_done_nothing_is_left_to_halt(self, tmp_path: Path) -> None:
        journal = self.make_full(tmp_path)
        journal(END)
        assert "No space left" in str(journal.failure)
        journal.close()

    @pytest.mark.usefixtures("_little_room")
    def test_a_line_written_in_part_is_cut_off_so_that_the_rest_can_be_read(self, tmp_path: Path) -> None:
        journal = make_journal(tmp_path)
        journal(BEGUN)
        with pytest.raises(JournalFailed, match="after event 1"):
            journal(StepFinished("n", "apply", 1.0, "x" * 600))
        journal(HALT)
        journal.close()
        assert [event for event, _ in read_journal(journal.path)] == [BEGUN, HALT]
        assert [json.loads(line)["seq"] for line in journal.path.read_text().splitlines()] == [1, 2]


class TestRunsOfThePast:
    def make_past(self, directory: Path) -> None:
        for hour, (run_id, events) in enumerate([("aa1", (BEGUN, END)), ("ab2", (BEGUN, HALT)), ("b3", (BEGUN,))]):
            journal = make_journal(directory, run_id, at=START + timedelta(hours=hour))
            for event in events:
                journal(event)
            journal.close()

    def test_they_are_listed_newest_first_with_their_outcome(self, tmp_path: Path) -> None:
        self.make_past(tmp_path)
        assert [(info.run_id, info.outcome, info.exit_code) for info in runs(tmp_path)] == [
            ("b3", "unfinished", None),
            ("ab2", "halted", 20),
            ("aa1", "done", 0),
        ]
        newest = runs(tmp_path)[0]
        assert (newest.command, newest.block, newest.environment) == ("upgrade", "consul", "test-1")
        assert newest.started == START + timedelta(hours=2)

    def test_where_there_is_no_directory_there_are_none(self, tmp_path: Path) -> None:
        assert runs(tmp_path / "none") == []
        with pytest.raises(UsageError, match="there is no run yet"):
            find(tmp_path / "none", "last")

    def test_torn_and_empty_journals_are_listed_as_far_as_they_tell(self, tmp_path: Path) -> None:
        self.make_past(tmp_path)
        with (tmp_path / "b3" / FILE).open("a") as file:
            file.write('{"v":1,"ev')
        for name, text in (("e1", ""), ("e2", '{"v":'), ("e3", '["x"]\n'), ("e4", '{"at":"noon"}\n')):
            (tmp_path / name).mkdir()
            (tmp_path / name / FILE).write_text(text)
        found = {info.run_id: info for info in runs(tmp_path)}
        assert found["b3"].block == "consul"
        assert {found[name].command for name in ("e1", "e2", "e3", "e4")} == {"?"}
        assert {info.outcome for info in found.values()} == {"unfinished", "halted", "done", "not begun"}
        assert [found[name].outcome for name in ("e1", "e2")] == ["not begun", "not begun"], "no such run told anything"

    def test_only_the_ends_of_a_long_journal_are_read(self, tmp_path: Path) -> None:
        journal = make_journal(tmp_path)
        journal(BEGUN)
        for _ in range(3):
            journal(Noted("info", "x" * 40_000))
        journal(END)
        journal.close()
        assert (runs(tmp_path)[0].command, runs(tmp_path)[0].outcome) == ("upgrade", "done")

    def test_one_is_found_by_its_id_its_beginning_or_as_the_last(self, tmp_path: Path) -> None:
        self.make_past(tmp_path)
        (tmp_path / "aa").mkdir()
        (tmp_path / "aa" / FILE).write_text("")
        assert find(tmp_path, "b").run_id == "b3"
        assert find(tmp_path, "aa").run_id == "aa"
        assert find(tmp_path, "aa1").run_id == "aa1"

    def test_the_last_is_the_newest(self, tmp_path: Path) -> None:
        self.make_past(tmp_path)
        assert find(tmp_path, "last").run_id == "b3"

    def test_what_fits_none_or_many_is_said_with_the_ones_there_are(self, tmp_path: Path) -> None:
        self.make_past(tmp_path)
        with pytest.raises(UsageError, match="2 runs begin with 'a'") as many:
            find(tmp_path, "a")
        assert many.value.next == "name one of ab2, aa1"
        with pytest.raises(UsageError, match="there is no run 'z'"):
            find(tmp_path, "z")
        with pytest.raises(UsageError, match="there is no run ''"):
            find(tmp_path, "")
