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

"""The ledger: what stands in it outlives the process, and damage never passes for content."""

from collections.abc import Iterable
from pathlib import Path
import random
import signal
import sqlite3
import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.cloud.ledger import HELD, Ledger, LedgerEntry, LedgerError, Span
from ros_cloud_bridge.values import Drop
from ros_cloud_bridge.wire.batch import Descriptor

BOOT = bytes(range(8))
POSE = Descriptor(
    stream='pose', topic='/pose', type_name='geometry_msgs/msg/Pose', schema_id='0123456789abcdef'
)


def entry(*spans: tuple[int, int, int], robot_id: str = 'amr', route: int = 3) -> LedgerEntry:
    return LedgerEntry(
        robot_id=robot_id,
        boot=BOOT,
        route=route,
        descriptor=POSE,
        spans=tuple(Span(*span) for span in spans),
    )


def spans_of(ledger: Ledger) -> list[tuple[int, int, int]]:
    (found,) = ledger.entries()
    return [(span.reason, span.first, span.last) for span in found.spans]


def numbers(spans: Iterable[tuple[int, int, int]]) -> set[tuple[int, int]]:
    return {(reason, number) for reason, first, last in spans for number in range(first, last + 1)}


def test_everything_is_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / 'ledger'
    ledger = Ledger(path, 'archive')
    ledger.commit(
        [
            LedgerEntry(
                robot_id='amr',
                boot=BOOT,
                route=3,
                descriptor=POSE,
                committed=40,
                closed=True,
                spans=(Span(HELD, 1, 30), Span(Drop.EXPIRED, 31, 35)),
            ),
            entry((HELD, 5, 5), robot_id='arm'),
        ],
        {'recording': 'x'},
    )
    before = ledger.entries()
    ledger.close()
    ledger = Ledger(path, 'archive')
    assert ledger.entries() == before
    assert [(e.robot_id, e.committed, e.closed, e.descriptor) for e in before] == [
        ('amr', 40, True, POSE),
        ('arm', 0, False, POSE),
    ]
    assert ledger.note('recording') == 'x'
    assert ledger.recovered == ''
    ledger.commit((), {'recording': ''})
    assert ledger.note('recording') == ''
    ledger.close()


@given(
    parts=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 60), st.integers(0, 9)), max_size=40
    )
)
@settings(max_examples=60)
def test_spans_are_those_of_a_plain_set(parts: list[tuple[int, int, int]]) -> None:
    ledger = Ledger(Path(':memory:'), 'archive')
    spans = [(reason, first, first + more) for reason, first, more in parts]
    for span in spans:
        ledger.commit([entry(span)])
    ledger.commit([entry()])
    found = spans_of(ledger)
    assert numbers(found) == numbers(spans)
    # As few as can be: reading back refuses spans that touch.
    assert all(
        after[0] > before[0] or after[1] > before[2] + 1
        for before, after in zip(found, found[1:], strict=False)
    )
    ledger.close()


def test_a_commit_that_fails_changes_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / 'ledger', 'archive')
    ledger.commit([entry((HELD, 1, 5))])
    with pytest.raises(OverflowError):
        ledger.commit([entry((HELD, 6, 9)), entry((HELD, 1, 2**64))])
    assert spans_of(ledger) == [(HELD, 1, 5)]
    ledger.commit([entry((HELD, 7, 9))])
    assert spans_of(ledger) == [(HELD, 1, 5), (HELD, 7, 9)]
    ledger.close()


