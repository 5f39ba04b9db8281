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


"""Guaranteed minimum rates: a stream that has not had its own yet goes before fair sharing."""

from collections.abc import Iterable

from ros_cloud_bridge.values import StreamConfig

# What a stream may save up, and owe at most, in seconds of its rate.
_SPAN_S = 1.0
# Promises never take the whole of a link that is thinner than their sum: of the latest bytes, so
# many, at most this share.
_MOST_SHARE = 0.9
_SHARE_BYTES = 10_000.0


class Guarantees:
    """
    Credit of streams with ``min_bytes_per_s``.

    :param streams: all streams
    :param now: monotonic seconds
    """

    def __init__(self, streams: Iterable[StreamConfig], now: float) -> None:
        self._rates: dict[str, float] = {}
        self._credit: dict[str, float] = {}
        self._updated = now
        self._share = 0.0
        self.configure(streams)

    def configure(self, streams: Iterable[StreamConfig]) -> None:
        """
        Follow a change of the configuration.

        :param streams: all streams
        """
        self._rates = {s.name: s.min_bytes_per_s for s in streams if s.min_bytes_per_s > 0}
        self._credit = {name: self._credit.get(name, 0.0) for name in self._rates}

    @property
    def total(self) -> float:
        """Sum of the guaranteed rates, bytes per second."""
        return sum(self._rates.values())

    def owed(self, now: float) -> frozenset[str]:
        """
        Say which streams have not had their guaranteed rate yet.

        :param now: monotonic seconds
        :returns: names
        """
        if not self._rates:
            return frozenset()
        elapsed = max(0.0, now - self._updated)
        self._updated = max(self._updated, now)
        for name, rate in self._rates.items():
            self._credit[name] = min(rate * _SPAN_S, self._credit[name] + elapsed * rate)
        return frozenset(name for name, credit in self._credit.items() if credit > 0)

    @property
    def excessive(self) -> bool:
        """Whether promises have taken so much lately that it is others' turn."""
        return self._share > _MOST_SHARE

    def note(self, size: float, promised: bool) -> None:
        """
        Note what was sent, for :attr:`excessive`.

        :param size: bytes on the link
        :param promised: whether it went before others because it was promised
        """
        self._share += ((1.0 if promised else 0.0) - self._share) * min(1.0, size / _SHARE_BYTES)

    def charge(self, stream: str, size: float) -> None:
        """
        Charge what a stream sent, whoever let it.

        :param stream: its name
        :param size: bytes on the link
        """
        rate = self._rates.get(stream)
        if rate is not None:
            # What it got beyond its rate from a link with room is not held against it for long.
            self._credit[stream] = max(-rate * _SPAN_S, self._credit[stream] - size)
