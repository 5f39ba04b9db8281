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

"""The spool's thread and a pump, turn by turn: what was promised is where the counts say it is."""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
import threading
import time
from typing import Any

import pytest

from ros_cloud_bridge.core.durable_route import DurableRoute
from ros_cloud_bridge.durable.place import spool_path
from ros_cloud_bridge.durable.spooling import Spooling
from ros_cloud_bridge.ranges import Ranges
from ros_cloud_bridge.store.lanes import Lane, SpoolError
from ros_cloud_bridge.store.spool import Spool
from ros_cloud_bridge.uplink.backlog import Outcome
from ros_cloud_bridge.values import Drop, Keep, SpoolConfig
from support.pumps import PumpRig, stream
from support.spools import MB
from support.waiting import wait_until

OLD_S = 60.0


class SpoolingRig(PumpRig):
    """A pump and its spool; the spool's thread does a turn when the test says so."""

    def __init__(self, path: Path, *, spool: SpoolConfig | None = None, **policy: Any) -> None:
        events = stream('events', max_delay_s=0.0, keep=Keep.DURABLE, **policy)
        super().__init__(events, state_dir=str(path), spool=spool or SpoolConfig())
        (route,) = self.routes
        assert isinstance(route, DurableRoute)
        self.route = route
        self.now = time.monotonic()
        self.lines: list[str] = []
        self.on_news: Callable[[], None] = lambda: None
        self.on_log: Callable[[str], None] = lambda text: None
        self.lock = threading.RLock()
        self.spooling = Spooling(
            self.config,
            boot=bytes(8),
            pump=self.pump,
            work_came=threading.Condition(self.lock),
            news=lambda: self.on_news(),
            log=self._log,
        )
        with self.lock:
            self.spooling.opened(route, None)

    def _log(self, level: str, text: str) -> None:
        self.lines.append(text)
        self.on_log(text)

    @property
    def lane(self) -> Lane:
        """The route's lane, once there was a turn."""
        return self.spooling._lanes[1]

    def turn(self) -> None:
        """Do a turn of the spool's thread, with a commit."""
        self.spooling._commit_at = 0.0
        self.spooling._turn()

    def accept(self, count: int, size: int, age_s: float = 0.0) -> None:
        """Offer samples that came some time ago, and commit them."""
        self.now = time.monotonic() - age_s
        self.offer(self.route, size, count)
        self.now = time.monotonic()
        self.turn()

    def drain(self) -> None:
        """Send the backlog; the broker takes all of it."""
        self.connect()
        with self.lock:
            self.spooling.connection(True)
        empty = 0
        while empty < 2:
            self.turn()
            empty = 0 if self.pump.backlog.waits else empty + 1
            with self.lock:
                while self.pump.backlog.waits:
                    shipped, _ = self.pump.backlog.next(MB, self.now)
                    self.pump.backlog.answered(shipped, Outcome.ACCEPTED)

    def told(self) -> Ranges:
        """Give all numbers that are told as gaps."""
        return Ranges((gap.first, gap.last) for gap in self.spooling._spool.gaps(self.lane))

    def check_counts(self) -> None:
        """Assert that every sample is accounted for, in memory and on disk."""
        route = self.route
        dropped = sum(count for reason, count in route.drops.items() if reason.sequenced)
        there = len(route) + route.in_flight + route.spooled
        assert route.accepted == route.delivered + dropped + there
        assert self.lane.samples == len(route) + route.in_flight + route.spooled


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[..., SpoolingRig]]:
    rigs: list[SpoolingRig] = []

    def make(**named: Any) -> SpoolingRig:
        rigs.append(SpoolingRig(tmp_path, **named))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.spooling.stop()


def test_one_gap_of_spooled_and_of_new_samples(made: Callable[..., SpoolingRig]) -> None:
    rig = made(spool_bytes=64 * 1024)
    rig.accept(20, 1000, age_s=OLD_S)
    rig.turn()
    assert (len(rig.route), rig.route.spooled) == (0, 20)
    # More than the quota at once: all that is spooled goes, and the oldest of what comes.
    rig.accept(100, 1000)
    told = rig.told()
    assert told.parts == 1 and told.count(1, 20) == 20 and told.total > 20
    rig.check_counts()
    taken = rig.route.take(MB, 1000)
    assert taken and not any(told.at(entry.sequence) for entry in taken)


def test_what_had_no_room_is_not_sent_in_between(made: Callable[..., SpoolingRig]) -> None:
    rig = made(spool_bytes=16 * 1024)
    taken: list[int] = []
    # The pump, the moment that something is committed.
    rig.on_news = lambda: taken.extend(entry.sequence for entry in rig.route.take(MB, 1000))
    rig.accept(40, 1000)
    told = rig.told()
    assert taken and told.total and not any(map(told.at, taken))
    rig.check_counts()


def test_a_disk_that_hangs_through_the_stop_does_not_keep_the_spool(
    made: Callable[..., SpoolingRig], tmp_path: Path
) -> None:
    rig = made(spool=SpoolConfig(max_writes_mb_per_day=0.001))
    hangs, goes_on = threading.Event(), threading.Event()

    def hang(text: str) -> None:
        if 'MB are written' in text:
            hangs.set()
            goes_on.wait(30.0)

    rig.on_log = hang
    rig.spooling.start()
    for _ in range(2):
        with rig.lock:
            rig.offer(rig.route, 10_000)
            rig.spooling.offered(rig.route, time.monotonic())
        if not hangs.is_set():
            rig.spooling.commit_all(10.0)
    assert hangs.wait(10.0)
    rig.spooling.stop(timeout_s=0.01)
    spool = Spool(spool_path(rig.config), b'next-one', SpoolConfig(), lambda *_: None)
    assert spool.state == 'failed', 'the other one is still at work'
    goes_on.set()
    lane = spool.open_lane(1, rig.lane.descriptor, None, rig.lane.policy)

    def usable() -> bool:
        spool.set_policy('events', lane.policy)
        try:
            spool.commit([])
        except SpoolError:
            return False
        return spool.state == 'ok'

    wait_until(usable)
    spool.close()


@pytest.mark.parametrize('found_by', ['reading', 'committing'])
def test_what_a_damaged_file_has_lost_is_counted(
    made: Callable[..., SpoolingRig], found_by: str
) -> None:
    rig = made(spool=SpoolConfig(max_bytes=16 * MB))
    for _ in range(100):
        rig.accept(20, 2000, age_s=OLD_S)
    rig.turn()
    rig.check_counts()
    path, rng = spool_path(rig.config), Random(3)
    with path.open('r+b') as file:
        every = 60 if found_by == 'reading' else 1
        for page in range(2, path.stat().st_size // 4096, every):
            file.seek(4096 * page)
            file.write(rng.randbytes(4096))
    if found_by == 'committing':
        rig.accept(2000, 200, age_s=OLD_S)
        rig.turn()
    rig.drain()
    assert 'corrupt-1' in rig.spooling._spool.recovered
    route = rig.route
    assert (rig.lane.samples, route.spooled) == (0, 0)
    assert route.drops[Drop.DAMAGED] == rig.lane.totals['damaged'] > 0
    assert route.delivered + route.drops[Drop.DAMAGED] == route.accepted >= 2000
    rig.check_counts()