def test_two_at_a_time_and_other_names_are_refused(tmp_path: Path) -> None:
    path = tmp_path / 'ledger'
    ledger = Ledger(path, 'archive')
    with pytest.raises(LedgerError, match='in use by another process'):
        Ledger(path, 'archive')
    ledger.commit([entry((HELD, 1, 5))])
    ledger.close()
    with pytest.raises(LedgerError, match="that of 'archive', not of 'ops'"):
        Ledger(path, 'ops')
    with pytest.raises(LedgerError, match='unable to open'):
        Ledger(tmp_path / 'no' / 'ledger', 'ops')
    assert list(tmp_path.glob('*corrupt*')) == []


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        ('PRAGMA user_version = 9', 'later version'),
        ('PRAGMA application_id = 9', 'something else'),
    ],
)
def test_what_is_not_ours_is_left_alone(tmp_path: Path, change: str, said: str) -> None:
    path = tmp_path / 'ledger'
    Ledger(path, 'archive').close()
    with sqlite3.connect(path) as connection:
        connection.execute(change)
    connection.close()
    with pytest.raises(LedgerError, match=said):
        Ledger(path, 'archive')
    assert list(tmp_path.glob('*corrupt*')) == []


def damage_header(path: Path) -> None:
    path.write_bytes(b'not a database at all' * 100)


def damage_pages(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:] = bytes(byte ^ 0xFF for byte in content[4096:])
    path.write_bytes(content)


def damage_end(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:4096])


def damage_content(path: Path) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute('INSERT INTO spans SELECT lane, 0, 3, 4 FROM lanes')
    connection.close()


@pytest.mark.parametrize('damage', [damage_header, damage_pages, damage_end, damage_content])
def test_damage_is_set_aside_and_said(tmp_path: Path, damage: object) -> None:
    path = tmp_path / 'ledger'
    for number in range(1, 12):
        ledger = Ledger(path, 'archive')
        assert bool(ledger.recovered) == (number > 1)
        assert ledger.entries() == []
        ledger.commit([entry((HELD, 1, 5))])
        ledger.close()
        damage(path)  # type: ignore[operator]
    ledger = Ledger(path, 'archive')
    assert 'comes again' in ledger.recovered
    ledger.close()
    # A disk that breaks each file does not fill up with them.
    assert len(list(tmp_path.glob('ledger.corrupt-?'))) == 9


def test_many_lanes_forget_the_least_recently_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('ros_cloud_bridge.cloud.ledger._MAX_LANES_PER_ROBOT', 5)
    ledger = Ledger(tmp_path / 'ledger', 'archive')
    for route in range(8):
        ledger.commit([entry((HELD, 1, 5), route=route), entry(robot_id='other')])
    assert [(e.robot_id, e.route) for e in ledger.entries() if e.robot_id == 'amr'] == [
        ('amr', route) for route in range(3, 8)
    ]
    assert any(e.robot_id == 'other' for e in ledger.entries())
    ledger.close()


CHILD = """
import sys
from pathlib import Path
from ros_cloud_bridge.cloud.ledger import Ledger, LedgerEntry, Span
from ros_cloud_bridge.wire.batch import Descriptor
ledger = Ledger(Path(sys.argv[1]), 'archive')
descriptor = Descriptor(stream='s', topic='/t', type_name='a/msg/B', schema_id='')
number = int(sys.argv[2])
while True:
    number += 2
    span = Span(0, number, number)
    lane = LedgerEntry(
        robot_id='r', boot=bytes(8), route=0, descriptor=descriptor, spans=(span,)
    )
    ledger.commit([lane])
    print(number, flush=True)
"""


def test_what_was_committed_outlives_sigkill(tmp_path: Path) -> None:
    path = tmp_path / 'ledger'
    rounds = random.Random(4)
    said: set[int] = set()
    for _ in range(8):
        start = max(said, default=0) + 2
        process = subprocess.Popen(
            [sys.executable, '-c', CHILD, str(path), str(start)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for _ in range(rounds.randint(1, 40)):
            said.add(int(process.stdout.readline()))
        process.send_signal(signal.SIGKILL)
        said |= {int(line) for line in process.stdout.read().split()}
        process.wait()
        process.stdout.close()
    ledger = Ledger(path, 'archive')
    assert ledger.recovered == ''
    held = {first for _, first, _ in spans_of(ledger)}
    assert said <= held
    # Committed and killed before it could say so.
    assert len(held - said) <= 8
    ledger.close()
