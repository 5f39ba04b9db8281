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

"""The usage on disk: what comes back, what is set aside, and what is said about it."""

import json
import os
from pathlib import Path
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.core.budget import MonthlyBudget
from ros_cloud_bridge.core.usage import Usage
from ros_cloud_bridge.store.usage import state_directory, UsageFile
from ros_cloud_bridge.values import BridgeConfig

USAGE = Usage(
    months={'2026-10-15': 5, '2026-11-15': 123_456_789_012},
    month='2026-11-15',
    undated=7,
    spare_bytes=-12.5,
    saved_at_s=1_795_000_000.25,
)


class Lines:
    """What was logged."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, level: str, text: str) -> None:
        """
        Take a line.

        :param level: of the log
        :param text: of the line
        """
        self.lines.append((level, text))


def test_comes_back(tmp_path: Path) -> None:
    log = Lines()
    directory = tmp_path / 'not' / 'there'
    assert UsageFile(directory, 'amr-07', log).load() is None
    for usage in (USAGE, Usage()):
        assert UsageFile(directory, 'amr-07', log).save(usage)
        assert UsageFile(directory, 'amr-07', log).load() == usage
    assert UsageFile(directory, 'amr-08', log).load() is None
    assert [path.name for path in directory.iterdir()] == ['usage-amr-07.json']
    assert log.lines == []


def test_file_name_stays_in_the_directory(tmp_path: Path) -> None:
    for robot_id in ('../../etc/passwd', 'a b', 'größe', '.'):
        file = UsageFile(tmp_path, robot_id, Lines())
        assert file.path.parent == tmp_path
        assert file.save(USAGE)
        assert file.load() == USAGE


def document(**changes: object) -> str:
    good = {
        'version': 1,
        'month': '2026-11-01',
        'months': {'2026-11-01': 1000},
        'undated': 0,
        'spare_bytes': 1.5,
        'saved_at_s': None,
    }
    return json.dumps({**good, **changes})


CORRUPT = [
    b'',
    b'\x00' * 300,
    b'\xff\xfe',
    b'{"version": 1',
    b'[]',
    b'null',
    b'[' * 50_000,
    b' ' * 70_000,
    b'9' * 5000,
    document(version=2).encode(),
    document(months=None).encode(),
    document(months={f'{year}-01-01': 1 for year in range(2000, 2013)}).encode(),
    document(months={'2026-11-01': -1}).encode(),
    document(months={'2026-11-01': True}).encode(),
    document(months={'2026-11-01': 1.5}).encode(),
    document(months={'2026-11-01': 10**400}).encode(),
    document(months={'2026-11-31': 1}).encode(),
    document(months={'2026-10-31': 1}).encode(),
    document(months={'9999-12-01': 1}).encode(),
    document(months={'20261101': 1}).encode(),
    document(month=None).encode(),
    document(month='soon').encode(),
    document(undated='1').encode(),
    document(spare_bytes=float('nan')).encode(),
    document(spare_bytes=float('inf')).encode(),
    document(saved_at_s='now').encode(),
    document(saved_at_s=10**400).encode(),
]


@pytest.mark.parametrize('data', CORRUPT, ids=lambda data: repr(data[:60]))
def test_corrupt_file_is_set_aside_and_told(tmp_path: Path, data: bytes) -> None:
    log = Lines()
    file = UsageFile(tmp_path, 'r', log)
    file.path.write_bytes(data)
    assert file.load() is None
    assert (tmp_path / 'usage-r.json.corrupt-1').read_bytes() == data
    ((level, text),) = log.lines
    assert level == 'error'
    assert str(file.path) in text
    assert 'usage-r.json.corrupt-1' in text
    assert file.load() is None
    assert file.save(USAGE)
    assert file.load() == USAGE
    assert len(log.lines) == 1


def test_document_that_the_corrupt_ones_are_made_of_is_good(tmp_path: Path) -> None:
    file = UsageFile(tmp_path, 'r', Lines())
    file.path.write_text(document())
    loaded = file.load()
    assert loaded is not None
    assert loaded.months == {'2026-11-01': 1000}


@given(st.binary(max_size=200), st.integers(0, 400), st.integers(0, 400))
def test_whatever_loads_can_be_worked_with(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, begin: int, length: int
) -> None:
    file = UsageFile(tmp_path_factory.mktemp('noise'), 'r', Lines())
    file.save(USAGE)
    good = file.path.read_bytes()
    file.path.write_bytes(good[:begin] + noise + good[begin + length :])
    budget = MonthlyBudget(10**12, 15, file.load(), 1_795_000_000.0, 0.0)
    budget.spent(1000, 0.0)
    assert file.save(budget.usage(1.0))
    assert file.load() == budget.usage(1.0)


def test_corrupt_files_are_kept_apart_but_not_without_end(tmp_path: Path) -> None:
    file = UsageFile(tmp_path, 'r', Lines())
    for number in range(15):
        file.path.write_text(f'bad {number}')
        assert file.load() is None
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f'usage-r.json.corrupt-{number}' for number in range(1, 10)]
    assert (tmp_path / names[0]).read_text() == 'bad 0'


def test_directory_in_the_file_s_place(tmp_path: Path) -> None:
    log = Lines()
    file = UsageFile(tmp_path, 'r', log)
    file.path.mkdir()
    assert file.load() is None
    assert len(log.lines) == 1
    assert file.save(USAGE)
    assert file.load() == USAGE


def test_directory_that_cannot_be_is_told_once(tmp_path: Path) -> None:
    log = Lines()
    blocker = tmp_path / 'blocker'
    blocker.write_text('a file')
    file = UsageFile(blocker / 'state', 'r', log)
    assert file.load() is None
    for _ in range(3):
        assert not file.save(USAGE)
    ((level, text),) = log.lines
    assert level == 'error'
    assert str(file.path) in text
    blocker.unlink()
    assert file.save(USAGE)
    assert [level for level, _ in log.lines] == ['error', 'info']
    assert file.load() == USAGE


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='needs /dev/full')
def test_full_disk_leaves_the_last_usage(tmp_path: Path) -> None:
    log = Lines()
    file = UsageFile(tmp_path, 'r', log)
    assert file.save(USAGE)
    (tmp_path / 'usage-r.json.tmp').symlink_to('/dev/full')
    assert not file.save(Usage(undated=1))
    assert file.load() == USAGE
    assert 'No space left' in log.lines[0][1]


@pytest.mark.skipif(os.geteuid() == 0, reason='root may read and write everything')
def test_directory_without_rights(tmp_path: Path) -> None:
    log = Lines()
    file = UsageFile(tmp_path, 'r', log)
    assert file.save(USAGE)
    tmp_path.chmod(0o500)
    try:
        assert not file.save(USAGE)
        assert file.load() == USAGE
    finally:
        tmp_path.chmod(0o700)
    assert len(log.lines) == 1


SAVER = """
import sys
from pathlib import Path
from ros_cloud_bridge.core.usage import Usage
from ros_cloud_bridge.store.usage import UsageFile

