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
# Guarantees never take the whole of a link that is thinner than their sum.
_LINK_SHARE = 0.9


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

    def owed(self, now: float, link_rate: float | None) -> frozenset[str]:
        """
        Say which streams have not had their guaranteed rate yet.

        :param now: monotonic seconds
        :param link_rate: bytes per second of the link, None while unknown
        :returns: names
        """
        if not self._rates:
            return frozenset()
        scale = 1.0
        if link_rate is not None:
            scale = min(1.0, _LINK_SHARE * link_rate / self.total)
        elapsed = max(0.0, now - self._updated)
        self._updated = max(self._updated, now)
        for name, rate in self._rates.items():
            credit = self._credit[name] + elapsed * rate * scale
            self._credit[name] = min(rate * _SPAN_S, credit)
        return frozenset(name for name, credit in self._credit.items() if credit > 0)

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
