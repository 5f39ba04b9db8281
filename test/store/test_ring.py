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

"""The ring of a black box on a real disk: what it keeps, what a crash and a bad disk leave."""

from collections.abc import Sequence
from pathlib import Path
import random
import resource
import signal
import subprocess
import sys
from typing import Any

import pytest

from ros_cloud_bridge.core.wear import WriteBudget
from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.store.ring import earlier_rings, MEMORY_BYTES, Ring, RingFault
from ros_cloud_bridge.store.ring_notes import restore_budget, save_budget
from ros_cloud_bridge.store.ring_records import Arrival, HEAD_BYTES, Kept, RecordWriter, unpack
from ros_cloud_bridge.values import BlackBoxConfig, Keep, Received, StreamConfig
from ros_cloud_bridge.wire.batch import Descriptor

NAME = 'aa' * 8
WALL_NS = 1_700_000_000_000_000_000
IMU = Descriptor(stream='box', topic='/imu', type_name='sensor_msgs/msg/Imu', schema_id='12' * 8)
CAMERA = Descriptor(stream='box', topic='/camera', type_name='a/msg/B', schema_id='')


def config(**named: Any) -> BlackBoxConfig:
    """
    Describe a black box of 10 s before.

    :param named: keys that differ
    :returns: the configuration
    """
    stream = StreamConfig(name='box', topics=('/imu',), keep=Keep.DURABLE)
    return BlackBoxConfig(**{'stream': stream, 'triggers': ('crash',), 'before_s': 10.0, **named})


class Log(list[tuple[str, str]]):
    """Keeps what is said."""

    def __call__(self, level: str, text: str) -> None:
        """
        Take a line.

        :param level: of the line
        :param text: the line
        """
        self.append((level, text))

    def of(self, level: str) -> list[str]:
        """
        Select lines.

        :param level: of this level
        :returns: their texts
        """
        return [text for one, text in self if one == level]


def ring(directory: Path, log: Log, name: str = NAME, **named: Any) -> Ring:
    """
    Make a ring.

    :param directory: where
    :param log: takes what it says
    :param name: of the ring
    :param named: keys of the configuration that differ
    :returns: the ring
    """
    made = config(**named)
    budget = WriteBudget(made.max_writes_mb_per_day * 1e6)
    return Ring(directory, name, made, budget, log)


def sample(number: int, size: int = 64, at: float = 0.0) -> Received:
    """
    Make a sample.

    :param number: tells it from others
    :param size: bytes
    :param at: when it was received, in seconds of the ring's clock
    :returns: one whose content does not compress
    """
    cdr = number.to_bytes(4, 'little') + random.Random(number).randbytes(size - 4)
    received_ns = WALL_NS + round(at * 1e9)
    return Received(cdr, received_ns - 1_234_567, received_ns)


def fill(
    into: Ring, seconds: Sequence[int], size: int = 1000, per_second: int = 10, day: int = 1
) -> None:
    """
    Keep a record of samples for each second.

    :param into: the ring
    :param seconds: which
    :param size: bytes of a sample
    :param per_second: samples of a record
    :param day: today
    """
    writer = RecordWriter()
    for second in seconds:
        arrivals = []
        for index in range(per_second):
            at = second + index / per_second
            arrivals.append(Arrival(IMU, [sample(second * per_second + index, size, at)], at))
        for record in writer.pack(arrivals, WALL_NS + second * 10**9 + 10**9, second + 1.0):
            into.append(record, day)


def numbers(of: Ring) -> list[int]:
    """
    Read a ring.

    :param of: the ring
    :returns: which samples it holds
    """
    return [
        int.from_bytes(kept.sample.cdr[:4], 'little')
        for piece in of.pieces
        for kept in of.read(piece)
    ]


def files(directory: Path) -> list[Path]:
    """
    List the files of rings.

    :param directory: where
    :returns: their paths
    """
    return sorted(directory.glob('*.ring'))


