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

"""The spool against a plain model: random lives, and what is on disk at any moment of them."""

from collections import Counter
from pathlib import Path
import shutil
import tempfile
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, RuleBasedStateMachine

from ros_cloud_bridge.store.spool import Lane, LanePolicy, reckoning
from ros_cloud_bridge.values import Drop, WhenFull
from support.spools import Clocks, MB, open_lane, open_spool, samples, spooled_numbers

_POLICIES = (
    LanePolicy(ttl_s=100.0, spool_bytes=100_000),
    LanePolicy(when_full=WhenFull.THIN, spool_bytes=120_000),
    LanePolicy(when_full=WhenFull.DROP_NEWEST, spool_bytes=60_000),
    LanePolicy(),
)
_MAX_BYTES = 1 * MB
_ENDS = {
    None: 'delivered',
    Drop.EXPIRED: 'expired',
    Drop.REFUSED: 'refused',
    Drop.SPOOL_FULL: 'spool_full',
}
_ROUTES = st.integers(0, len(_POLICIES) - 1)


class Life(RuleBasedStateMachine):
    """What happens to a spool, and where every sample should be."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix='spool-'))
        self.clocks = Clocks()
        self.boots = 0
        self.path = self.folder / 'spool'
        self.spooled: dict[tuple[bytes, int], set[int]] = {}
        self.ended: dict[tuple[bytes, int], Counter[str]] = {}
        self.begin()

    def teardown(self) -> None:
        """Delete the files."""
        self.spool.close()
        shutil.rmtree(self.folder)

    def begin(self) -> None:
        """Start a boot."""
        self.boots += 1
        self.boot = self.boots.to_bytes(8, 'big')
        self.spool = open_spool(self.path, self.boot, clocks=self.clocks, max_bytes=_MAX_BYTES)
        assert self.spool.recovered == ''
        self.mine = [
            open_lane(self.spool, route, f'stream{route}', policy)
            for route, policy in enumerate(_POLICIES)
        ]
        for lane in self.mine:
            lane.live_from = 1

    def key(self, lane: Lane) -> tuple[bytes, int]:
        return lane.boot, lane.route

    def of(self, lane: Lane) -> tuple[set[int], Counter[str]]:
        key = self.key(lane)
        return self.spooled.setdefault(key, set()), self.ended.setdefault(key, Counter())

    def end(self, lane: Lane, first: int, last: int, reason: Drop | None) -> int:
        spooled, ended = self.of(lane)
        going = spooled & set(range(first, last + 1))
        spooled -= going
        ended[_ENDS[reason]] += len(going)
        return len(going)

    @rule(
        parts=st.lists(
            st.tuples(_ROUTES, st.integers(0, 2), st.integers(1, 40), st.integers(1, 3000)),
            min_size=1,
            max_size=4,
            unique_by=lambda part: part[0],
        )
    )
    def commit(self, parts: list[tuple[int, int, int, int]]) -> None:
        blocks = []
        for route, skipped, count, size in parts:
            lane = self.mine[route]
            first = lane.committed + 1 + skipped
            blocks.append((lane, samples(route, first, first + count - 1, size)))
        dropped = self.spool.commit(blocks)
        for lane, block in blocks:
            self.of(lane)[0].update(entry.sequence for entry in block)
        for lane, gap in dropped:
            # Exactly what was there, and never what was live before.
            assert (
                self.end(lane, gap.first, gap.last, Drop(gap.reason)) == gap.last - gap.first + 1
            )

    @rule(route=_ROUTES, share=st.floats(0, 1))
    def release(self, route: int, share: float) -> None:
        lane = self.mine[route]
        lane.live_from = max(lane.live_from, int(share * (lane.committed + 1)))

    @rule(data=st.data(), reason=st.sampled_from([None, None, None, Drop.REFUSED]))
    def settle(self, data: st.DataObject, reason: Drop | None) -> None:
        lane = data.draw(st.sampled_from(sorted(self.spool.lanes.values(), key=lambda at: at.key)))
        first = data.draw(st.integers(1, max(1, lane.committed)))
        last = first + data.draw(st.integers(0, 60))
        assert self.spool.settle(lane, first, last, reason) == self.end(lane, first, last, reason)

    @rule()
    def flush(self) -> None:
        self.spool.flush()

    @rule(seconds=st.floats(0, 80), jump_s=st.sampled_from([0.0, 0.0, 3600.0, -3600.0]))
    def wait(self, seconds: float, jump_s: float) -> None:
        self.clocks.advance(seconds)
        self.clocks.wall += jump_s
        for lane, gap in self.spool.expire():
            assert lane.policy.ttl_s and gap.last < lane.live_from
            assert self.end(lane, gap.first, gap.last, Drop.EXPIRED) == gap.last - gap.first + 1

    @rule()
    def tell(self) -> None:
        for lane in list(self.spool.lanes.values()):
            self.spool.gaps_told(lane, self.spool.gaps(lane, 3))
            self.spool.forget(lane)

    @rule()
    def restart(self) -> None:
        self.spool.close()
        self.begin()

    @rule()
    def kill(self) -> None:
        # What a process that is killed leaves: everything up to the last transaction.
        self.spool.flush()
        copy = self.folder / f'copy{self.boots}'
        copy.mkdir()
        for ending in ('', '-wal'):
            if (name := self.path.with_name(self.path.name + ending)).exists():
                shutil.copy(name, copy / name.name)
        self.spool.close()
        self.path = copy / self.path.name
        self.begin()

    @invariant()
    def memory_is_right(self) -> None:
        size = sum(
            path.stat().st_size
            for path in self.path.parent.glob('spool*')
            if not path.name.endswith('-shm')
        )
        assert size <= _MAX_BYTES
        for lane in self.spool.lanes.values():
            spooled, ended = self.of(lane)
            assert lane.samples == len(spooled)
            found = {name: n for name, n in lane.totals.items() if n and name != 'committed'}
            assert found == {name: n for name, n in ended.items() if n}
            assert lane.totals['committed'] == len(spooled) + sum(ended.values())
            assert spooled_numbers(self.spool, lane) <= spooled
            if lane.live_from > lane.committed:
                assert spooled_numbers(self.spool, lane) == spooled

    @rule()
    def disk_is_right(self) -> None:
        assert reckoning(self.path).adds_up
        self.spool.flush()
        found = reckoning(self.path)
        assert found.adds_up
        everything: Counter[str] = sum(self.ended.values(), Counter())
        assert found.total.spooled == sum(map(len, self.spooled.values()))
        for name in ('delivered', 'expired', 'refused', 'spool_full'):
            assert getattr(found.total, name) == everything[name]


TestLife: Any = Life.TestCase
TestLife.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
