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

"""A spool on a disk that is full or read-only: on real file systems of a few megabytes."""

from collections.abc import Iterator
import os
from pathlib import Path
import subprocess

import pytest

from ros_cloud_bridge.store.spool import LanePolicy, reckoning, SpoolError, SpoolFault
from ros_cloud_bridge.values import WhenFull
from support.spools import (
    Clocks,
    Lines,
    MB,
    NEXT_BOOT,
    open_lane,
    open_spool,
    samples,
    spooled_numbers,
)


def mount(*arguments: str) -> str:
    done = subprocess.run(['mount', *arguments], capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode else ''


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """
    Mount a disk of 4 MB.

    :returns: its folder
    """
    folder = tmp_path / 'disk'
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip('only root may mount a tmpfs')
    if problem := mount('-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', str(folder)):
        pytest.skip(f'no tmpfs here: {problem}')
    try:
        yield folder
    finally:
        subprocess.run(['umount', '-l', str(folder)], check=True)


@pytest.mark.parametrize('when_full', list(WhenFull))
def test_shrinks_to_what_fits_and_recovers(small_disk: Path, when_full: WhenFull) -> None:
    clocks = Clocks()
    log = Lines()
    path = small_disk / 's'
    spool = open_spool(path, clocks=clocks, log=log, max_bytes=64 * MB)
    lane = open_lane(spool, policy=LanePolicy(when_full=when_full))

    def fill(turns: int) -> None:
        for _ in range(turns):
            clocks.advance(1.0)
            first = lane.committed + 1
            spool.commit([(lane, samples(1, first, first + 29, 1000))])

    fill(200)
    assert spool.state == 'disk_full'
    assert [level for level, _ in log.lines] == ['error']
    assert lane.committed == 6000
    assert lane.totals['spool_full'] > 2000
    assert lane.samples > 800
    assert reckoning(path).adds_up
    # Somebody else takes what was left: it goes on within what it has.
    hog = small_disk / 'hog'
    with hog.open('wb') as file:
        try:
            while True:
                os.write(file.fileno(), bytes(4096))
        except OSError:
            pass
    fill(60)
    assert spool.state == 'disk_full'
    assert lane.committed == 7800
    assert lane.samples > 200
    assert len(spooled_numbers(spool, lane)) == lane.samples
    assert reckoning(path).adds_up
    spool.close()
    # And so does the next boot.
    spool = open_spool(path, NEXT_BOOT, clocks=clocks, log=log, max_bytes=64 * MB)
    (old,) = spool.lanes.values()
    assert spool.recovered == ''
    before = len(spooled_numbers(spool, old))
    assert before == old.samples == lane.samples
    assert spool.settle(old, 1, 2**62, None) == before
    spool.flush()
    hog.unlink()
    lane = open_lane(spool, policy=LanePolicy(when_full=when_full))
    spool.commit([(lane, samples(1, 1, 10))])
    spool.commit([(lane, samples(1, 11, 20))])
    assert spool.state == 'ok'
    assert (small_disk / 's-ballast').stat().st_size > 0
    assert reckoning(path).adds_up


def test_a_disk_without_any_room_at_the_start(small_disk: Path) -> None:
    clocks = Clocks()
    hog = small_disk / 'hog'
    with hog.open('wb') as file:
        try:
            while True:
                os.write(file.fileno(), bytes(4096))
        except OSError:
            pass
    log = Lines()
    spool = open_spool(small_disk / 's', clocks=clocks, log=log)
    lane = open_lane(spool)
    for _ in range(3):
        with pytest.raises(SpoolError) as caught:
            spool.commit([(lane, samples(1, 1, 10))])
        assert caught.value.kind is SpoolFault.FULL
        clocks.advance(2.0)
    assert spool.state == 'disk_full'
    assert len(log.lines) == 1
    assert (lane.committed, lane.samples) == (0, 0)
    hog.unlink()
    clocks.advance(2.0)
    spool.commit([(lane, samples(1, 1, 10))])
    assert spool.state == 'ok'
    assert spooled_numbers(spool, lane) == set(range(1, 11))


def test_read_only_from_the_start(small_disk: Path) -> None:
    path = small_disk / 's'
    clocks = Clocks()
    spool = open_spool(path, max_bytes=2 * MB)
    spool.commit([(open_lane(spool), samples(1, 1, 50))])
    spool.close()
    assert not mount('-o', 'remount,ro', str(small_disk))
    log = Lines()
    spool = open_spool(path, NEXT_BOOT, clocks=clocks, log=log, max_bytes=2 * MB)
    assert spool.state == 'read_only'
    (old,) = spool.lanes.values()
    assert spooled_numbers(spool, old) == set(range(1, 51))
    lane = open_lane(spool)
    with pytest.raises(SpoolError) as caught:
        spool.commit([(lane, samples(1, 1, 5))])
    assert caught.value.kind is SpoolFault.READ_ONLY
    assert spool.settle(old, 1, 20, None) == 20
    with pytest.raises(SpoolError):
        spool.flush()
    assert spooled_numbers(spool, old) == set(range(21, 51))
    assert reckoning(path).total.spooled == 50
    assert not mount('-o', 'remount,rw', str(small_disk))
    clocks.advance(5.0)
    spool.commit([(lane, samples(1, 1, 5))])
    assert spool.state == 'ok'
    assert [level for level, _ in log.lines] == ['error', 'info']
    found = reckoning(path)
    assert found.adds_up
    assert (found.total.committed, found.total.delivered, found.total.spooled) == (55, 20, 35)
    assert spooled_numbers(spool, old) == set(range(21, 51))


def test_read_only_while_it_runs(tmp_path: Path) -> None:
    clocks = Clocks()
    log = Lines()
    spool = open_spool(tmp_path / 's', clocks=clocks, log=log, max_bytes=2 * MB)
    lane = open_lane(spool)
    spool.commit([(lane, samples(1, 1, 50))])
    # No file system becomes read-only under open files but by errors; SQLite says the same so.
    spool._keeper.books.connection.execute('PRAGMA query_only=1')
    for _ in range(3):
        with pytest.raises(SpoolError) as caught:
            spool.commit([(lane, samples(1, 51, 60))])
        assert caught.value.kind is SpoolFault.READ_ONLY
    assert spool.state == 'read_only'
    assert spool.settle(lane, 1, 10, None) == 10
    assert spooled_numbers(spool, lane) == set(range(11, 51))
    clocks.advance(5.0)
    spool.commit([(lane, samples(1, 51, 60))])
    assert spool.state == 'ok'
    assert [level for level, _ in log.lines] == ['error', 'info']
    assert spooled_numbers(spool, lane) == set(range(11, 61))
    found = reckoning(tmp_path / 's')
    assert found.adds_up
    assert (found.total.delivered, found.total.spooled) == (10, 50)
