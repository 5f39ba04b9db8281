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

"""Drive a robot by messages that come when they come, as from a joystick's topic."""

from collections import Counter
from collections.abc import Callable
import threading
import time
from typing import Any, Protocol

from ros_cloud_bridge.cloud.operator.drive import Drive
from ros_cloud_bridge.errors import BridgeError

# As long as nothing new comes the last message is sent on: publishers are not that regular.
_HOLD_S = 0.5
# Then somebody else may have the lease.
_IDLE_S = 3.0
# Of one who may not drive not every message asks anew.
_REFUSED_S = 1.0
# What is said once nothing is wrong any more.
DRIVES = 'drives'


class _Drives(Protocol):
    def drive(
        self, robot: str, channel: str, hz: float, *, hold_s: float, ttl_s: float
    ) -> Drive: ...


class Steering:
    """
    Takes the lease with the first message, and gives it back once none has come for a while.

    Messages are sent on at a rate, for ``hold_s`` after the last one came at most; the robot's own
    watchdog then stops it. What is older when the lease is there is not sent at all. Everything
    goes on in a thread of its own, that lives while there is something to do.

    :param drives: the operator
    :param robot: robot id
    :param channel: with a lease
    :param said: takes what is wrong, a line each time that it changes
    :param hz: messages per second
    :param hold_s: for how long a message is sent on unless another comes
    :param idle_s: silence after which the lease is given back
    :param ttl_s: of the lease's commands
    :param counts: where ``drives``, ``drives failed`` and ``driving messages`` are counted
    """

    def __init__(
        self,
        drives: _Drives,
        robot: str,
        channel: str,
        *,
        said: Callable[[str], None],
        hz: float = 20.0,
        hold_s: float = _HOLD_S,
        idle_s: float = _IDLE_S,
        ttl_s: float = 2.0,
        counts: Counter[str] | None = None,
    ) -> None:
        self._drives = drives
        self._robot = robot
        self._channel = channel
        self._said = said
        self._hz = hz
        self._hold_s = hold_s
        self._idle_s = idle_s
        self._ttl_s = ttl_s
        self._counts = Counter[str]() if counts is None else counts
        self._changed = threading.Condition()
        self._fields: Any = None
        self._came_at = float('-inf')
        self._taken = True
        self._ended = False
        self._thread: threading.Thread | None = None

    def set(self, fields: Any) -> None:
        """
        Take a message.

        :param fields: of it
        """
        with self._changed:
            if self._ended:
                return
            self._fields, self._came_at, self._taken = fields, time.monotonic(), False
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name='steering', daemon=True)
                self._thread.start()

    def release(self) -> None:
        """Give the lease back now, as when whoever drove has gone; a later message takes it."""
        with self._changed:
            self._came_at = float('-inf')
            self._changed.notify_all()

    def stop(self, timeout_s: float = 3.0) -> None:
        """
        Give the lease back and end.

        :param timeout_s: for the robot's answer
        """
        with self._changed:
            self._ended = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def _run(self) -> None:
        told = ''
        while True:
            problem = ''
            try:
                with self._drives.drive(
                    self._robot, self._channel, self._hz, hold_s=self._hold_s, ttl_s=self._ttl_s
                ) as drive:
                    self._counts['drives'] += 1
                    while (fields := self._next()) is not None:
                        try:
                            drive.set(fields)
                            problem = drive.problem
                        except BridgeError as error:
                            problem = str(error)
                        if problem != told:
                            told = problem
                            self._said(problem or DRIVES)
                        if drive.failed is not None:
                            break
                self._counts['driving messages'] += drive.sent
            except BridgeError as error:
                self._counts['drives failed'] += 1
                problem = str(error)
                if problem != told:
                    told = problem
                    self._said(problem)
            with self._changed:
                if problem and not self._ended:
                    self._changed.wait_for(lambda: self._ended, _REFUSED_S)
                if self._ended or self._idle():
                    self._thread = None
                    return

    def _next(self) -> Any:
        """Wait for a message; None once there is none any more."""
        with self._changed:
            while not self._ended and not self._idle():
                if self._taken:
                    self._changed.wait(max(0.0, self._came_at + self._idle_s - time.monotonic()))
                    continue
                self._taken = True
                if time.monotonic() - self._came_at <= self._hold_s:
                    return self._fields
            return None

    def _idle(self) -> bool:
        return time.monotonic() - self._came_at >= self._idle_s
