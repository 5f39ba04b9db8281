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

"""How far the sending of each lane has come, who is there to confirm it, and what must wait."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ros_cloud_bridge.ranges import Ranges
from ros_cloud_bridge.store.lanes import Lane, NEVER
from ros_cloud_bridge.values import Confirm

# A consumer says that it is there at least every 20 s.
_PRESENT_S = 60.0
_MOST_INSTANCES = 8
_FIRST_RETRY_S, _LAST_RETRY_S = 1.0, 60.0
FIRST_RESEND_S, _LAST_RESEND_S = 30.0, 600.0


@dataclass(slots=True)
class Progress:
    """
    How far the sending of a lane has come.

    ``away`` are the numbers on their way as backlog, ``sent`` those that wait for their consumer.
    ``accounting`` while an account is on its way, ``accounted`` once everything is told, ``stale``
    when there is more to tell than the account on its way says. Gaps are told up to ``told_to``;
    how far the lane is committed, last told as ``committed_told``, once ``tell_committed`` is set.
    """

    away: Ranges = field(default_factory=Ranges)
    sent: Ranges = field(default_factory=Ranges)
    resend_at: float = NEVER
    resend_s: float = FIRST_RESEND_S
    accounting: bool = False
    accounted: bool = False
    told_to: int = -1
    committed_told: int = 0
    tell_committed: bool = False
    stale: bool = False

    def begin_again(self) -> None:
        """Forget what was sent and told: whoever had it has not kept it."""
        self.sent.clear()
        self.committed_told = 0
        self.tell_again()

    def tell_again(self) -> None:
        """Tell all gaps, whatever becomes of an account that is on its way."""
        self.accounted, self.told_to, self.stale = False, -1, self.accounting

    def told(self, to: int, everything: bool) -> None:
        """
        Note that an account has arrived.

        :param to: the highest number of the gaps that are told
        :param everything: whether it tells all gaps that there are
        """
        if self.stale:
            return
        self.told_to, self.accounted = to, everything

    def wait_for_consumer(self, first: int, last: int, now: float) -> None:
        """
        Note that the broker has samples which their consumer is to confirm.

        :param first: first sequence number
        :param last: last sequence number
        :param now: monotonic seconds
        """
        if not self.sent:
            self.resend_at = now + self.resend_s
        self.sent.add(first, last)

    def confirmed(self, ranges: Iterable[tuple[int, int]], anything: bool, now: float) -> None:
        """
        Note what the consumer has.

        :param ranges: first and last sequence numbers
        :param anything: whether any of it was still spooled
        :param now: monotonic seconds
        """
        for first, last in ranges:
            self.sent.remove(first, last)
        if anything:
            self.resend_s = FIRST_RESEND_S
            self.resend_at = now + FIRST_RESEND_S


@dataclass(slots=True)
class _Retry:
    """When a stream is tried again, and how long after that the next time."""

    at: float = 0.0
    delay_s: float = _FIRST_RETRY_S


@dataclass(slots=True)
class _Consumer:
    """A consumer that was heard; ``instances`` are its processes and when each was heard last."""

    heard_at: float = 0.0
    instance: bytes = b''
    instances: dict[bytes, float] = field(default_factory=dict)
    rivals_until: float = 0.0


class Standing:
    """Remembers all lanes', streams' and consumers' standing of the present connection."""

    def __init__(self) -> None:
        self._progress: dict[tuple[bytes, int], Progress] = {}
        self._retries: dict[str, _Retry] = {}
        self._consumers: dict[str, _Consumer] = {}
        self._connected_at = float('inf')

    def of(self, lane: Lane) -> Progress:
        """
        Give a lane's progress.

        :param lane: the lane
        :returns: its progress, made when new
        """
        return self._progress.setdefault((lane.boot, lane.route), Progress())

    def forget(self, lane: Lane) -> None:
        """
        Forget a lane.

        :param lane: the lane
        """
        self._progress.pop((lane.boot, lane.route), None)

    def connected(self, now: float) -> None:
        """
        Begin with a new connection: nobody knows what the broker still had, or who is there.

        :param now: monotonic seconds
        """
        self._connected_at = now
        self._consumers.clear()
        self._retries.clear()
        for progress in self._progress.values():
            progress.accounting = False
            progress.begin_again()
            progress.away.clear()

    def heard(self, consumer: str, instance: bytes, now: float) -> bool:
        """
        Note that a consumer is there.

        :param consumer: its name
        :param instance: of its process
        :param now: monotonic seconds
        :returns: whether it is another process than before
        """
        known = self._consumers.setdefault(consumer, _Consumer())
        new = instance not in known.instances
        before = known.instances.pop(instance, 0.0)
        if not new and known.instance != instance and now - before <= _PRESENT_S:
            # It was heard, then another, and now it again: two processes, not one after another.
            known.rivals_until = now + _PRESENT_S
        known.instances[instance] = known.heard_at = now
        known.instance = instance
        while len(known.instances) > _MOST_INSTANCES:
            del known.instances[next(iter(known.instances))]
        return new

    def rivals(self, now: float) -> list[str]:
        """
        Name the consumers whose name several processes use.

        :param now: monotonic seconds
        :returns: their names
        """
        return [name for name, one in self._consumers.items() if one.rivals_until > now]

    def absent(self, lane: Lane, now: float) -> str | None:
        """
        Name the consumer that a lane waits for in vain.

        :param lane: a lane with something spooled
        :param now: monotonic seconds
        :returns: its name, or None when it is there, or may still come
        """
        consumer = addressee(lane)
        if consumer is None or now - self._connected_at <= _PRESENT_S:
            return None
        return None if self._present(consumer, now) else consumer

    def _present(self, consumer: str, now: float) -> bool:
        known = self._consumers.get(consumer)
        return known is not None and now - known.heard_at <= _PRESENT_S

    def put_off(self, stream: str, now: float) -> None:
        """
        Try a stream later: nobody listens, or the broker refuses for now.

        :param stream: its name
        :param now: monotonic seconds
        """
        retry = self._retries.setdefault(stream, _Retry())
        if retry.at <= now:
            retry.at = now + retry.delay_s
            retry.delay_s = min(_LAST_RETRY_S, 2 * retry.delay_s)

    def got_through(self, stream: str) -> None:
        """
        Note that the broker takes a stream.

        :param stream: its name
        """
        self._retries.pop(stream, None)

    def due(self, lane: Lane, now: float) -> bool:
        """
        Tell whether anything of a lane may be sent; lets it go again what was not confirmed.

        :param lane: the lane
        :param now: monotonic seconds
        :returns: whether it may
        """
        retry = self._retries.get(lane.descriptor.stream)
        if retry is not None and retry.at > now:
            return False
        consumer = addressee(lane)
        if consumer is None:
            return True
        if not self._present(consumer, now):
            return False
        progress = self.of(lane)
        if progress.sent and progress.resend_at <= now:
            progress.sent.clear()
            progress.resend_s = min(_LAST_RESEND_S, 2 * progress.resend_s)
        return True


def addressee(lane: Lane) -> str | None:
    """
    Name the consumer whose confirmation a lane waits for.

    :param lane: the lane
    :returns: its name; None when the broker's is enough
    """
    return lane.policy.confirm_by if lane.policy.confirm is Confirm.CONSUMER else None


def busy_range(progress: Progress, first: int, last: int) -> tuple[int, int] | None:
    """
    Find what of a row is on its way or waits for its consumer; a part of it is enough.

    :param progress: of its lane
    :param first: its first sequence number
    :param last: its last sequence number
    :returns: the range, or None when the row may be read
    """
    for ranges in (progress.away, progress.sent):
        found = ranges.at(first) or ranges.at(last)
        if found is not None:
            return found
    return None
