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

"""The log of executed commands on a disk: what is durable, what goes, and what damage does."""

from collections.abc import Callable
import os
from pathlib import Path
import sqlite3
import subprocess
import sys
import textwrap

import pytest

from ros_cloud_bridge.command_values import Answer, State
from ros_cloud_bridge.core.commands.effects import LogEntry, LogKey
from ros_cloud_bridge.errors import LocalFault
from ros_cloud_bridge.store.executed import ExecutedStore, KEEP_S, MOST_ANSWER_BYTES

START_S = 1_795_000_000.0


class Clock:
    """Both clocks, which are told."""

    def __init__(self) -> None:
        self.now_s = START_S

    def __call__(self) -> float:
        """Read it."""
        return self.now_s


class Opened:
    """Stores in one directory, one after the other."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.lines: list[tuple[str, str]] = []
        self.clock = Clock()

    def __call__(self, **other: int) -> ExecutedStore:
        """Open one."""
        return ExecutedStore(
            self.directory,
            'amr 07',
            lambda level, text: self.lines.append((level, text)),
            wall_s=self.clock,
            monotonic_s=self.clock,
            **other,
        )


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    return Opened(tmp_path / 'not' / 'there')


def entry(number: int) -> LogEntry:
    return LogEntry(
        key=LogKey(kid=b'k' * 8, id=number.to_bytes(16, 'big')),
        digest=bytes([number % 256]) * 32,
        operator='ann',
        channel='call',
    )


def answer(number: int, detail: object = None) -> Answer:
    return Answer(
        id=number.to_bytes(16, 'big'),
        epoch=b'epoch--1',
        robot_ms=1234,
        state=State.SUCCEEDED,
        number=3,
        reason='why',
        detail=detail,
    )


def test_comes_back(opened: Opened) -> None:
    store = opened()
    assert store.find(entry(1).key) is None
    assert store.left_over() == []
    store.start(entry(1))
    store.start(entry(2))
    assert store.find(entry(1).key) == entry(1)
    # What this run has begun is not left over.
    assert store.left_over() == []
    store.finish(entry(2).key, answer(2, {'y': [1.5, b'x', None]}))
    store.close()
    store = opened()
    assert store.left_over() == [entry(1)]
    found = store.find(entry(2).key)
    assert found is not None
    assert found.answer == answer(2, {'y': [1.5, b'x', None]})
    store.finish(entry(1).key, answer(1))
    assert store.left_over() == []
    assert opened.lines == []


def test_a_killed_process_loses_nothing(opened: Opened) -> None:
    program = f"""
        import os
        from pathlib import Path
        from ros_cloud_bridge.command_values import Answer, State
        from ros_cloud_bridge.core.commands.effects import LogEntry, LogKey
        from ros_cloud_bridge.store.executed import ExecutedStore
        store = ExecutedStore(Path({str(opened.directory)!r}), 'amr 07', print)
        for number in (1, 2):
            identity = number.to_bytes(16, 'big')
            key = LogKey(kid=b'k' * 8, id=identity)
            store.start(LogEntry(
                key=key, digest=bytes([number]) * 32, operator='ann', channel='call'))
        store.finish(key, Answer(
            id=identity, epoch=b'epoch--1', robot_ms=1234, state=State.SUCCEEDED, number=3,
            reason='why'))
        os.kill(os.getpid(), 9)
    """
    done = subprocess.run([sys.executable, '-c', textwrap.dedent(program)], check=False)
    assert done.returncode == -9
    opened.clock.now_s = os.stat(opened().path).st_mtime
    store = opened()
    assert store.left_over() == [entry(1)]
    found = store.find(entry(2).key)
    assert found is not None
    assert found.answer == answer(2)


def test_a_start_is_synced_and_an_end_need_not_be(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened()
    said: list[str] = []
    assert store._connection is not None
    store._connection.set_trace_callback(said.append)
    store.start(entry(1))
    store.finish(entry(1).key, answer(1))
    levels = [text for text in said if 'synchronous' in text or text == 'COMMIT']
    assert levels == [
        'PRAGMA synchronous=FULL',
        'COMMIT',
        'PRAGMA synchronous=NORMAL',
        'COMMIT',
    ]


def test_a_long_answer_is_kept_without_its_detail(opened: Opened) -> None:
    store = opened()
    for number, size in ((1, MOST_ANSWER_BYTES // 2), (2, MOST_ANSWER_BYTES)):
        store.start(entry(number))
        store.finish(entry(number).key, answer(number, 'x' * size))
    one, two = (store.find(entry(number).key) for number in (1, 2))
    assert one is not None and two is not None
    assert one.answer == answer(1, 'x' * (MOST_ANSWER_BYTES // 2))
    assert two.answer == answer(2)


def test_a_second_start_is_refused(opened: Opened) -> None:
    store = opened()
    store.start(entry(1))
    store.finish(entry(1).key, answer(1))
    with pytest.raises(LocalFault, match='UNIQUE'):
        store.start(entry(1))
    found = store.find(entry(1).key)
    assert found is not None
    assert found.answer == answer(1)


def test_an_end_without_start_changes_nothing(opened: Opened) -> None:
    store = opened()
    store.finish(entry(1).key, answer(1))
    assert store.find(entry(1).key) is None


def test_old_entries_go_but_not_unfinished_ones_of_this_run(opened: Opened) -> None:
    store = opened()
    store.start(entry(1))
    store.start(entry(2))
    store.finish(entry(2).key, answer(2))
    opened.clock.now_s += KEEP_S + 1
    for number in range(3, 257):
        store.start(entry(number))
    assert store.find(entry(1).key) == entry(1)
    assert store.find(entry(2).key) is None
    assert store.find(entry(3).key) is not None
    store.close()
    # Now it is one of an earlier run, and nobody asks for it any more.
    assert opened().find(entry(1).key) is None


def test_only_so_many_are_kept(opened: Opened) -> None:
    store = opened(most_entries=100)
    for number in range(1, 513):
        store.start(entry(number))
        if number != 5:
            store.finish(entry(number).key, answer(number))
    kept = [number for number in range(1, 513) if store.find(entry(number).key) is not None]
    assert kept == [5, *range(413, 513)]


def _overwrite(path: Path) -> None:
    path.write_bytes(b'not a database at all, but long enough to be one' * 100)


def _tear(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = bytes(b ^ 0x5A for b in data[4096:])
    path.write_bytes(data)


def _foreign(path: Path) -> None:
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute('CREATE TABLE other(x)')
    connection.close()


@pytest.mark.parametrize('damage', [_overwrite, _tear, _foreign])
def test_a_damaged_file_is_set_aside(opened: Opened, damage: Callable[[Path], None]) -> None:
    for round_number in (1, 2):
        store = opened()
        for number in range(1, 50):
            store.start(entry(number))
        store.close()
        damage(store.path)
        opened.lines.clear()
        store = opened()
        ((level, text),) = opened.lines
        assert level == 'error'
        aside = f'{store.path.name}.corrupt-{round_number}'
        assert aside in text
        assert (store.path.parent / aside).exists()
        assert store.find(entry(1).key) is None
        assert store.left_over() == []
        store.start(entry(1))
        assert store.find(entry(1).key) == entry(1)
        store.close()
        store.path.unlink()


def test_damage_that_shows_later(opened: Opened) -> None:
    store = opened()
    for number in range(1, 300):
        store.start(entry(number))
    store.close()
    store = opened()
    # Behind the back of the connection, whose cache is empty but for the first pages.
    assert store._connection is not None
    store._connection.execute('PRAGMA cache_size=1')
    _tear(store.path)
    opened.lines.clear()
    store.start(entry(5000))
    assert store.find(entry(5000).key) == entry(5000)
    ((level, text),) = opened.lines
    assert (level, 'corrupt-1' in text) == ('error', True)


def test_a_newer_file_is_left_to_the_newer_program(opened: Opened) -> None:
    store = opened()
    store.start(entry(1))
    store.close()
    connection = sqlite3.connect(store.path)
    connection.execute('PRAGMA user_version=99')
    connection.close()
    store = opened()
    assert 'version 99' in opened.lines[0][1]
    assert store.path.with_name(store.path.name + '.newer-1').exists()
    store.start(entry(2))


def test_a_full_disk_refuses_the_start(opened: Opened) -> None:
    store = opened()
    store.start(entry(1))
    assert store._connection is not None
    pages = store._connection.execute('PRAGMA page_count').fetchone()[0]
    store._connection.execute(f'PRAGMA max_page_count={pages}')
    with pytest.raises(LocalFault, match='full'):
        for number in range(2, 1000):
            store.start(entry(number))
    assert store.find(entry(number).key) is None
    store._connection.execute('PRAGMA max_page_count=100000')
    store.start(entry(number))
    assert store.find(entry(number).key) == entry(number)


def test_a_read_only_log_refuses_the_start(opened: Opened) -> None:
    store = opened()
    store.start(entry(1))
    assert store._connection is not None
    store._connection.execute('PRAGMA query_only=ON')
    with pytest.raises(LocalFault, match='readonly'):
        store.start(entry(2))
    assert store.find(entry(1).key) == entry(1)
    assert store.find(entry(2).key) is None


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / 'not').write_text('a file')
    opened = Opened(tmp_path / 'not' / 'there')
    store = opened()
    for _ in range(3):
        opened.clock.now_s += 2
        with pytest.raises(LocalFault, match='cannot use the log of executed commands'):
            store.start(entry(1))
        with pytest.raises(LocalFault):
            store.find(entry(1).key)
    # It is said once.
    assert [level for level, _ in opened.lines] == ['error']
    (tmp_path / 'not').unlink()
    # Not with every command, but soon, it is tried again.
    with pytest.raises(LocalFault):
        store.start(entry(1))
    opened.clock.now_s += 1
    store.start(entry(1))
    assert [level for level, _ in opened.lines] == ['error', 'info']


def test_a_closed_log_says_so(opened: Opened) -> None:
    store = opened()
    store.close()
    store.close()
    with pytest.raises(LocalFault, match='closed'):
        store.start(entry(1))
