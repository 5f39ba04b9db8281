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

"""Decisions are noted line by line, in files that are bounded; a full disk is said, not fatal."""

import json
import os
from pathlib import Path

import pytest

from ros_cloud_bridge.command.audit import AuditLog
from ros_cloud_bridge.core.commands.effects import Audit
from ros_cloud_bridge.values import AuditConfig

WHEN_NS = 1_700_000_000_123_456_789


def decision(reason: str = '') -> Audit:
    """Make a decision."""
    return Audit(
        operator='alice',
        channel='drive',
        verdict='rejected',
        reason=reason,
        id='00' * 16,
        kid='11' * 8,
        facts={'age_ms': 12},
    )


def test_a_line_tells_who_what_when_and_why(tmp_path: Path) -> None:
    path = tmp_path / 'made' / 'audit.jsonl'
    audit = AuditLog(path, 'amr-07', AuditConfig(), lambda level, text: None)
    audit.write(audit.line(decision('expired: 3 s late'), WHEN_NS))
    audit.write(audit.line(Audit(operator='bob', channel='dock', verdict='accepted'), WHEN_NS))
    audit.close()
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert first == {
        'time': '2023-11-14T22:13:20.123+00:00',
        'robot': 'amr-07',
        'operator': 'alice',
        'channel': 'drive',
        'verdict': 'rejected',
        'reason': 'expired: 3 s late',
        'id': '00' * 16,
        'kid': '11' * 8,
        'facts': {'age_ms': 12},
    }
    assert second['operator'] == 'bob' and 'reason' not in second


def test_files_are_bounded_and_the_newest_lines_are_there(tmp_path: Path) -> None:
    path = tmp_path / 'audit.jsonl'
    config = AuditConfig(max_bytes=4096, files=3)
    audit = AuditLog(path, 'amr-07', config, lambda level, text: None)
    for number in range(500):
        audit.write(audit.line(decision(f'number {number}'), WHEN_NS))
    audit.close()
    files = sorted(tmp_path.iterdir())
    assert [one.name for one in files] == ['audit.jsonl', 'audit.jsonl.1', 'audit.jsonl.2']
    assert all(one.stat().st_size <= 4096 for one in files)
    last = json.loads(path.read_text().splitlines()[-1])
    assert last['reason'] == 'number 499'


def test_a_single_file_is_bounded_too(tmp_path: Path) -> None:
    path = tmp_path / 'audit.jsonl'
    audit = AuditLog(path, 'amr-07', AuditConfig(max_bytes=4096, files=1), lambda *line: None)
    for number in range(500):
        audit.write(audit.line(decision(f'number {number}'), WHEN_NS))
    audit.close()
    assert [one.name for one in tmp_path.iterdir()] == ['audit.jsonl']
    assert path.stat().st_size <= 4096
    assert json.loads(path.read_text().splitlines()[-1])['reason'] == 'number 499'


def test_a_fault_is_said_once_and_its_end_too(tmp_path: Path) -> None:
    if not os.path.exists('/dev/full'):
        pytest.skip('no /dev/full on this system')
    path = tmp_path / 'audit.jsonl'
    path.symlink_to('/dev/full')
    said: list[tuple[str, str]] = []
    audit = AuditLog(path, 'amr-07', AuditConfig(), lambda *line: said.append(line))
    for _ in range(3):
        audit.write(audit.line(decision(), WHEN_NS))
    assert len(said) == 1 and said[0][0] == 'error'
    assert 'are not noted: No space left on device' in said[0][1]
    audit.close()
    path.unlink()
    audit.write(audit.line(decision('again'), WHEN_NS))
    assert said[1] == ('info', f'{path}: decisions on commands are noted again')
    assert 'again' in path.read_text()
    audit.close()
