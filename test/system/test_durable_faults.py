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

"""What was committed survives what breaks: the fault scenarios, each a few rounds."""

from importlib import import_module
from importlib.metadata import version
import json
import os
from pathlib import Path
import subprocess
import sys
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')

from support.broker import find_mosquitto  # noqa: E402

BENCHMARKS = Path(__file__).resolve().parents[2] / 'benchmarks'

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_mosquitto() is None, reason='mosquitto is not installed'),
]


def shared(number: int) -> pytest.MarkDecorator:
    """
    Let one of CI's environments run a test; elsewhere each does.

    :param number: of the test
    :returns: a mark
    """
    paho = int(version('paho-mqtt').partition('.')[0])
    other = bool(os.environ.get('CI')) and number % 2 != paho % 2
    return pytest.mark.skipif(other, reason="runs in CI's other environment with ROS")


def run(name: str, rounds: int, monkeypatch: pytest.MonkeyPatch, confirm: str = 'consumer') -> Any:
    """
    Run a scenario, and check what holds of each: nothing is lost without a word.

    :param name: of the scenario
    :param rounds: faults
    :param monkeypatch: pytest's
    :param confirm: who confirms
    :returns: its result
    """
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    options = import_module('fault_base').Options(
        seed=1, rounds=rounds, quick=True, confirm=confirm
    )
    outcome = import_module('faults').SCENARIOS[name](options)
    reckoning = outcome.reckoning
    assert reckoning.committed > 0 and reckoning.unbalanced == 0, reckoning
    assert (reckoning.twice, reckoning.corrupt) == (0, 0), outcome.findings
    if confirm == 'consumer' and not outcome.told:
        assert reckoning.sound, (reckoning, outcome.findings)
        assert reckoning.spooled == 0, reckoning
    return outcome


@pytest.mark.parametrize(
    ('name', 'rounds'),
    [
        pytest.param('kill_bridge', 4, marks=shared(0)),
        pytest.param('kill_both', 2, marks=shared(1)),
        pytest.param('kill_consumer', 3, marks=shared(2)),
        pytest.param('kill_recorder', 2, marks=shared(3)),
        pytest.param('publisher_restart', 2, marks=shared(4)),
        pytest.param('broker_restart_memory', 2, marks=shared(5)),
        pytest.param('broker_restart_persistent', 2, marks=shared(6)),
        pytest.param('session_expiry', 1, marks=shared(7)),
        pytest.param('clock_jump', 2, marks=shared(8)),
    ],
)
def test_everything_committed_arrives(
    name: str, rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    reckoning = run(name, rounds, monkeypatch).reckoning
    assert reckoning.delivered == reckoning.committed <= reckoning.arrived


@shared(0)
def test_a_half_open_connection_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = run('half_open', 1, monkeypatch)
    assert outcome.reckoning.delivered == outcome.reckoning.committed
    assert outcome.notes['keepalives'] > 0


@shared(1)
def test_quota_exceeded_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = run('refuse_0x97', 1, monkeypatch)
    assert outcome.faults > 5
    assert outcome.reckoning.delivered == outcome.reckoning.committed
    assert outcome.reckoning.refused == 0


@shared(2)
def test_not_authorized_goes_to_the_dead_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = run('refuse_0x87', 1, monkeypatch)
    reckoning = outcome.reckoning
    assert reckoning.refused > 0
    assert reckoning.delivered + reckoning.refused == reckoning.committed
    assert outcome.notes['dead_letters'] == reckoning.refused


@pytest.mark.parametrize(
    'confirm',
    [pytest.param('consumer', marks=shared(0)), pytest.param('broker', marks=shared(1))],
)
def test_without_a_subscriber_nothing_goes(monkeypatch: pytest.MonkeyPatch, confirm: str) -> None:
    outcome = run('no_subscriber_0x10', 1, monkeypatch, confirm)
    reckoning = outcome.reckoning
    assert outcome.notes['kept'] > 0
    # With confirm: broker too: 0x10 says that nobody has it.
    assert reckoning.unaccounted == 0
    assert reckoning.arrived == reckoning.delivered == reckoning.committed


@pytest.mark.parametrize(
    'name',
    [
        pytest.param('corrupt_pages', marks=shared(0)),
        pytest.param('corrupt_log', marks=shared(1)),
    ],
)
def test_damage_is_told(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = run(name, 2, monkeypatch)
    assert outcome.notes['silent'] == 0
    reckoning = outcome.reckoning
    assert reckoning.delivered + reckoning.damaged == reckoning.committed


@shared(3)
def test_the_command_line_prints_the_reckoning(tmp_path: Path) -> None:
    figures = tmp_path / 'figures.json'
    arguments = ['--quick', '--rounds', '1', '--scenario', 'publisher_restart', '--json']
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / 'faults.py'), *arguments, str(figures)],
        capture_output=True,
        text=True,
        timeout=180.0,
        env={**os.environ, 'PYTHONPATH': str(BENCHMARKS.parent)},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'unaccounted' in done.stdout and 'publisher_restart' in done.stdout
    (row,) = json.loads(figures.read_text())['scenarios']
    assert row['reckoning']['sound'] and row['reckoning']['committed'] > 0
