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

"""Which streams on demand somebody wants, how often and until when; told the time."""

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
import fnmatch
import math
import re

from ros_cloud_bridge.values import DemandConfig, Lease, StreamConfig

MAX_CONSUMERS = 32
MAX_LEASES = 256
MAX_REFUSALS = 32
# A refusal is told this long, so that whoever asked can read of it.
REFUSAL_S = 60.0

# The bounds that a configured rate has. A wish above is for all there is, and one below would be
# a period that no clock counts.
_LOWEST_HZ = 0.0001
_HIGHEST_HZ = 100_000.0

_CONSUMER = re.compile(r'[A-Za-z0-9_-]{1,64}')
_SHOWN = 64

UNKNOWN_STREAM = 'unknown stream'
NOT_ON_DEMAND = 'stream is not on_demand'
NOT_ALLOWED = 'consumer not allowed'
TOO_MANY_CONSUMERS = 'too many consumers'
TOO_MANY_LEASES = 'too many leases'


@dataclass(frozen=True, slots=True)
class _Held:
    hz: float
    ends_at: float
    vouched: bool = False


def parse_wish(text: str) -> tuple[str, float]:
    """
    Read which stream somebody wants, and how fast.

    :param text: as in ``camera:5``, or ``camera`` for as fast as the robot allows
    :returns: the stream's name, and hertz or 0
    :raises ValueError: says what it must be
    """
    stream, colon, rate = text.partition(':')
    try:
        hz = float(rate) if colon else 0.0
    except ValueError:
        hz = -1.0
    if not stream or len(stream) > 64 or not 0.0 <= hz < float('inf') or (colon and hz == 0.0):
        raise ValueError('is not STREAM or STREAM:HZ, as in camera:5')
    return stream, hz


class Demand:
    """
    The leases of one bridge.

    All consumers' leases of a stream together make its rate: the highest that any of them wants,
    and never less than the stream's ``idle_hz``. ``refused`` counts what was not granted by
    reason, since boot.

    :param streams: all streams
    :param config: who may lease, and for how long
    """

    def __init__(self, streams: Iterable[StreamConfig], config: DemandConfig) -> None:
        self.refused: Counter[str] = Counter()
        self._held: dict[str, dict[str, _Held]] = {}
        self._refusals: OrderedDict[tuple[str, str], tuple[str, float]] = OrderedDict()
        self.configure(streams, config)

    def configure(self, streams: Iterable[StreamConfig], config: DemandConfig) -> None:
        """
        Use another configuration; leases that it still permits go on.

        :param streams: all streams
        :param config: who may lease, and for how long
        """
        self._streams = {stream.name: stream for stream in streams}
        self._max_lease_s = config.max_lease_s
        self._allow = tuple(re.compile(fnmatch.translate(glob)) for glob in config.allow)
        self._held = {
            name: {
                consumer: held
                for consumer, held in holders.items()
                if held.vouched or self._may(consumer)
            }
            for name, holders in self._held.items()
            if name in self._streams and self._streams[name].on_demand
        }

    def lease(self, consumer: str, lease: Lease, now: float, *, vouched: bool = False) -> str:
        """
        Grant a lease, or take it back when it asks for no time at all.

        A renewal takes the place of the consumer's own lease of the stream.

        :param consumer: who asks
        :param lease: for what; a longer one than is allowed is shortened
        :param now: monotonic seconds
        :param vouched: whether a command's signature has shown that the consumer may
        :returns: why it is refused; empty when it is granted
        """
        self._forget(now)
        reason = self._objection(consumer, lease, vouched)
        place = (consumer[:_SHOWN], lease.stream[:_SHOWN])
        if reason:
            self.refused[reason] += 1
            self._refusals[place] = (reason, now + REFUSAL_S)
            self._refusals.move_to_end(place)
            if len(self._refusals) > MAX_REFUSALS:
                self._refusals.popitem(last=False)
            return reason
        self._refusals.pop(place, None)
        holders = self._held.setdefault(lease.stream, {})
        if lease.seconds > 0:
            ends_at = now + min(lease.seconds, self._max_lease_s)
            holders[consumer] = _Held(_bounded(lease.hz), ends_at, vouched)
        else:
            holders.pop(consumer, None)
        return ''

    def hz(self, stream: str, now: float) -> float | None:
        """
        Say at which rate a stream is wanted.

        :param stream: its name
        :param now: monotonic seconds
        :returns: None when the stream does not flow on demand (or is unknown); infinity for as
            fast as it may; 0 for not at all
        """
        config = self._streams.get(stream)
        if config is None or not config.on_demand:
            return None
        holders = self._held.get(stream, {}).values()
        return max([config.idle_hz, *(held.hz for held in holders if held.ends_at > now)])

    def next_change(self, now: float) -> float | None:
        """
        Say when the next lease ends.

        :param now: monotonic seconds
        :returns: monotonic seconds, or None without any lease
        """
        ends = [held.ends_at for _, _, held in self._live(now)]
        return min(ends, default=None)

    def leases(self, now: float) -> list[dict[str, object]]:
        """
        List what is leased, for a report.

        :param now: monotonic seconds
        :returns: ``stream``, ``consumer``, ``hz`` (0: as fast as the stream allows) and
            ``ends_in_s`` of each lease
        """
        return [
            {
                'stream': stream,
                'consumer': consumer,
                'hz': 0.0 if held.hz == math.inf else held.hz,
                'ends_in_s': round(held.ends_at - now, 3),
            }
            for stream, consumer, held in self._live(now)
        ]

    def refusals(self, now: float) -> dict[str, str]:
        """
        List what was refused of late, for a report.

        :param now: monotonic seconds
        :returns: the reason by ``consumer/stream``
        """
        return {
            f'{consumer}/{stream}': reason
            for (consumer, stream), (reason, until) in self._refusals.items()
            if until > now
        }

    def _live(self, now: float) -> list[tuple[str, str, _Held]]:
        return [
            (stream, consumer, held)
            for stream, holders in self._held.items()
            for consumer, held in holders.items()
            if held.ends_at > now
        ]

    def _forget(self, now: float) -> None:
        for holders in self._held.values():
            for consumer in [name for name, held in holders.items() if held.ends_at <= now]:
                del holders[consumer]

    def _may(self, consumer: str) -> bool:
        # A name that no allow list can hold is nobody's, whatever '*' would match.
        return _CONSUMER.fullmatch(consumer) is not None and any(
            glob.fullmatch(consumer) for glob in self._allow
        )

    def _objection(self, consumer: str, lease: Lease, vouched: bool) -> str:
        # Rights first: whoever has none learns nothing about the streams.
        if not (vouched or self._may(consumer)):
            return NOT_ALLOWED
        stream = self._streams.get(lease.stream)
        if stream is None:
            return UNKNOWN_STREAM
        if not stream.on_demand:
            return NOT_ON_DEMAND
        if lease.seconds <= 0 or consumer in self._held.get(lease.stream, {}):
            return ''
        consumers = {name for holders in self._held.values() for name in holders}
        if consumer not in consumers and len(consumers) >= MAX_CONSUMERS:
            return TOO_MANY_CONSUMERS
        if sum(map(len, self._held.values())) >= MAX_LEASES:
            return TOO_MANY_LEASES
        return ''


def _bounded(hz: float) -> float:
    return math.inf if hz <= 0 or hz > _HIGHEST_HZ else max(hz, _LOWEST_HZ)