file = UsageFile(Path(sys.argv[1]), 'r', print)
count = 0
while True:
    count += 1
    file.save(Usage(months={'2026-11-01': count, '2026-10-01': count}, undated=count))
    if count == 1:
        print('saving', flush=True)
"""


def test_killed_while_saving_leaves_a_whole_file(tmp_path: Path) -> None:
    log = Lines()
    file = UsageFile(tmp_path, 'r', log)
    last = 0
    for _ in range(5):
        saver = subprocess.Popen(
            [sys.executable, '-c', SAVER, str(tmp_path)], stdout=subprocess.PIPE
        )
        try:
            assert saver.stdout is not None
            # It has saved, and does nothing else while it is killed.
            assert saver.stdout.readline() == b'saving\n'
        finally:
            saver.kill()
            saver.communicate()
        usage = file.load()
        assert usage is not None
        assert usage.months['2026-11-01'] == usage.months['2026-10-01'] == usage.undated
        last += usage.undated
    assert last > 0
    assert log.lines == []


def test_state_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv('HOME', '/home/me')
    monkeypatch.delenv('ROS_HOME', raising=False)
    default = BridgeConfig(robot_id='r')
    assert state_directory(default) == Path('/home/me/.ros/ros_cloud_bridge')
    monkeypatch.setenv('ROS_HOME', str(tmp_path))
    assert state_directory(default) == tmp_path / 'ros_cloud_bridge'
    chosen = BridgeConfig(robot_id='r', state_dir='~/state')
    assert state_directory(chosen) == Path('/home/me/state')
