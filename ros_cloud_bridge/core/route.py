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

"""A route: one (stream, topic, type) with its policy, queue, sequence numbers and statistics."""

from collections import Counter, deque, OrderedDict
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Protocol

from ros_cloud_bridge.core.keys import key_of
from ros_cloud_bridge.core.ladder_steps import LEVELS
from ros_cloud_bridge.core.latched import LatchedValues
from ros_cloud_bridge.core.queued import Queued
from ros_cloud_bridge.core.rate import RateLimiter
from ros_cloud_bridge.core.unreduced import Unreduced
from ros_cloud_bridge.values import Drop, Keep, Key, OfferedQos, Received, StreamConfig

_DROPS_IN_QUEUE = (Drop.SUPERSEDED, Drop.OVERFLOW_SAMPLES, Drop.OVERFLOW_BYTES, Drop.EXPIRED)

# A batch that leaves this much later than its stream's delay asks for shows a busy link; less is
# the pump's own pace.
_BUSY_S = 0.1

_NO_LIMIT = float('inf')

# Keys come out of messages: there may be any number of them.
_MAX_LIMITERS = 1024


class Screen(Protocol):
    """What shows a route's samples on dashboards."""

    def offer(self, samples: Sequence[Received], now: float) -> None:
        """
        Take accepted samples in.

        :param samples: in the order of their arrival
        :param now: monotonic seconds
        """

    def document(self) -> dict[str, object]:
        """
        Give what ``health`` says of it.

        :returns: JSON-able
        """