def test_records_give_back_every_byte_and_when_it_arrived() -> None:
    arrivals = [
        Arrival(IMU, [sample(1, at=5.0), sample(2, at=5.1)], 5.25),
        Arrival(CAMERA, [sample(3, 5000, at=5.3)], 5.5),
        Arrival(IMU, [sample(4, at=5.4)], 5.5, 7),
    ]
    (record,) = RecordWriter().pack(arrivals, WALL_NS + 6 * 10**9, 6.0)
    assert (record.begin, record.end, record.samples, record.lost) == (5.25, 5.5, 4, 7)
    assert record.raw_bytes == 3 * 64 + 5000
    kept = unpack(record.data)
    assert [one.topic for one in kept] == [IMU, IMU, CAMERA, IMU]
    for number, one in enumerate(kept, 1):
        original = next(
            each for arrival in arrivals for each in arrival.samples if each.cdr == one.sample.cdr
        )
        assert int.from_bytes(one.sample.cdr[:4], 'little') == number
        assert one.sample.source_time_ns == original.source_time_ns
        assert abs(one.sample.receive_time_ns - original.receive_time_ns) < 1000
    # Received before the subscription was served: then it arrived.
    assert [round(one.at, 3) for one in kept] == [5.25, 5.25, 5.3, 5.4]


def test_a_wall_clock_that_is_set_moves_no_sample_out_of_its_record() -> None:
    jumped = [Received(b'\0' * 8, WALL_NS, WALL_NS), Received(b'\1' * 8, 5, 5 + 10**18)]
    (record,) = RecordWriter().pack([Arrival(IMU, jumped, 7.0)], WALL_NS + 3600 * 10**9, 7.0)
    assert [one.at for one in unpack(record.data)] == [7.0, 7.0]


def test_samples_keep_the_order_in_which_they_were_handed_over() -> None:
    # As when the middleware has asked for the first ones again.
    received = [sample(0, at=5.9), sample(1, at=5.8), sample(2, at=5.2), sample(3, at=5.95)]
    arrivals = [Arrival(IMU, received[:2], 5.5), Arrival(IMU, received[2:], 6.0)]
    (record,) = RecordWriter().pack(arrivals, WALL_NS + 6 * 10**9, 6.0)
    kept = unpack(record.data)
    assert numbers_of(kept) == [0, 1, 2, 3]
    assert [one.at for one in kept] == sorted(one.at for one in kept)


def test_much_at_once_becomes_several_records() -> None:
    images = [sample(number, 700_000) for number in range(5)]
    records = list(RecordWriter().pack([Arrival(CAMERA, images, 1.0, 3)], WALL_NS, 1.0))
    assert [record.samples for record in records] == [1] * 5
    assert sum(record.lost for record in records) == 3
    many = [Arrival(IMU, [sample(number)] * 100, number * 0.01) for number in range(100)]
    records = list(RecordWriter().pack(many, WALL_NS, 1.0))
    assert sum(record.samples for record in records) == 10000 and len(records) > 2
    assert all(one.end <= two.begin for one, two in zip(records, records[1:], strict=False))


def test_what_no_batch_can_hold_is_counted_as_lost() -> None:
    huge = Received(bytes(65 * 1024 * 1024), 1, 1)
    (record,) = RecordWriter().pack([Arrival(CAMERA, [huge], 1.0)], WALL_NS, 1.0)
    assert (record.samples, record.lost, record.data) == (0, 1, b'')


@pytest.mark.parametrize('seed', range(30))
def test_a_damaged_record_is_refused(seed: int) -> None:
    chance = random.Random(seed)
    (record,) = RecordWriter().pack([Arrival(IMU, [sample(1), sample(2)], 1.0)], WALL_NS, 1.0)
    damaged = bytearray(record.data)
    damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    for bad in (bytes(damaged), record.data[: chance.randrange(len(record.data))]):
        with pytest.raises(ProtocolError):
            unpack(bad)


def test_the_last_seconds_are_kept_and_older_files_go(tmp_path: Path) -> None:
    made, log = ring(tmp_path / 'box', Log()), Log()
    for second in range(100):
        fill(made, [second])
        made.trim(second + 1 - 10.0, 2**30)
    held = numbers(made)
    # All that is needed, and of what is older at most what shares its file.
    assert held[-100:] == list(range(900, 1000)) and len(held) <= 130
    assert 5 < len(files(tmp_path / 'box')) < 20
    assert made.disk_bytes == sum(path.stat().st_size for path in files(tmp_path / 'box'))
    made.close(keep=False)
    assert files(tmp_path / 'box') == [] and log == []


