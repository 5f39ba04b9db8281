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

"""Sequence numbers that have been: sliding windows against replay, as in RFC 6479."""

from ros_cloud_bridge.command_values import Reason

WIDTH = 64
# Of one key, and of all of them: no operator can have more keys than a robot takes.
MOST_EACH = 64
MOST_KEYS = 256
_FULL = (1 << WIDTH) - 1


class Window:
    """
    The newest number and which of the 63 below it have been; numbers count from 1.

    ``until_ms`` is the latest deadline seen: until it is past, a replay could be in time.
    """

    __slots__ = ('_high', '_seen', 'until_ms')

    def __init__(self) -> None:
        self._high = 0
        self._seen = 1  # 0 is no number
        self.until_ms = 0

    @property
    def high(self) -> int:
        """The highest number so far, 0 before the first."""
        return self._high

    def take(self, sequence: int) -> bool:
        """
        Use a number up.

        :param sequence: the number
        :returns: whether it is new; one that is too old to tell is not
        """
        ahead = sequence - self._high
        if ahead > 0:
            self._seen = ((self._seen << ahead) | 1) & _FULL if ahead < WIDTH else 1
            self._high = sequence
            return True
        if ahead <= -WIDTH or self._seen >> -ahead & 1:
            return False
        self._seen |= 1 << -ahead
        return True


class _Windows:
    """
    The windows of one key.

    A window goes only when every deadline that it has seen is past.
    """

    __slots__ = ('_full_until_ms', 'all')

    def __init__(self) -> None:
        self.all: dict[tuple[bytes, str], Window] = {}
        # Deadlines only move on: no window is free before the earliest seen when all were in use.
        self._full_until_ms = 0

    def has_room(self, now_ms: int) -> bool:
        """Tell whether there is room for one more, and make some when need be."""
        if len(self.all) < MOST_EACH:
            return True
        if now_ms <= self._full_until_ms:
            return False
        self.forget(now_ms)
        if len(self.all) < MOST_EACH:
            return True
        self._full_until_ms = min(window.until_ms for window in self.all.values())
        return False

    def forget(self, now_ms: int) -> None:
        """Let go of those whose deadlines are past."""
        self.all = {key: one for key, one in self.all.items() if one.until_ms >= now_ms}


class Windows:
    """
    A window per (kid, instance, channel), as many as there is room for.

    Each key has room of its own: whoever starts processes without end keeps nobody out but other
    processes with the same key.
    """

    def __init__(self) -> None:
        self._keys: dict[bytes, _Windows] = {}
        self._full_until_ms = 0

    def __len__(self) -> int:
        return sum(len(own.all) for own in self._keys.values())

    def take(
        self,
        key: tuple[bytes, bytes, str],
        sequence: int,
        deadline_ms: int,
        now_ms: int,
        *,
        increasing: bool = False,
    ) -> str:
        """
        Use up the number of a command that is in time.

        :param key: kid, operator instance and channel
        :param sequence: the command's
        :param deadline_ms: the command's, not past
        :param now_ms: robot's time
        :param increasing: whether only a number above all before will do
        :returns: why it is refused, or an empty text
        """
        kid, instance, channel = key
        own = self._keys.get(kid)
        if own is None:
            if len(self._keys) >= MOST_KEYS and not self._forget(now_ms):
                return Reason.BUSY
            own = self._keys[kid] = _Windows()
        window = own.all.get((instance, channel))
        if window is None:
            if not own.has_room(now_ms):
                return Reason.BUSY
            window = own.all[instance, channel] = Window()
        window.until_ms = max(window.until_ms, deadline_ms)
        if increasing and sequence <= window.high:
            return Reason.OUT_OF_ORDER
        return '' if window.take(sequence) else Reason.REPLAYED

    def _forget(self, now_ms: int) -> bool:
        """Let go of keys that have no window any more; returns whether there is room for one."""
        if now_ms <= self._full_until_ms:
            return False
        for own in self._keys.values():
            own.forget(now_ms)
        self._keys = {kid: own for kid, own in self._keys.items() if own.all}
        if len(self._keys) < MOST_KEYS:
            return True
        self._full_until_ms = min(
            max(window.until_ms for window in own.all.values()) for own in self._keys.values()
        )
        return False
