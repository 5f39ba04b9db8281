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


"""
The pacer: when the next message may go, and how large a fragment is.

One pacer serves all MQTT sessions of a robot, for they share one link.
"""

from collections.abc import Callable
from dataclasses import dataclass
import math

from ros_cloud_bridge.core.pacing.bbr import Bbr
from ros_cloud_bridge.core.pacing.control import Control
from ros_cloud_bridge.core.pacing.filters import WindowedExtreme
from ros_cloud_bridge.core.pacing.flight import Flight, Packet
from ros_cloud_bridge.core.pacing.ledbat import Ledbat
from ros_cloud_bridge.core.pacing.model import LinkModel
from ros_cloud_bridge.values import Algorithm

ALGORITHMS: dict[Algorithm, Callable[[], Control]] = {
    Algorithm.BBR: Bbr,
    Algorithm.LEDBAT: Ledbat,
}

# A fragment holds the link for this long at most, but is never smaller than the floor.
FRAGMENT_S = 0.03
FRAGMENT_FLOOR = 512
# In between it grows with the root of the rate, from this at that rate (see bbr.py for why).
_FRAGMENT_ROOT = 960.0
_FRAGMENT_ROOT_RATE = 32_000.0
# On fast links it is what saves work that counts.
_FAST_RATE = 500_000.0
# What may be in flight grows to so many times what was there lately: a rate that was measured on
# a few small messages has not been tried yet (RFC 7661 says the same of TCP's window).
_GROWTH = 2.0
_LATELY_S = 3.0
# Part of the broker's window of messages that a long path may fill.
_WINDOW_SHARE = 0.7
# Ethernet, IPv4 and TCP with time stamps; PUBLISH with packet id and topic alias.
SEGMENT_BYTES = 1448
_SEGMENT_OVERHEAD = 66
_SEGMENT_OPTIONS = 12
# 400 kbit/s.
_THIN_RATE = 50_000.0
_PUBLISH_OVERHEAD = 12
# A drain looks for the base round trip when it was not seen for this long.
# Not always the same time: two bridges that drain in step would not see each other's.
_DRAIN_PERIOD_S = 4.5
_DRAIN_SPREAD_S = 3.0
_GOLDEN = 0.618034
_DRAIN_ROUND_TRIPS = 50.0
_DRAIN_S = 0.05
_DRAIN_MOST_S = 0.6
# A message was alone after a drain, and its round trip is beyond the base by more than this and by
# more than the base, twice running: that is not another bridge's short queue, but a longer path.
# Longer still is the queue of a flow that fills the buffer.
_LONGER_S = 0.09
_LONGER_FRAGMENTS = 3
_LONGER_MOST_S = 0.7
_LONGER_DRAINS = 2
# A queue beyond the same bound for so long is a reason to drain before it is time.
_LONG_QUEUE_S = 2.0
# An answer that did not come after this many time-outs does not come at all.
_LOST_TIMEOUTS = 8.0


