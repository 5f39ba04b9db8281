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

"""One consumer's leases of streams on demand: when to ask for them again; told the time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
import threading

from ros_cloud_bridge.cloud.health import read_health
from ros_cloud_bridge.values import Lease
from ros_cloud_bridge.wire.announce import MAX_ASKED_LEASES

# A bridge takes one request a second; leases are renewed at a third of their time.
MIN_LEASE_S = 3.0
_RENEWALS = 3.0
# Below what a bridge refuses, with room for what else is asked.
_MIN_INTERVAL_S = 1.0
_PATIENCE_S = 2.0
_MAX_REFUSED_INTERVAL_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseState:
    """
    What has become of a lease.

    ``granted`` is None until the robot has said; ``reason`` is why it refuses.
    """

    robot_id: str
    stream: str
    hz: float
    granted: bool | None
    reason: str


@dataclass(slots=True)
class _Kept:
    hz: float
    seconds: float
    # What the robot grants of the seconds, as far as known.
    granted_s: float
    due: float = 0.0
    asked_at: float | None = None
    in_vain: int = 0
    granted: bool | None = None
    reason: str = ''


class Leases:
    """
    Keeps leases alive until they are released; may be used from several threads.

    :param consumer: the name in whose favour they are
    """

    def __init__(self, consumer: str) -> None:
        self._consumer = consumer
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._earliest: dict[str, float] = {}
        self._closed = False

    @property
    def states(self) -> tuple[LeaseState, ...]:
        """What has become of each lease that is kept."""
        with self._lock:
            return tuple(
                LeaseState(
                    robot_id=robot_id,
                    stream=stream,
                    hz=kept.hz,
                    granted=kept.granted,
                    reason=kept.reason,
                )
                for (robot_id, stream), kept in self._kept.items()
                if kept.seconds > 0
            )

    def keep(self, robot_id: str, lease: Lease) -> None:
        """
        Keep a lease alive from now on, in the place of an earlier one of the same stream.

        :param robot_id: whose stream
        :param lease: what is wanted, for how long at a time
        """
        with self._lock:
            place = (robot_id, lease.stream)
            kept = _Kept(lease.hz, lease.seconds, lease.seconds)
            if place in self._kept:
                kept.asked_at = self._kept[place].asked_at
            self._kept[place] = kept

    def release(self, robot_id: str, stream: str) -> None:
        """
        Give a lease back.

        :param robot_id: whose stream
        :param stream: its name; one that is not leased is fine
        """
        with self._lock:
            kept = self._kept.get((robot_id, stream))
            if kept is not None:
                kept.seconds = kept.due = 0.0

    def again(self, robot_id: str | None = None) -> None:
        """
        Ask at once: the robot may have forgotten.

        :param robot_id: which; None for all
        """
        with self._lock:
            for (robot, _), kept in self._kept.items():
                if robot_id is None or robot == robot_id:
                    kept.due, kept.in_vain = 0.0, 0

    def due(self, gone: Callable[[str], bool], now: float) -> dict[str, tuple[Lease, ...]]:
        """
        Say what to ask for now; what is returned counts as asked.

        :param gone: says whether a robot is known to be away
        :param now: monotonic seconds
        :returns: leases by robot
        """
        asks: dict[str, list[Lease]] = {}
        with self._lock:
            if self._closed:
                return {}
            for (robot_id, stream), kept in list(self._kept.items()):
                if kept.due > now or self._earliest.get(robot_id, 0.0) > now:
                    continue
                away = gone(robot_id)
                if kept.seconds <= 0 and (away or kept.asked_at is None):
                    # Nobody there to give it back to.
                    del self._kept[(robot_id, stream)]
                    continue
                wanted = asks.setdefault(robot_id, [])
                if away or len(wanted) == MAX_ASKED_LEASES:
                    continue
                wanted.append(Lease(stream=stream, hz=kept.hz, seconds=kept.seconds))
                kept.asked_at = now
                kept.due = now + _interval_s(kept)
                if kept.seconds <= 0:
                    del self._kept[(robot_id, stream)]
            asks = {robot_id: wanted for robot_id, wanted in asks.items() if wanted}
            for robot_id in asks:
                self._earliest[robot_id] = now + _MIN_INTERVAL_S
        return {robot_id: tuple(wanted) for robot_id, wanted in asks.items()}

    def heard(self, robot_id: str, document: Mapping[str, object], now: float) -> None:
        """
        Take in what a robot says of its leases.

        :param robot_id: the robot
        :param document: its ``health``
        :param now: monotonic seconds
        """
        with self._lock:
            asked = {
                stream: kept
                for (robot, stream), kept in self._kept.items()
                if robot == robot_id and kept.asked_at is not None
            }
            if not asked:
                return
            health = read_health(document)
            ends = {
                lease.stream: lease.ends_in_s or 0.0
                for lease in health.leases
                if lease.consumer == self._consumer
            }
            for stream, kept in asked.items():
                reason = health.refused.get(f'{self._consumer}/{stream}')
                if 'demand' not in document:
                    reason = 'its bridge grants no leases'
                if stream in ends:
                    _granted(kept, ends[stream], now)
                elif reason is not None:
                    kept.granted, kept.reason = False, reason
                elif kept.granted is not False:
                    # It may have come too early for the answer, or the robot has forgotten.
                    _unanswered(kept)

    def give_back(self) -> dict[str, tuple[Lease, ...]]:
        """
        Keep nothing any more.

        :returns: what to tell each robot
        """
        asks: dict[str, list[Lease]] = {}
        with self._lock:
            self._closed = True
            for (robot_id, stream), kept in self._kept.items():
                if kept.asked_at is not None and kept.granted is not False:
                    asks.setdefault(robot_id, []).append(Lease(stream=stream))
            self._kept.clear()
        return {robot_id: tuple(leases[:MAX_ASKED_LEASES]) for robot_id, leases in asks.items()}


def _interval_s(kept: _Kept) -> float:
    interval = max(_MIN_INTERVAL_S, kept.granted_s / _RENEWALS)
    return min(interval, _MAX_REFUSED_INTERVAL_S) if kept.granted is False else interval


def _granted(kept: _Kept, ends_in_s: float, now: float) -> None:
    kept.granted, kept.reason, kept.in_vain = True, '', 0
    assert kept.asked_at is not None
    # The robot may grant less than was asked for.
    kept.granted_s = min(kept.seconds, now - kept.asked_at + ends_in_s)
    kept.due = min(kept.due, kept.asked_at + _interval_s(kept))


def _unanswered(kept: _Kept) -> None:
    kept.granted = None
    assert kept.asked_at is not None
    kept.due = min(kept.due, kept.asked_at + _PATIENCE_S * 2.0**kept.in_vain)
    kept.in_vain = min(kept.in_vain + 1, 8)
