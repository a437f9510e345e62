"""What a stale API answers: what the very same question was answered before."""

from __future__ import annotations

from immtf.lab.gateway.memory import REMEMBERED, Memory
from immtf.lab.gateway.wire import Answer, Call

ASKED = Call("ec2", "r", "DescribeVolumes", {"VolumeId.1": "vol-1"})
BEFORE, NOW = Answer(200, b"before"), Answer(200, b"now")


def test_the_last_answer_to_the_same_question_is_kept() -> None:
    memory = Memory()
    assert memory.answer(ASKED) is None
    for answer in (BEFORE, NOW):
        assert memory.keep(ASKED, answer) is answer
    assert memory.answer(ASKED) == NOW
    for other in (Call("ec2", "r", "DescribeVolumes", {"VolumeId.1": "vol-2"}), Call("ec2", "s", "DescribeVolumes", ASKED.form)):
        assert memory.answer(other) is None


def test_changes_and_refusals_are_not_kept() -> None:
    memory = Memory()
    memory.keep(ASKED, Answer(400, b"no"))
    memory.keep(Call("ec2", "r", "StopInstances"), NOW)
    assert memory.answer(ASKED) is None
    assert memory.answer(Call("ec2", "r", "StopInstances")) is None


def test_only_so_many_questions_are_remembered() -> None:
    memory = Memory()
    memory.keep(ASKED, BEFORE)
    for number in range(REMEMBERED):
        memory.keep(Call("ec2", "r", "DescribeVolumes", {"VolumeId.1": f"vol-x{number}"}), NOW)
    assert memory.answer(ASKED) is None
