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

"""What breaks when in a soak: a schedule drawn from a seed, and how each fault is done."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
import heapq
import itertools
import math
import random
import threading

from soak_rig import SoakRig

NOT_LISTENED, NOT_AUTHORIZED, QUOTA_EXCEEDED = 0x10, 0x87, 0x97
_JUMP_S = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """
    A kind of fault; seconds are those of the field, which ``--speed-up`` divides.

    :param weight: how often, against the others of its track
    """

    weight: float
    least_s: float
    most_s: float


# What is broken at the same time as what: one fault at a time in each track, all tracks at once.
TRACKS: Mapping[str, tuple[float, Mapping[str, Kind]]] = {
    # The mean time between the faults of a track, and its faults.
    'link': (
        240.0,
        {
            'cut': Kind(weight=2, least_s=1.0, most_s=1.0),
            'no link': Kind(weight=4, least_s=20.0, most_s=1200.0),
            'silent link': Kind(weight=2, least_s=20.0, most_s=1200.0),
            'half-open': Kind(weight=2, least_s=60.0, most_s=240.0),
            'slow link': Kind(weight=2, least_s=60.0, most_s=600.0),
            'refused 0x97': Kind(weight=2, least_s=30.0, most_s=400.0),
            'refused 0x87': Kind(weight=1, least_s=20.0, most_s=40.0),
            'answered 0x10': Kind(weight=2, least_s=30.0, most_s=400.0),
        },
    ),
    'cloud': (
        360.0,
        {
            'broker restart': Kind(weight=3, least_s=10.0, most_s=400.0),
            'broker kill, emptied': Kind(weight=3, least_s=10.0, most_s=400.0),
            'broker hangs': Kind(weight=1, least_s=20.0, most_s=200.0),
            'consumer away': Kind(weight=2, least_s=20.0, most_s=600.0),
            'consumer kill': Kind(weight=2, least_s=10.0, most_s=300.0),
            'consumer dies late': Kind(weight=2, least_s=60.0, most_s=300.0),
            'broker and consumer kill': Kind(weight=2, least_s=10.0, most_s=200.0),
        },
    ),
    'robot': (
        600.0,
        {
            'publisher kill': Kind(weight=2, least_s=20.0, most_s=120.0),
            'clock jump': Kind(weight=2, least_s=60.0, most_s=600.0),
            'bridge stalls': Kind(weight=1, least_s=10.0, most_s=100.0),
        },
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """
    A fault; ``begin_s`` and ``end_s`` are seconds since the soak's start, ``dice`` in [0, 1).

    It begins later when one before it in its track has ended late.
    """

    begin_s: float
    end_s: float
    track: str
    name: str
    dice: float


def draw(seed: int, seconds: float, speed_up: float) -> list[Fault]:
    """
    Draw the schedule.

    :param seed: which
    :param seconds: how long the soak is; all faults end before
    :param speed_up: divides all times
    :returns: faults by their beginning
    """
    tracks = (_track(name, seed, seconds, speed_up) for name in TRACKS)
    return list(heapq.merge(*tracks, key=lambda fault: fault.begin_s))


def _track(track: str, seed: int, seconds: float, speed_up: float) -> Iterator[Fault]:
    drawn = random.Random(f'{seed}:{track}')
    gap_s, kinds = TRACKS[track]
    now = 0.0
    while True:
        # Never none at all: each fault shall meet what works, at least for a moment.
        now += (0.25 * gap_s + drawn.expovariate(1 / (0.75 * gap_s))) / speed_up
        (name,) = drawn.choices(list(kinds), [kind.weight for kind in kinds.values()])
        kind = kinds[name]
        spread = drawn.uniform(math.log(kind.least_s), math.log(kind.most_s))
        end = now + math.exp(spread) / speed_up
        dice = drawn.random()
        if end > seconds:
            return
        yield Fault(begin_s=now, end_s=end, track=track, name=name, dice=dice)
        now = end


class Breaker:
    """
    Does faults, and takes them back.

    :param rig: what is broken
    :param seed: of what is random within a fault
    """

    def __init__(self, rig: SoakRig, seed: int) -> None:
        self._rig = rig
        self._drawn = random.Random(f'{seed}:breaker')
        self._lock = threading.Lock()
        self._count = itertools.count(1)
        self._begin: dict[str, Callable[[Fault], None]] = {
            'cut': lambda fault: self._cut(),
            'no link': lambda fault: rig.proxy.refuse(),
            'silent link': lambda fault: rig.proxy.swallow(),
            'half-open': lambda fault: self._silence(),
            'slow link': self._slow,
            'refused 0x97': lambda fault: self._answer(QUOTA_EXCEEDED, 0.3 + 0.7 * fault.dice),
            'refused 0x87': lambda fault: self._answer(NOT_AUTHORIZED, 0.2),
            'answered 0x10': lambda fault: self._answer(NOT_LISTENED, 0.3 + 0.7 * fault.dice),
            'broker restart': lambda fault: rig.broker.stop(),
            'broker kill, emptied': lambda fault: self._empty_broker(),
            'broker hangs': lambda fault: rig.broker.pause(),
            'consumer away': lambda fault: rig.sink.stop(),
            'consumer kill': lambda fault: rig.sink.kill(),
            'consumer dies late': self._die_late,
            'broker and consumer kill': lambda fault: self._kill_both(),
            'publisher kill': lambda fault: rig.publisher.process.kill(),
            'clock jump': self._jump,
            'bridge stalls': lambda fault: rig.running.pause(),
        }
        self._end: dict[str, Callable[[], None]] = {
            'cut': lambda: None,
            'half-open': lambda: None,
            'slow link': self._quicken,
            'broker restart': rig.broker.restart,
            'broker kill, emptied': rig.broker.restart,
            'broker hangs': rig.broker.resume,
            'consumer away': rig.sink.start,
            'consumer kill': rig.sink.start,
            'consumer dies late': self._start_consumer,
            'broker and consumer kill': self._start_both,
            'publisher kill': self._start_publisher,
            'clock jump': lambda: rig.shift_clock(0),
            'bridge stalls': rig.running.resume,
        }

    def begin(self, fault: Fault) -> None:
        """
        Break something.

        :param fault: what and how
        """
        self._begin[fault.name](fault)

    def end(self, fault: Fault) -> None:
        """
        Mend it.

        :param fault: what was broken
        """
        self._end.get(fault.name, self._rig.proxy.heal)()

    def _cut(self) -> None:
        self._rig.proxy.cut()

    def _silence(self) -> None:
        # The bridge has to find out by itself.
        self._rig.proxy.silence()

    def _slow(self, fault: Fault) -> None:
        self._rig.proxy.delay_s = 0.05 + 0.5 * fault.dice

    def _quicken(self) -> None:
        self._rig.proxy.delay_s = 0.0

    def _answer(self, code: int, share: float) -> None:
        def judge(topic: str, payload: bytes) -> int | None:
            with self._lock:
                return code if '/b/' in topic and self._drawn.random() < share else None

        self._rig.proxy.rule = judge

    def _empty_broker(self) -> None:
        self._rig.broker.kill()
        for path in (self._rig.folder / 'broker').iterdir():
            path.unlink()

    def _die_late(self, fault: Fault) -> None:
        place = ('received', 'torn', 'written')[next(self._count) % 3]
        self._rig.sink.kill()
        self._rig.sink.start(die=[place, 20 + int(fault.dice * 1000)])

    def _start_consumer(self) -> None:
        # It may not have had as many samples as it was to die of.
        self._rig.sink.kill()
        self._rig.sink.start()

    def _kill_both(self) -> None:
        self._rig.sink.kill()
        self._empty_broker()

    def _start_both(self) -> None:
        self._rig.broker.restart()
        self._rig.sink.start()

    def _start_publisher(self) -> None:
        self._rig.start_publisher()

    def _jump(self, fault: Fault) -> None:
        self._rig.shift_clock(_JUMP_S if fault.dice < 0.5 else -_JUMP_S)