def test_more_bytes_than_allowed_make_it_shorter(tmp_path: Path) -> None:
    made = ring(tmp_path, Log(), max_bytes=100_000)
    gone = []
    for second in range(30):
        fill(made, [second])
        gone += made.trim(second + 1 - 10.0, 100_000)
        assert sum(path.stat().st_size for path in files(tmp_path)) <= 100_000
    # What was dropped though it was needed is named, so that a span can tell it.
    assert gone and made.pieces[0].begin > 20.0 and made.pieces[-1].end > 29.0
    dropped = {piece.number for piece in gone}
    assert dropped.isdisjoint(piece.number for piece in made.pieces)


def test_nothing_is_read_that_was_not_written(tmp_path: Path) -> None:
    made = ring(tmp_path, Log())
    fill(made, range(3))
    path = files(tmp_path)[0]
    data = bytearray(path.read_bytes())
    data[HEAD_BYTES + 20] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(RingFault):
        made.read(made.pieces[0])
    assert numbers_of(made.read(made.pieces[1])) == list(range(10, 20))
    for path in files(tmp_path):
        path.unlink()
    with pytest.raises(RingFault):
        made.read(made.pieces[1])


def numbers_of(kept: Sequence[Kept]) -> list[int]:
    """
    Tell samples apart.

    :param kept: samples
    :returns: their numbers
    """
    return [int.from_bytes(one.sample.cdr[:4], 'little') for one in kept]


def test_a_later_run_finds_what_an_earlier_one_left(tmp_path: Path) -> None:
    earlier = ring(tmp_path, Log())
    fill(earlier, range(20))
    earlier.save_mark({'spans': [1]})
    later = ring(tmp_path, Log(), name='bb' * 8)
    assert earlier_rings(tmp_path, 'bb' * 8) == [NAME]
    left = ring(tmp_path, Log())
    left.load()
    assert numbers(left) == list(range(200)) and left.load_mark() == {'spans': [1]}
    assert left.wall_end_ns == WALL_NS + round(19.9 * 1e9)
    assert [piece.number for piece in left.pieces] == sorted(
        {piece.number for piece in left.pieces}
    )
    fill(later, range(2))
    left.close(keep=False)
    assert earlier_rings(tmp_path, 'bb' * 8) == [] and numbers(later) == list(range(20))
    assert earlier_rings(tmp_path / 'none', '') == []