def link_cost(size: int) -> int:
    """
    Estimate what a message takes on the link.

    :param size: bytes of payload and topic as sent
    :returns: bytes with MQTT, TCP, IP and Ethernet headers
    """
    packet = size + _PUBLISH_OVERHEAD
    return packet + -(-packet // SEGMENT_BYTES) * _SEGMENT_OVERHEAD


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkState:
    """The pacer's view of the link; rates and windows in bytes with all headers."""

    rate_bytes_per_s: float
    base_rtt_s: float
    rtt_s: float
    queue_delay_s: float
    window_bytes: int
    in_flight_bytes: int
    fragment_bytes: int
    stalled: bool


class Pacer:
    """
    Decides when the next message may go.

    :param algorithm: the congestion control
    :param guaranteed_bytes_per_s: what streams were promised: the window never sinks below what
        this takes, whoever else fills the link
    """

    def __init__(self, algorithm: Algorithm, guaranteed_bytes_per_s: float = 0.0) -> None:
        self._control = ALGORITHMS[algorithm]()
        self._model = LinkModel()
        self._flight = Flight()
        self._peaks: WindowedExtreme[None] = WindowedExtreme(_LATELY_S)
        self._tried = 0.0
        self._guaranteed = guaranteed_bytes_per_s
        self.max_in_flight = 20
        self.rate_limit: float | None = None
        self._finish = 0.0
        self._stalled = False
        self._draining = False
        self._drained_at = 0.0
        self._empty_at: float | None = None
        self._alone: Packet | None = None
        self._longer = 0
        self._drained = False
        self._drains_made = 0
        self._long_queue_since: float | None = None

    def connected(self, now: float) -> None:
        """
        Begin with a new connection: the path may be another one.

        :param now: monotonic seconds
        """
        self._flight.clear()
        self._model.reset()
        self._control.reset()
        self._peaks.clear()
        self._tried = 0.0
        self._finish = now
        self._stalled = self._draining = False
        self._drained_at = now
        self._empty_at = None
        self._alone = self._long_queue_since = None
        self._longer = 0
        self._drained = False

    @property
    def fragment_bytes(self) -> int:
        """Bytes of payload that hold the link for no longer than a fragment may."""
        rate = self._model.rate
        if self.rate_limit is not None:
            rate = min(rate, self.rate_limit)
        cost = min(
            rate * FRAGMENT_S,
            max(
                _FRAGMENT_ROOT * math.sqrt(rate / _FRAGMENT_ROOT_RATE),
                (rate - _FAST_RATE) * FRAGMENT_S,
            ),
        )
        # A long path must not be limited by the number of messages that the broker takes.
        segment = SEGMENT_BYTES + _SEGMENT_OVERHEAD
        path = rate * self._model.base_s / (_WINDOW_SHARE * self.max_in_flight)
        if path > cost:
            cost = math.ceil(path / segment) * segment
        cost = min(cost, max(segment, self._tried / _GROWTH))
        if cost > SEGMENT_BYTES:
            # Whole segments: a short one at the end of each fragment would cost a header.
            return max(1, round(cost / segment)) * SEGMENT_BYTES - _PUBLISH_OVERHEAD
        return max(FRAGMENT_FLOOR, int(cost) - _SEGMENT_OVERHEAD - _PUBLISH_OVERHEAD)

    @property
    def segment_bytes(self) -> int:
        """
        TCP maximum segment size that suits the link, with options; 0 for what the system chooses.

        On a thin link a segment holds one fragment: what waits in the socket, as after a new
        connection, would otherwise go out in full frames, which take 189 ms at 64 kbit/s.
        """
        if not self._model.known or self._model.rate > _THIN_RATE:
            return 0
        return self.fragment_bytes + _PUBLISH_OVERHEAD + _SEGMENT_OPTIONS

    @property
    def rate_bytes_per_s(self) -> float | None:
        """The link's delivery rate; None before the first answer."""
        return self._model.rate if self._model.known else None

    def sent(self, size: int, now: float) -> Packet:
        """
        Note a message that leaves.

        :param size: bytes of payload and topic
        :param now: monotonic seconds
        :returns: to be given back with its answer
        """
        cost = link_cost(size)
        self._finish = max(self._finish, now) + cost / self._model.rate
        packet = self._flight.sent(cost, now)
        if self._drained:
            self._alone, self._drained = packet, False
        return packet

    def passed(self, size: int, now: float) -> None:
        """
        Note a message of another session over the same link; its answer is not told.

        :param size: bytes of payload and topic
        :param now: monotonic seconds
        """
        self._finish = max(self._finish, now) + link_cost(size) / self._model.rate

    def answered(self, packet: Packet, at: float, sent_at: float | None = None) -> None:
        """
        Take the broker's answer.

        :param packet: the message
        :param at: monotonic seconds, when the answer came
        :param sent_at: when the message really left, if that is known better
        """
        if sent_at is not None:
            packet.sent_at = sent_at
        before = self._flight.bytes
        answer = self._flight.answered(packet, at, self._model.pause_s)
        if answer is None:
            return
        self._peaks.add(before, at, None)
        self._stalled = False
        self._model.answered(answer)
        self._watch_base(packet, at)
        self._correct_finish(at)
        self._control.answered(answer, self._model, self._fragment_cost)

    def gave_up(self, packet: Packet) -> None:
        """
        Forget a message for which no answer is expected any more.

        :param packet: the message
        """
        self._flight.forget(packet)

    def idle(self) -> None:
        """Note that the link could take more than there is to send."""
        self._flight.idle()

    def wait_s(self, now: float) -> float | None:
        """
        Say when the next message may go.

        :param now: monotonic seconds
        :returns: 0 now, seconds until then, or None when an answer must come first
        """
        overdue = self.overdue(now)
        self._tried = self._peaks.best_since(now)
        if not self._flight:
            return self._rest_of_drain(now)
        if self._drains(now):
            return overdue
        allowance = self._control.allowance(self._model, self._fragment_cost)
        window = min(allowance.window, max(2 * self._fragment_cost, _GROWTH * self._tried))
        if self._flight.bytes >= window:
            return overdue
        wait = self._finish - allowance.lead_s - now
        return max(0.0, wait) if wait > 1e-4 else 0.0

    def state(self, now: float) -> LinkState:
        """
        Describe the link.

        :param now: monotonic seconds
        :returns: present figures
        """
        allowance = self._control.allowance(self._model, self._fragment_cost)
        return LinkState(
            rate_bytes_per_s=self._model.rate,
            base_rtt_s=self._model.base_s,
            rtt_s=self._model.smoothed_trip_s,
            queue_delay_s=self._model.queue_s,
            window_bytes=int(min(allowance.window, 1e12)),
            in_flight_bytes=self._flight.bytes,
            fragment_bytes=self.fragment_bytes,
            stalled=self._stalled,
        )

    @property
    def _fragment_cost(self) -> float:
        return float(link_cost(self.fragment_bytes))

    @property
    def guaranteed_room(self) -> bool:
        """
        Whether what streams were promised may go although the window is full.

        Beside another flow that fills the link's queue the window shrinks to almost nothing; what
        was promised still needs its rate times the round trip in flight.
        """
        return self._flight.bytes < self._guaranteed * self._model.smoothed_trip_s

    def _correct_finish(self, at: float) -> None:
        """Set the expected end of what is in flight right: an answer tells where the link is."""
        model = self._model
        finish = at - model.base_s
        for packet in self._flight.packets:
            finish = max(finish, packet.sent_at) + packet.cost / model.rate
        # Jitter only ever delays an answer, so the correction downwards is taken as it is and the
        # one upwards less what is usual.
        usual = min(finish, max(self._finish, finish - 0.25 * model.base_s))
        self._finish = usual

    def overdue(self, now: float) -> float | None:
        """
        Notice answers that are overdue; to be called every second at least.

        :param now: monotonic seconds
        :returns: 0 when one was given up for lost, else None: an answer must come first
        """
        oldest = self._flight.oldest
        if oldest is None:
            return None
        time_out = self._model.time_out_s
        waited = now - oldest.sent_at
        if waited > _LOST_TIMEOUTS * time_out and self._flight.skipped is oldest:
            # A later one was answered for: this answer is lost, not late.
            self._flight.forget(oldest)
            return 0.0
        if waited > time_out and not self._stalled:
            self._stalled = True
            self._control.timed_out()
        return None

    def _drains(self, now: float) -> bool:
        """
        Let the queue run empty once in a while.

        So this pacer sees the base round trip, and so does another one that shares the link and
        has never seen it without a queue. A queue that others keep full is not waited for.
        """
        base_s = self._model.base_s
        if self._draining:
            self._draining = now - self._drained_at < _DRAIN_MOST_S + 2 * base_s
            return self._draining
        since = now - self._drained_at
        long_queue = (
            self._long_queue_since is not None
            and now - self._long_queue_since > _LONG_QUEUE_S
            and since > _LONG_QUEUE_S
        )
        period = _DRAIN_PERIOD_S + _DRAIN_SPREAD_S * (self._drains_made * _GOLDEN % 1.0)
        if since < max(period, _DRAIN_ROUND_TRIPS * base_s) and not long_queue:
            return False
        self._draining = True
        self._drains_made += 1
        self._drained_at = now
        return True

    def _watch_base(self, packet: Packet, at: float) -> None:
        """Notice a path that became longer, which looks like a queue that never ends."""
        model = self._model
        bound = max(_LONGER_S, model.base_s, _LONGER_FRAGMENTS * self._fragment_cost / model.rate)
        if model.queue_s <= bound:
            self._long_queue_since = None
        elif self._long_queue_since is None:
            self._long_queue_since = at
        if packet is not self._alone:
            return
        self._alone = None
        self._longer = self._longer + 1 if bound < model.queue_s < _LONGER_MOST_S else 0
        if self._longer >= _LONGER_DRAINS:
            self._longer = 0
            model.forget_base()

    def _rest_of_drain(self, now: float) -> float:
        if not self._draining:
            return 0.0
        if self._empty_at is None:
            self._empty_at = now
        wait = self._empty_at + _DRAIN_S - now
        if wait > 1e-4:
            return wait
        self._draining = False
        self._drained = True
        self._drained_at = now
        self._empty_at = None
        return 0.0
