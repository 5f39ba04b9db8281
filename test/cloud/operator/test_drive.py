# Copyright 2026 The ros_cloud_bridge authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""What a drive knows of its messages, with answers as a hostile network may deliver them."""

import threading
import time
from typing import Any

import pytest

from ros_cloud_bridge.cloud.operator import drive as drive_module
from ros_cloud_bridge.cloud.operator.drive import Drive
from ros_cloud_bridge.cloud.operator.outcome import CommandFailed, Outcome
from ros_cloud_bridge.cloud.operator.sent import Sent
from ros_cloud_bridge.command_values import Answer, State
from ros_cloud_bridge.errors import ConfigError
from support.waiting import wait_until

EPOCH, LATER = b'epoch-01', b'epoch-02'


class Robot:
    """Gives the lease, and answers to messages when it is told to."""

    def __init__(self) -> None:
        self.sent_at: list[float] = []
        self.ttls_s: list[float] = []
        self.connected = True

    def acquire(self, robot: str, channel: str, *, ttl_s: float) -> Sent:
        return self._settle(robot, channel, 'acquire', ttl_s)

    def release(self, robot: str, channel: str, *, ttl_s: float) -> Sent:
        return self._settle(robot, channel, 'release', ttl_s)

    def _settle(self, robot: str, channel: str, type_name: str, ttl_s: float) -> Sent:
        self.ttls_s.append(ttl_s)
        sent = Sent(robot, channel, type_name)
        sent.end(Outcome(state=State.SUCCEEDED))
        return sent

    def send_driving(
        self, driver: Drive, robot_id: str, channel: str, fields: Any, ttl_s: float
    ) -> bool:
        if self.connected:
            self.ttls_s.append(ttl_s)
            self.sent_at.append(time.monotonic())
        return self.connected


def made(robot: Robot, hz: float = 100.0, **more: Any) -> Drive:
    return Drive(robot, robot, 'amr-07', 'drive', hz=hz, hold_s=0.5, **more)


def answer(state: State, robot_ms: int = 0, **more: Any) -> Answer:
    more.setdefault('epoch', EPOCH)
    return Answer(id=bytes(16), robot_ms=robot_ms, state=state, **more)


def done(robot_ms: int, count: int = 1) -> Answer:
    return answer(State.SUCCEEDED, robot_ms, detail={'count': count, 'scale': 1.0})


def hear(drive: Drive, robot: Robot, told: Answer, index: int = -1) -> str:
    return drive.hear(told, robot.sent_at[index], time.monotonic())


def test_a_robot_that_says_nothing_is_a_problem_and_raises(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drive_module, '_SILENCE_S', 0.3)
    robot = Robot()
    failures: list[CommandFailed] = []

    def goes_on() -> bool:
        try:
            drive.set({})
        except CommandFailed as failure:
            failures.append(failure)
            return False
        return True

    with made(robot) as drive:
        drive.set({})
        wait_until(lambda: robot.sent_at, what='a message')
        hear(drive, robot, done(1))
        assert drive.problem == '' and goes_on()
        wait_until(lambda: not goes_on(), what='the silence')
        assert drive.problem.startswith('no answer for 0.')
        assert failures[0].outcome.state is None
        assert failures[0].outcome.reason.startswith('no answer for 0.')
        assert drive.failed is None
        # It is still sent, and an answer ends it.
        count = len(robot.sent_at)
        wait_until(lambda: not goes_on() and len(robot.sent_at) > count, what='messages')
        hear(drive, robot, done(2))
        assert drive.problem == '' and goes_on()


def test_an_answer_that_was_held_back_ends_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drive_module, '_SILENCE_S', 0.3)
    robot = Robot()
    drive = made(robot)
    began = threading.Event()
    for _ in range(10):
        assert drive.send({})
        began.wait(0.05)
    assert drive.unanswered == 10
    for index in range(3):
        assert hear(drive, robot, done(index), index) == ''
    assert drive.unanswered == 7
    assert drive.problem.startswith('no answer for 0.')


def test_a_pause_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drive_module, '_SILENCE_S', 0.1)
    monkeypatch.setattr(drive_module, '_PAUSE_S', 0.05)
    robot = Robot()
    with made(robot) as drive:
        drive.send({})
        drive.send({})
        wait_until(lambda: drive.problem, what='two messages without an answer')
        drive.set({})
        wait_until(lambda: len(robot.sent_at) > 2, what='a message')
        hear(drive, robot, done(1), 0)
        drive.set({})


def test_without_a_connection_that_is_the_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drive_module, '_SILENCE_S', 0.1)
    robot = Robot()
    robot.connected = False
    with made(robot) as drive:
        reasons: list[str] = []

        def raises() -> bool:
            try:
                drive.set({})
            except CommandFailed as failure:
                reasons.append(failure.outcome.reason)
            return bool(reasons)

        wait_until(raises, what='the failure')
        assert reasons[0].endswith(' s: there is no connection to send by')
        assert (drive.sent, drive.unanswered) == (0, 0)


def test_the_robots_time_does_not_go_back() -> None:
    robot = Robot()
    drive = made(robot)
    for _ in range(4):
        drive.send({})
    assert hear(drive, robot, done(500, 2), 1) == ''
    assert hear(drive, robot, done(499), 2) == 'out_of_order'
    assert (drive.carried_out, drive.unanswered) == (2, 2)
    assert hear(drive, robot, done(500), 2) == ''
    refused = answer(State.REJECTED, 1, epoch=LATER, reason='wrong_epoch')
    assert hear(drive, robot, refused, 3) == ''
    assert drive.failed is not None and drive.failed.reason == 'wrong_epoch'


def test_refusals_are_counted_though_others_succeed() -> None:
    robot = Robot()
    drive = made(robot)
    for _ in range(5):
        drive.send({})
    text = 'field_limit: linear.x: 2.5 is outside -0.5..1.0'
    hear(drive, robot, answer(State.REJECTED, 1, reason='rate_limit'))
    hear(drive, robot, answer(State.REJECTED, 2, reason='rate_limit', detail={'count': 7}))
    hear(drive, robot, answer(State.REJECTED, 3, reason=text))
    assert drive.problem == text
    hear(drive, robot, done(4))
    assert drive.problem == ''
    assert drive.refusal == text
    assert drive.refused == {'rate_limit': 8, 'field_limit': 1}


def test_the_time_to_live_is_as_it_is_asked_for() -> None:
    robot = Robot()
    with made(robot, ttl_s=0.4) as drive:
        drive.send({})
        hear(drive, robot, done(1))
    assert robot.ttls_s == [0.4, 0.4, 0.4]
    robot = Robot()
    with made(robot) as drive:
        drive.send({})
        hear(drive, robot, done(1))
    assert robot.ttls_s == [2.0, 1.0, 2.0]
    with pytest.raises(ConfigError, match='ttl_s: 0 must be above 0'):
        made(robot, ttl_s=0.0)
