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

"""Driving by messages that come when they come: what is sent on, and what is too old for it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
import threading
import time
from typing import Any

from ros_cloud_bridge.cloud.operator.steering import DRIVES, Steering
from ros_cloud_bridge.errors import BridgeError
from support.waiting import wait_until


class FakeDrives:
    """Grants a lease when the test says so, and notes what it is driven by."""

    def __init__(self) -> None:
        self.grants = threading.Event()
        self.refuses = ''
        self.leases: list[str] = []
        self.got: list[Any] = []
        self.problem = ''
        self.failed = None
        self.sent = 0

    def drive(self, robot: str, channel: str, hz: float, *, hold_s: float, ttl_s: float) -> Any:
        return self._lease()

    @contextmanager
    def _lease(self) -> Iterator[Any]:
        assert self.grants.wait(10.0)
        if self.refuses:
            raise BridgeError(self.refuses)
        self.leases.append('taken')
        self.sent = 0
        yield self
        self.leases.append('given back')

    def set(self, fields: Any) -> None:
        self.got.append(fields)
        self.sent += 1


def test_what_is_too_old_when_the_lease_is_there_is_not_sent() -> None:
    robot, counts = FakeDrives(), Counter[str]()
    steering = Steering(robot, 'r', 'drive', said=lambda text: None, hold_s=0.05, counts=counts)
    steering.set('old')
    time.sleep(0.1)
    robot.grants.set()
    wait_until(lambda: robot.leases == ['taken'])
    steering.set('new')
    wait_until(lambda: robot.got == ['new'])
    steering.stop()
    assert robot.leases == ['taken', 'given back']
    assert counts == {'drives': 1, 'driving messages': 1}


def test_silence_gives_the_lease_back_and_the_next_message_takes_it_again() -> None:
    robot = FakeDrives()
    robot.grants.set()
    steering = Steering(robot, 'r', 'drive', said=lambda text: None, idle_s=0.2)
    steering.set(1)
    wait_until(lambda: robot.leases == ['taken', 'given back'])
    steering.set(2)
    wait_until(lambda: robot.got == [1, 2])
    steering.release()
    wait_until(lambda: robot.leases == ['taken', 'given back'] * 2)
    steering.stop()
    steering.set(3)
    assert robot.got == [1, 2]


def test_a_refusal_is_said_once_and_what_follows_it_too() -> None:
    robot, counts, said = FakeDrives(), Counter[str](), list[str]()
    robot.refuses = 'somebody else drives'
    robot.grants.set()
    steering = Steering(robot, 'r', 'drive', said=said.append, counts=counts, hold_s=5.0)
    steering.set(1)
    wait_until(lambda: counts['drives failed'] == 2)
    assert said == ['somebody else drives']
    robot.refuses = ''
    steering.set(2)
    wait_until(lambda: robot.got != [])
    wait_until(lambda: said == ['somebody else drives', DRIVES])
    steering.stop()
