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

"""Who may drive: a channel's lease, held by one operator's process at a time."""

from dataclasses import dataclass

from ros_cloud_bridge.command_values import Reason

RESERVED_S = 10.0


@dataclass(frozen=True, slots=True)
class Holder:
    """
    One process of one operator.

    :param operator: its name
    :param kid: the key that it signs with
    :param instance: of the process
    """

    operator: str
    kid: bytes
    instance: bytes


class Lease:
    """
    A channel's lease. It ends ``seconds`` after it was acquired or last used.

    :param seconds: for how long it is granted
    """

    __slots__ = ('_ends_at', '_holder', '_reserved_for', '_reserved_until', '_seconds')

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._holder: Holder | None = None
        self._ends_at = 0.0
        self._reserved_for = ''
        self._reserved_until = 0.0

    def holder(self, now: float) -> Holder | None:
        """
        Say who holds it.

        :param now: monotonic seconds
        :returns: None when nobody does
        """
        return self._holder if now < self._ends_at else None

    def expired(self, now: float) -> bool:
        """
        Tell whether it has ended by itself and nobody has taken note.

        :param now: monotonic seconds
        :returns: True until :meth:`release` or :meth:`acquire`
        """
        return self._holder is not None and now >= self._ends_at

    @property
    def ends_at(self) -> float | None:
        """When it ends by itself, None when nobody holds it."""
        return None if self._holder is None else self._ends_at

    def objection(self, who: Holder, now: float) -> str:
        """
        Say why somebody cannot acquire it.

        :param who: would have it
        :param now: monotonic seconds
        :returns: an empty text when it is free, reserved for that operator or its own already
        """
        holder = self.holder(now)
        if holder is not None:
            return '' if holder == who else f'{Reason.LEASE_HELD}: by {holder.operator}'
        if now < self._reserved_until and who.operator != self._reserved_for:
            return f'{Reason.LEASE_HELD}: reserved for {self._reserved_for}'
        return ''

    def acquire(self, who: Holder, now: float) -> None:
        """
        Take it, or take it for longer.

        :param who: has it now
        :param now: monotonic seconds
        """
        self._holder = who
        self._ends_at = now + self._seconds
        self._reserved_until = now

    def renew(self, now: float) -> None:
        """
        Keep it for who uses it.

        :param now: monotonic seconds
        """
        self._ends_at = now + self._seconds

    def release(self) -> None:
        """Give it back."""
        self._holder = None

    def hand_over(self, to: str, now: float) -> None:
        """
        Give it back, for one operator alone to take within 10 s.

        :param to: that operator
        :param now: monotonic seconds
        """
        self._holder = None
        self._reserved_for = to
        self._reserved_until = now + RESERVED_S
