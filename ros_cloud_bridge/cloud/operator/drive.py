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

"""Drive a robot by messages, under a lease."""

import threading
import time
from types import TracebackType
from typing import Any, Protocol

from ros_cloud_bridge.cloud.operator.outcome import CommandFailed, Outcome
from ros_cloud_bridge.cloud.operator.sealing import check_arguments
from ros_cloud_bridge.cloud.operator.sent import Sent
from ros_cloud_bridge.command_values import Answer, Reason, State
from ros_cloud_bridge.errors import ConfigError

# A driving message is of no use later; the lease's commands may take a round trip or two.
_MESSAGE_TTL_S = 1.0
_LEASE_TTL_S = 2.0
_ANSWER_S = 5.0
# What no further message will mend.
_ENDS = frozenset({Reason.NO_LEASE, Reason.LEASE_HELD, Reason.WRONG_EPOCH, Reason.STOPPING})


class _Leases(Protocol):
    def acquire(self, robot: str, channel: str, *, ttl_s: float) -> Sent: ...

    def release(self, robot: str, channel: str, *, ttl_s: float) -> Sent: ...


class _Messages(Protocol):
    def send_driving(
        self, driver: 'Drive', robot_id: str, channel: str, fields: Any, ttl_s: float
    ) -> bool: ...


class Drive:
    """
    Holds a channel's lease for a ``with`` block and sends the newest fields at a rate.

    Whoever drives has to go on calling :meth:`set`: fields older than ``hold_s`` are not sent, and
    the robot's watchdog stops it. Leaving the block stops it, too.

    ::

        with operator.drive('amr-07', 'drive', hz=20.0) as drive:
            while (stick := read_stick()) is not None:
                drive.set({'linear': {'x': stick.y}, 'angular': {'z': stick.x}})

    :param leases: acquires and releases
    :param messages: sends the messages
    :param robot: robot id
    :param channel: with a lease
    :param hz: messages per second
    :param hold_s: for how long fields are sent on, unless newer ones come
    :raises ConfigError: when a number cannot be used
    """

    def __init__(
        self,
        leases: _Leases,
        messages: _Messages,
        robot: str,
        channel: str,
        *,
        hz: float,
        hold_s: float,
    ) -> None:
        if not 0.1 <= hz <= 200.0:
            raise ConfigError('hz', f'{hz:g} must be from 0.1 to 200')
        if not 0.0 < hold_s <= 2.0:
            raise ConfigError('hold_s', f'{hold_s:g} must be above 0 and at most 2')
        self.robot_id = robot
        self.channel = channel
        self.sent = 0
        self.carried_out = 0
        self.scale: float | None = None
        self.latency_s: float | None = None
        self.problem = ''
        self._leases = leases
        self._messages = messages
        self._period_s = 1.0 / hz
        self._hold_s = hold_s
        self._changed = threading.Condition()
        self._fields: Any = None
        self._set_at = float('-inf')
        self._failed: Outcome | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name='drive', daemon=True)

    def __enter__(self) -> 'Drive':
        self._acquire()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def set(self, fields: Any) -> None:
        """
        Give the fields to send from now on; the first go at once.

        :param fields: of the message
        :raises ConfigError: when they cannot be sent
        :raises CommandFailed: when the robot has said that this operator does not drive any more
        """
        check_arguments('publish', fields)
        with self._changed:
            if self._failed is not None:
                raise CommandFailed(f'drive {self.channel}', self._failed)
            self._fields, self._set_at = fields, time.monotonic()
            self._changed.notify_all()

    def send(self, fields: Any) -> bool:
        """
        Send one message, at once and only once.

        :param fields: of the message
        :returns: whether it was sent; not while there is no connection
        :raises ConfigError: when they cannot be sent
        :raises CommandFailed: when the robot has said that this operator does not drive any more
        """
        check_arguments('publish', fields)
        if self._failed is not None:
            raise CommandFailed(f'drive {self.channel}', self._failed)
        return self._send(fields)

    @property
    def failed(self) -> Outcome | None:
        """Why the robot does not let this operator drive any more, if so."""
        return self._failed

    def wait_heard(self, timeout_s: float) -> bool:
        """
        Wait until the robot has said something to the messages.

        :param timeout_s: for how long
        :returns: whether it has
        """
        with self._changed:
            return self._changed.wait_for(
                lambda: self.carried_out > 0 or self.problem != '', timeout_s
            )

    def stop(self) -> None:
        """Stop sending, and give the lease back; the robot stops."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join()
        release = self._leases.release(self.robot_id, self.channel, ttl_s=_LEASE_TTL_S)
        try:
            release.wait(_ANSWER_S)
        except TimeoutError:
            pass  # the lease ends by itself, and the watchdog has stopped the robot

    def hear(self, answer: Answer, robot_s: float) -> None:
        """
        Take an answer to one of the messages.

        :param answer: of the robot
        :param robot_s: seconds since the message was sent
        """
        with self._changed:
            self.latency_s = robot_s
            if answer.state is State.SUCCEEDED:
                self._carried_out(answer.detail)
            else:
                self.problem = answer.reason or answer.state.name.lower()
                if answer.reason.partition(':')[0] in _ENDS and self._failed is None:
                    self._failed = Outcome(state=answer.state, reason=answer.reason)
            self._changed.notify_all()

    def _carried_out(self, detail: Any) -> None:
        self.problem = ''
        known: dict[Any, Any] = detail if isinstance(detail, dict) else {}
        count, scale = known.get('count'), known.get('scale')
        self.carried_out += count if type(count) is int and count > 0 else 1
        self.scale = float(scale) if isinstance(scale, int | float) else None

    def _acquire(self) -> None:
        acquired = self._leases.acquire(self.robot_id, self.channel, ttl_s=_LEASE_TTL_S)
        outcome = acquired.wait()
        if not outcome.succeeded:
            raise CommandFailed(f'acquire {self.channel}', outcome)

    def _run(self) -> None:
        next_at = time.monotonic()
        while True:
            with self._changed:
                while True:
                    now = time.monotonic()
                    if self._stopping or self._failed is not None:
                        return
                    fresh = now - self._set_at <= self._hold_s
                    if fresh and now >= next_at:
                        break
                    self._changed.wait(next_at - now if fresh else None)
                fields = self._fields
            next_at = max(next_at + self._period_s, now)
            self._send(fields)

    def _send(self, fields: Any) -> bool:
        sent = self._messages.send_driving(
            self, self.robot_id, self.channel, fields, _MESSAGE_TTL_S
        )
        with self._changed:
            self.sent += sent
        return sent
