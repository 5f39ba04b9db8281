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

from collections import Counter, deque
import threading
import time
from types import TracebackType
from typing import Any, Protocol

from ros_cloud_bridge.cloud.operator.outcome import CommandFailed, Outcome
from ros_cloud_bridge.cloud.operator.sealing import check_arguments
from ros_cloud_bridge.cloud.operator.sent import Sent
from ros_cloud_bridge.command_values import Answer, Reason, State
from ros_cloud_bridge.errors import ConfigError

# The lease's commands may take a round trip or two.
DRIVE_TTL_S = 2.0
# A driving message is of no use later.
_MESSAGE_TTL_S = 1.0
_GRACE_S = 3.0
# The robot answers every half second.
_SILENCE_S = 1.5
# After so long without a message driving begins anew.
_PAUSE_S = 1.0
# What is carried out as the lease is given back is told within this time.
_LAST_WORD_S = 0.7
_MOST_WAITING = 512
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

    ``sent`` messages have gone out, ``carried_out`` of them as the robot says, a while later;
    ``refused`` counts its refusals by reason, of which it says ten a second at most, and
    ``refusal`` is the last one in its own words. ``scale`` and
    ``latency_s`` are those of the last message that it has answered. ``released`` is what it said
    as the lease was given back, None before.

    :param leases: acquires and releases
    :param messages: sends the messages
    :param robot: robot id
    :param channel: with a lease
    :param hz: messages per second
    :param hold_s: for how long fields are sent on, unless newer ones come
    :param ttl_s: of the lease's commands, at most the channel's ``max_ttl_s``
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
        ttl_s: float = DRIVE_TTL_S,
    ) -> None:
        if not 0.1 <= hz <= 200.0:
            raise ConfigError('hz', f'{hz:g} must be from 0.1 to 200')
        if not 0.0 < hold_s <= 2.0:
            raise ConfigError('hold_s', f'{hold_s:g} must be above 0 and at most 2')
        if not ttl_s > 0.0:
            raise ConfigError('ttl_s', f'{ttl_s:g} must be above 0')
        self.robot_id = robot
        self.channel = channel
        self.sent = 0
        self.carried_out = 0
        self.refused: Counter[str] = Counter()
        self.scale: float | None = None
        self.latency_s: float | None = None
        self.released: Outcome | None = None
        self._leases = leases
        self._messages = messages
        self._period_s = 1.0 / hz
        self._hold_s = hold_s
        self._ttl_s = ttl_s
        self._changed = threading.Condition()
        self._one_at_a_time = threading.Lock()
        self._fields: Any = None
        self._set_at = float('-inf')
        self.refusal = ''
        self._refused_last = False
        self._failed: Outcome | None = None
        self._stopping = False
        # Messages without an answer, the times of the newest; and since when there are any.
        self._waiting: deque[float] = deque(maxlen=_MOST_WAITING)
        self._silent_since: float | None = None
        self._tried_at = self._began = float('-inf')
        self._heard = 0
        self._unsent = False
        self._epoch = b''
        self._robot_ms = 0
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

        They are sent as well when it raises for silence: whoever calls it again drives on, and it
        raises until the robot answers.

        :param fields: of the message
        :raises ConfigError: when they cannot be sent
        :raises CommandFailed: when the robot has said that this operator does not drive any more,
            or has not answered for 1.5 s (then the outcome has no state)
        """
        check_arguments('publish', fields)
        with self._changed:
            self._check_failed()
            silence = self._silence(time.monotonic())
            self._fields, self._set_at = fields, time.monotonic()
            self._changed.notify_all()
            if silence:
                raise CommandFailed(
                    f'drive {self.channel}', Outcome(state=None, reason=self._why_silent())
                )

    def send(self, fields: Any) -> bool:
        """
        Send one message, at once and only once.

        :param fields: of the message
        :returns: whether it was sent; not while there is no connection
        :raises ConfigError: when they cannot be sent
        :raises CommandFailed: when the robot has said that this operator does not drive any more
        """
        check_arguments('publish', fields)
        self._check_failed()
        return self._send(fields)

    @property
    def failed(self) -> Outcome | None:
        """Why the robot does not let this operator drive any more, if so."""
        return self._failed

    @property
    def problem(self) -> str:
        """What is wrong now: nothing is heard, or the last message was refused; else empty."""
        with self._changed:
            if self._failed is None and self._silent_s(time.monotonic()) > _SILENCE_S:
                return self._why_silent()
            return self.refusal if self._refused_last else ''

    @property
    def unanswered(self) -> int:
        """How many messages at the end, after the last one answered, are without an answer."""
        with self._changed:
            return len(self._waiting)

    def wait_heard(self, timeout_s: float) -> bool:
        """
        Wait until the robot has said something to the messages.

        :param timeout_s: for how long
        :returns: whether it has
        """
        with self._changed:
            return self._changed.wait_for(lambda: self._heard > 0, timeout_s)

    def stop(self) -> None:
        """Stop sending, and give the lease back; the robot stops."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join()
        release = self._leases.release(self.robot_id, self.channel, ttl_s=self._ttl_s)
        try:
            self.released = release.wait(self._ttl_s + _GRACE_S)
        except TimeoutError:
            return  # the lease ends by itself, and the watchdog has stopped the robot
        if self.released.state is not None:
            with self._changed:
                self._changed.wait_for(lambda: not self._waiting or self.refused, _LAST_WORD_S)

    def hear(self, answer: Answer, sent_at: float, at: float) -> str:
        """
        Take the answer to one of the messages.

        :param answer: of the robot
        :param sent_at: when the message was sent, monotonic seconds
        :param at: when the answer arrived
        :returns: why it is dropped, or ''
        """
        with self._changed:
            if answer.epoch == self._epoch and answer.robot_ms < self._robot_ms:
                return 'out_of_order'
            self._epoch, self._robot_ms = answer.epoch, answer.robot_ms
            # An answer that was held back proves nothing of what was sent after its message.
            while self._waiting and self._waiting[0] <= sent_at:
                self._waiting.popleft()
            self._silent_since = max(self._waiting[0], self._began) if self._waiting else None
            self._heard += 1
            self.latency_s = at - sent_at
            if answer.state is State.SUCCEEDED:
                self._carried_out(answer.detail)
            else:
                self._take_refusal(answer)
            self._changed.notify_all()
        return ''

    def _carried_out(self, detail: Any) -> None:
        self._refused_last = False
        known: dict[Any, Any] = detail if isinstance(detail, dict) else {}
        scale = known.get('scale')
        self.carried_out += _count(known)
        self.scale = float(scale) if isinstance(scale, int | float) else None

    def _take_refusal(self, answer: Answer) -> None:
        self._refused_last = True
        self.refusal = answer.reason or answer.state.name.lower()
        reason = self.refusal.partition(':')[0]
        self.refused[reason] += _count(answer.detail)
        if reason in _ENDS and self._failed is None:
            self._failed = Outcome(state=answer.state, reason=answer.reason)

    def _check_failed(self) -> None:
        if self._failed is not None:
            raise CommandFailed(f'drive {self.channel}', self._failed)

    def _silence(self, now: float) -> bool:
        """Whether messages go out, and nothing comes."""
        return now - self._tried_at <= self._pause_s() and self._silent_s(now) > _SILENCE_S

    def _silent_s(self, now: float) -> float:
        return 0.0 if self._silent_since is None else now - self._silent_since

    def _why_silent(self) -> str:
        silent_s = self._silent_s(time.monotonic())
        if self._unsent:
            return f'no answer for {silent_s:.1f} s: there is no connection to send by'
        return f'no answer for {silent_s:.1f} s'

    def _pause_s(self) -> float:
        return max(_PAUSE_S, 2.0 * self._period_s)

    def _acquire(self) -> None:
        acquired = self._leases.acquire(self.robot_id, self.channel, ttl_s=self._ttl_s)
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
        with self._one_at_a_time:
            now = time.monotonic()
            with self._changed:
                if now - self._tried_at > self._pause_s():
                    self._began, self._silent_since = now, None
                self._tried_at = now
                if self._silent_since is None:
                    self._silent_since = now
                # Before it is sent, for the answer may come before that returns.
                self._waiting.append(now)
            sent = self._messages.send_driving(
                self, self.robot_id, self.channel, fields, min(_MESSAGE_TTL_S, self._ttl_s)
            )
            with self._changed:
                self._unsent = not sent
                self.sent += sent
                if not sent:
                    self._waiting.pop()
            return sent


def _count(detail: Any) -> int:
    count = detail.get('count') if isinstance(detail, dict) else None
    return count if type(count) is int and count > 0 else 1