class Route:
    """
    One route.

    At any time ``accepted == delivered + sum of sequenced drops + queued + in_flight``.

    :param number: the route's number in batches, unique per boot
    :param stream: its stream's policy
    :param topic: ROS topic
    :param type_name: of what goes out, as in ``sensor_msgs/msg/Imu``
    :param gated: whether the subscription itself keeps the rate, so that the route need not
    """

    durable = False

    def __init__(
        self, number: int, stream: StreamConfig, topic: str, type_name: str, gated: bool = False
    ) -> None:
        self.number = number
        self.topic = topic
        self.type_name = type_name
        self.schema_id = ''
        # With a reducer: the type that comes in, and what waits for it.
        self.source_type = type_name
        self.unreduced: Unreduced | None = None
        # Why its stream's reducer does not fit it.
        self.reducer_problem = ''
        # Where dashboards are made of it, and why not.
        self.screen: Screen | None = None
        self.dashboard_problem = ''
        self.level = LEVELS[0]
        self.gated = gated
        self.received = 0
        self.accepted = 0
        self.delivered = 0
        self.in_flight = 0
        self.bytes_accepted = 0
        self.wire_bytes = 0
        # Bytes on the wire per raw byte, as the last batches had it; 1 until there was one.
        self.wire_ratio = 1.0
        # The rate that holds now, 0 without a limit, and whether nothing at all is wanted.
        self.effective_hz = 0.0
        self.paused = False
        # Why a sample is left out that comes before its time: what limits the rate most.
        self.thinned_by = Drop.RATE
        self._demand_hz: float | None = None
        self._ladder_hz: float | None = None
        self.drops: Counter[Drop] = Counter()
        self.latched: LatchedValues | None = None
        self.on_accept: Callable[[Route, int, Sequence[Received]], None] | None = None
        self.publishers: frozenset[bytes] = frozenset()
        self.publisher_count = 0
        # What they offer, once there were any.
        self.offered: OfferedQos | None = None
        self.queued_bytes = 0
        self._next_sequence = 1
        self._phase = 0
        self._limiters: OrderedDict[object, RateLimiter] = OrderedDict()
        self._queue: deque[Queued] = deque()
        self._waits_since = 0.0
        self._taken = 0
        self._dropped_before_taken: dict[Drop, int] = {}
        self._stream = stream
        self.stream = stream

    @property
    def stream(self) -> StreamConfig:
        """The policy; setting it changes the rate and the bounds from the next sample on."""
        return self._stream

    @stream.setter
    def stream(self, stream: StreamConfig) -> None:
        self._stream = stream
        self._follow_rate()

    @property
    def form(self) -> str:
        """The compact form of what goes out; empty for plain CDR."""
        return '' if self.unreduced is None else self.unreduced.reduction.form

    @property
    def waiting_bytes(self) -> int:
        """Bytes in memory that have yet to go out, before and behind the reducer."""
        before = 0 if self.unreduced is None else self.unreduced.bytes
        return self.queued_bytes + before

    def limit(
        self, demand_hz: float | None, ladder_hz: float | None, level: str = LEVELS[0]
    ) -> None:
        """
        Set what else limits the rate, beside the stream's own ``max_hz``, and how much is reduced.

        :param demand_hz: what consumers have leased, infinite for as fast as allowed; None when
            the stream needs no lease
        :param ladder_hz: what the degradation ladder has cut it down to; None for no limit
        :param level: a reducer's
        """
        self.level = level
        if (demand_hz, ladder_hz) != (self._demand_hz, self._ladder_hz):
            self._demand_hz, self._ladder_hz = demand_hz, ladder_hz
            self._follow_rate()

    def _follow_rate(self) -> None:
        demand, ladder = self._demand_hz, self._ladder_hz
        limits = (self._stream.max_hz or None, demand, ladder)
        hz = min((limit for limit in limits if limit is not None), default=_NO_LIMIT)
        self.paused = demand == 0.0 or ladder == 0.0
        self.effective_hz = 0.0 if hz == _NO_LIMIT else hz
        self.thinned_by = Drop.RATE
        if demand is not None and demand == hz:
            self.thinned_by = Drop.NOT_DEMANDED
        elif ladder is not None and ladder == hz:
            self.thinned_by = Drop.DEGRADED
        if hz in (0.0, _NO_LIMIT) or self.gated:
            self._limiters.clear()
        for limiter in self._limiters.values():
            limiter.max_hz = hz

    def __len__(self) -> int:
        return len(self._queue)

    def offer(self, samples: Sequence[Received], now: float) -> int:
        """
        Offer samples as they came in; those that the policy accepts wait in the queue.

        With a reducer they wait for that one first, and are accepted when they come out of it.

        :param samples: in the order of their arrival
        :param now: monotonic seconds
        :returns: how many were accepted
        """
        self.received += len(samples)
        passed = self._thin(samples)
        if not passed:
            return 0
        if self.unreduced is None:
            return self.accept(passed, now)
        self.unreduced.add(passed, now)
        self.unreduced.trim(self._stream, now, self.drops)
        return 0

    def accept(self, passed: Sequence[Received], now: float) -> int:
        """
        Give samples numbers and let them wait in the queue.

        :param passed: in the order of their arrival
        :param now: monotonic seconds; from here on their waiting is the link's
        :returns: how many, which is all of them
        """
        first = self._next_sequence
        self._next_sequence += len(passed)
        self.accepted += len(passed)
        size = sum([len(sample[0]) for sample in passed])
        self.bytes_accepted += size
        self.queued_bytes += size
        numbered = zip(range(first, self._next_sequence), passed, repeat(now), strict=False)
        # What Queued(...) does, without the call of a Python function for each sample.
        queued = [tuple.__new__(Queued, entry) for entry in numbered]
        if self.on_accept is not None:
            self.on_accept(self, first, passed)
        if self.latched is not None:
            self.latched.update(queued, self.publishers, self.publisher_count)
        if self.screen is not None:
            self.screen.offer(passed, now)
        if not self._queue:
            self._waits_since = now
        self._queue.extend(queued)
        self._supersede(now)
        self._enforce_bounds()
        return len(passed)

    def _thin(self, samples: Sequence[Received]) -> Sequence[Received]:
        every = self._stream.decimation
        if every > 1:
            kept = samples[-self._phase % every :: every]
            self._phase = (self._phase + len(samples)) % every
            self.drops[Drop.DECIMATION] += len(samples) - len(kept)
            samples = kept
        if self.paused:
            self.drops[self.thinned_by] += len(samples)
            return ()
        if self.effective_hz > 0 and not self.gated:
            kept = self._limit(samples)
            self.drops[self.thinned_by] += len(samples) - len(kept)
            samples = kept
        return samples

    def _limit(self, samples: Sequence[Received]) -> Sequence[Received]:
        key = self._stream.key
        if key is Key.ROUTE:
            accept = self._limiter(None).accept
            return [sample for sample in samples if accept(sample.receive_time_ns)]
        # A rate of its own per key: what is kept apart must not thin one another.
        return [
            sample
            for sample in samples
            if self._limiter(key_of(sample, key)).accept(sample.receive_time_ns)
        ]

    def _limiter(self, slot: object) -> RateLimiter:
        limiter = self._limiters.get(slot)
        if limiter is None:
            limiter = self._limiters[slot] = RateLimiter(self.effective_hz)
            if len(self._limiters) > _MAX_LIMITERS:
                self._limiters.popitem(last=False)
        return limiter

    def _supersede(self, now: float) -> None:
        """
        Keep just the newest sample per key, if the link has been too busy to take them.

        While batches leave in time nothing is superseded, however many samples one holds: their
        rate is ``max_hz``'s business, and waiting for a batch is our own choice.
        """
        stream = self._stream
        busy_s = 2 * stream.max_delay_s + _BUSY_S
        if stream.keep is not Keep.LATEST or not self._queue:
            return
        if now - self._queue[0].offered_at <= busy_s:
            return
        newest: dict[object, Queued] = {}
        for entry in reversed(self._queue):
            slot = None if stream.key is Key.ROUTE else key_of(entry.sample, stream.key)
            if newest.setdefault(slot, entry) is not entry:
                self._drop(entry, Drop.SUPERSEDED)
        if len(newest) < len(self._queue):
            self._queue = deque(reversed(newest.values()))

    def _enforce_bounds(self) -> None:
        stream = self._stream
        while len(self) > stream.max_samples:
            self._drop(self._pop_oldest(), Drop.OVERFLOW_SAMPLES)
        # The newest sample is kept even if it alone is over the bound in bytes: refusing it would
        # silence the route for good.
        while self.queued_bytes > stream.max_bytes and len(self) > 1:
            self._drop(self._pop_oldest(), Drop.OVERFLOW_BYTES)

    def drop_oldest(self, reason: Drop) -> bool:
        """
        Drop the oldest waiting sample, unless it is the only one.

        :param reason: why
        :returns: whether one was dropped
        """
        if self.unreduced is not None and self.unreduced.give_way(self.drops):
            return True
        if len(self) < 2:
            return False
        self._drop(self._pop_oldest(), reason)
        return True

    def drop_head(self, reason: Drop) -> None:
        """
        Drop the oldest waiting sample.

        :param reason: why
        """
        self._drop(self._pop_oldest(), reason)

    def drop_all(self, reason: Drop) -> int:
        """
        Drop whatever waits.

        :param reason: why
        :returns: how many samples
        """
        count = len(self) + self.drop_unreduced()
        while self._queue:
            self._drop(self._pop_oldest(), reason)
        return count

    def drop_unreduced(self) -> int:
        """
        Drop what waits for the reducer.

        :returns: how many samples
        """
        return 0 if self.unreduced is None else self.unreduced.drop_all(self.drops)

    def _pop_oldest(self) -> Queued:
        return self._queue.popleft()

    def _oldest(self) -> Queued | None:
        return self._queue[0] if self._queue else None

    def _drop(self, entry: Queued, reason: Drop) -> None:
        self.queued_bytes -= len(entry.sample.cdr)
        self.drops[reason] += 1

    def expire(self, now: float) -> None:
        """
        Drop what a busy link has made worthless: superseded, or older than the stream allows.

        :param now: monotonic seconds
        """
        self._supersede(now)
        if self.unreduced is not None:
            self.unreduced.trim(self._stream, now, self.drops)
        limit = self._stream.max_age_s
        if limit <= 0:
            return
        while (oldest := self._oldest()) is not None and now - oldest.offered_at > limit:
            self._drop(self._pop_oldest(), Drop.EXPIRED)

    def due_at(self) -> float | None:
        """
        Say when the oldest waiting sample has waited for its batch long enough.

        :returns: monotonic seconds, or None when nothing waits
        """
        if not self._queue:
            return None
        # Not of the oldest sample: where newer ones keep replacing it, none would ever be due.
        return self._waits_since + self._stream.max_delay_s

    def age_s(self, now: float) -> float:
        """
        Say how long the oldest waiting sample has waited.

        :param now: monotonic seconds
        :returns: seconds; 0 when nothing waits
        """
        oldest = self._oldest()
        return 0.0 if oldest is None else now - oldest.offered_at

    def take_if_latched(self) -> list[Queued]:
        """
        Take everything out of the queue, provided that the latched values hold all of it.

        :returns: in the order of their sequence numbers; they count as in flight from here on
        """
        if self.latched is None:
            return []
        held = {entry.sequence for entry in self.latched.samples}
        waiting = [entry.sequence for entry in self._queue]
        if not waiting or not held.issuperset(waiting):
            return []
        return self.take(self.queued_bytes, len(waiting))

    def next_size(self) -> int:
        """
        Give the size of the sample that :meth:`take` gives next.

        :returns: bytes; 0 when nothing waits
        """
        oldest = self._oldest()
        return 0 if oldest is None else len(oldest.sample.cdr)

    def take(self, max_bytes: int, max_samples: int) -> list[Queued]:
        """
        Take the oldest samples out of the queue.

        :param max_bytes: stop before passing this, but take at least one sample
        :param max_samples: most samples
        :returns: in the order of their sequence numbers; they count as in flight from here on
        """
        taken: list[Queued] = []
        size = 0
        queue = self._queue
        for _ in range(min(max_samples, len(queue))):
            length = len(queue[0].sample.cdr)
            if taken and size + length > max_bytes:
                break
            size += length
            taken.append(queue.popleft())
        self.queued_bytes -= size
        self.in_flight += len(taken)
        if queue:
            self._waits_since = queue[0].offered_at
        if taken:
            self._taken += len(taken)
            self._note_drops_before(taken[-1].sequence)
        return taken

    def _note_drops_before(self, sequence: int) -> None:
        # Whatever is numbered up to here was taken or dropped. Only a keyed sample is superseded
        # while older ones wait, so only those drops can lie behind this sample.
        counts = {reason: self.drops[reason] for reason in _DROPS_IN_QUEUE}
        counts[Drop.SUPERSEDED] -= sum(counts.values()) - (sequence - self._taken)
        self._dropped_before_taken = counts

    def settle(
        self, count: int, reason: Drop | None = None, span: tuple[int, int] = (1, 0)
    ) -> None:
        """
        Say what became of samples that were in flight.

        :param count: how many
        :param reason: why they were dropped; None when they were delivered
        :param span: sequence number of the first and of the last, where that matters
        """
        self.in_flight -= count
        if reason is None:
            self.delivered += count
        else:
            self.drops[reason] += count

    def totals(self) -> dict[int, int]:
        """
        Give the cumulative drops since boot, of numbered samples those before the last one taken.

        So a receiver can set what is missing between two samples against what was dropped there.

        :returns: count by :class:`Drop` value, zero counts left out
        """
        counts = {**self.drops, **self._dropped_before_taken}
        if not self._taken:
            counts = {reason: count for reason, count in counts.items() if not reason.sequenced}
        return {int(reason): count for reason, count in counts.items() if count}