@pytest.mark.parametrize('seed', range(15))
def test_a_torn_end_or_a_damaged_place_costs_no_more_than_itself(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    fill(ring(tmp_path, Log()), range(12))
    before = len(files(tmp_path))
    torn = chance.choice(files(tmp_path))
    data = torn.read_bytes()
    if chance.random() < 0.5:
        torn.write_bytes(data[: chance.randrange(len(data))])
    else:
        place = chance.randrange(len(data))
        torn.write_bytes(data[:place] + chance.randbytes(50) + data[place + 50 :])
    log = Log()
    left = ring(tmp_path, log)
    left.load()
    readable = []
    for piece in left.pieces:
        try:
            readable += numbers_of(left.read(piece))
        except RingFault:
            continue
    whole = {number for number in range(120) if number not in readable}
    # Files hold two records or fewer here; all others are untouched.
    assert len(whole) <= 20 and readable == sorted(readable) and before > 4
    left.close(keep=False)
    assert files(tmp_path) == []


FILLER = """
import sys
sys.path[:0] = sys.argv[2:]
from pathlib import Path
import store_ring as here
made = here.ring(Path(sys.argv[1]), here.Log())
for second in range(10**6):
    here.fill(made, [second])
    made.trim(second + 1 - 10.0, 2**30)
    print(second, flush=True)
"""


@pytest.mark.parametrize('seconds', [1, 7, 25])
def test_a_killed_process_leaves_every_record_that_it_wrote(tmp_path: Path, seconds: int) -> None:
    helper = tmp_path / 'store_ring.py'
    helper.write_bytes(Path(__file__).read_bytes())
    root = Path(__file__).resolve().parents[2]
    arguments = [str(tmp_path / 'box'), str(tmp_path), str(root)]
    with subprocess.Popen(
        [sys.executable, '-c', FILLER, *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        last = -1
        while last < seconds:
            last = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
    last = int(rest[-1]) if rest else last
    left = ring(tmp_path / 'box', Log())
    left.load()
    held = numbers(left)
    # What it said it had written, and perhaps one more.
    assert (last + 1) * 10 - 1 in held and set(range(max(0, last - 9) * 10, last * 10)) <= set(
        held
    )


def test_beyond_the_days_budget_it_goes_on_in_memory(tmp_path: Path) -> None:
    log = Log()
    made = ring(tmp_path, log, max_writes_mb_per_day=1.0)
    fill(made, range(5), size=50_000)
    written = sum(path.stat().st_size for path in files(tmp_path))
    assert 500_000 < written <= 1_000_000
    assert numbers(made) == list(range(50)) and made.in_memory
    assert len(log.of('warning')) == 1 and '1 MB are written today' in log.of('warning')[0]
    # The next day it is on disk again.
    fill(made, range(5, 7), day=2)
    assert log.of('info') == ['its ring is on disk again'] and not made.in_memory
    assert numbers(made) == list(range(70))


def test_memory_is_bounded_and_the_oldest_goes(tmp_path: Path) -> None:
    made = ring(tmp_path, Log(), max_writes_mb_per_day=0.001)
    gone = []
    for second in range(40):
        fill(made, [second], size=100_000)
        gone += made.trim(-1.0, 2**30)
        assert made.memory_bytes <= MEMORY_BYTES
    assert gone and gone[0].number == 1 and numbers(made)[-1] == 399


def test_the_budget_goes_on_over_a_restart(tmp_path: Path) -> None:
    budget = WriteBudget(100, day=3, written=60)
    save_budget(tmp_path / 'sub' / 'written.json', budget)
    later = WriteBudget(100)
    restore_budget(tmp_path / 'sub' / 'written.json', later)
    assert (later.day, later.written) == (3, 60)
    for text in ('', '[]', '{"day": "x", "bytes": 1}', '{"day": 1, "bytes": -5}', '\xff'):
        (tmp_path / 'written.json').write_text(text)
        fresh = WriteBudget(100)
        restore_budget(tmp_path / 'written.json', fresh)
        assert (fresh.day, fresh.written) == (0, 0)


def test_a_directory_that_cannot_be_made_is_told_once(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('in the way')
    log = Log()
    made = ring(tmp_path / 'file' / 'box', log)
    fill(made, range(20))
    made.trim(0.0, 2**30)
    made.save_mark({'a': 1})
    assert numbers(made) == list(range(200)) and len(log) == 1
    assert 'Not a directory' in log[0][1] and 'kept in memory' in log[0][1]
    made.close(keep=False)
    assert len(log) == 1


def test_a_disk_that_comes_back_is_used_again(tmp_path: Path) -> None:
    (tmp_path / 'box').write_text('in the way')
    log = Log()
    made = ring(tmp_path / 'box', log)
    fill(made, range(3))
    (tmp_path / 'box').unlink()
    fill(made, range(3, 59))
    assert files(tmp_path / 'box') == []  # not tried with each record
    fill(made, range(59, 70))
    assert files(tmp_path / 'box') and log.of('info') == ['its ring is on disk again']
    assert numbers(made) == list(range(700))


def test_a_record_that_does_not_fit_harms_nothing_that_stands(tmp_path: Path) -> None:
    log = Log()
    made = ring(tmp_path, log, before_s=100.0)
    fill(made, range(2))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # As a full disk does, the limit cuts in the middle of a record.
    resource.setrlimit(resource.RLIMIT_FSIZE, (made.pieces[0].size * 5 // 2, hard))
    try:
        fill(made, range(2, 4))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert numbers(made) == list(range(40)) and made.memory_bytes > 0
    assert len(log) == 1 and 'too large' in log.of('warning')[0]
    fill(made, range(64, 66))
    assert numbers(made) == [*range(40), *range(640, 660)]
    left = ring(tmp_path, Log())
    left.load()
    assert numbers(left) == [*range(20), *range(640, 660)]
