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

"""The soak runs, its books are right, and its slopes are those of what it is given."""

from importlib import import_module
from importlib.util import find_spec
import json
import os
from pathlib import Path
import random
import subprocess
import sys
from typing import Any

import pytest

from support.broker import find_mosquitto

BENCHMARKS = Path(__file__).resolve().parents[2] / 'benchmarks'
TIMEOUT_S = 400.0

needs_ros = pytest.mark.skipif(
    find_spec('rclpy') is None, reason='ROS 2 (rclpy) is neither installed nor sourced'
)
needs_broker = pytest.mark.skipif(find_mosquitto() is None, reason='mosquitto is not installed')


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return import_module('soak_watch')


@pytest.mark.slow
@needs_ros
@needs_broker
def test_soak(tmp_path: Path) -> None:
    figures = tmp_path / 'figures.json'
    arguments = ['--seconds', '20', '--speed-up', '60', '--seed', '1', '--json', str(figures)]
    root = str(BENCHMARKS.parent)
    path = os.pathsep.join(filter(None, (root, os.environ.get('PYTHONPATH', ''))))
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / 'soak.py'), *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        env={**os.environ, 'PYTHONPATH': path},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(figures.read_text(encoding='utf-8'))
    assert document['problem'] == '' and document['findings'] == []
    found = document['reckoning']
    assert found['published'] >= found['committed'] > 1000
    ends = ('delivered', 'expired', 'refused', 'spool_full', 'damaged', 'spooled')
    assert sum(found[name] for name in ends) == found['committed']
    for name in ('spooled', 'unaccounted', 'unbalanced', 'twice', 'disorder', 'corrupt'):
        assert found[name] == 0, name
    # What arrived may have expired before its confirmation did.
    assert 1000 < found['delivered'] <= found['arrived']
    assert len(document['faults']) > 3
    assert found['connections'] > 1
    assert 'memory' in document['slopes']['after warm-up']
    assert all(reading['memory'] > 0 for reading in document['readings'])
    assert 'unaccounted' in done.stdout


def test_a_slope_is_found_with_its_margin(watch: Any) -> None:
    drawn = random.Random(1)
    times = [float(second) for second in range(0, 3600, 5)]
    grows = watch.fit(times, [50 + 2 * at / 3600 + drawn.gauss(0, 0.5) for at in times])
    assert abs(grows.per_hour - 2) <= grows.margin < 1
    assert grows.verdict == 'grows'
    still = watch.fit(times, [50 + drawn.gauss(0, 0.5) for _ in times])
    assert still.verdict == '0 within noise'
    constant = watch.fit(times, [21.1] * len(times))
    assert (constant.per_hour, constant.verdict) == (0.0, '0 within noise')


def test_the_floor_leaves_out_what_is_given_back(watch: Any) -> None:
    times = [float(second) for second in range(0, 3600, 5)]
    # Ever larger, and always given back.
    values = [50.0 + (at / 360 if index % 4 else 0.0) for index, at in enumerate(times)]
    assert watch.fit(times, values).verdict == 'grows'
    assert watch.fit(times, values, floor=True).per_hour == 0.0


def test_too_few_readings_give_no_slope(watch: Any) -> None:
    with pytest.raises(ValueError, match='too few'):
        watch.fit([0.0, 1.0, 2.0], [1.0, 2.0, 3.0])


def test_schedule_is_the_seeds_own(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip('paho.mqtt.client', reason='paho-mqtt is missing')
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    # Else its import would change them for the tests that follow.
    for name in ('ROS_AUTOMATIC_DISCOVERY_RANGE', 'ROS_DOMAIN_ID'):
        monkeypatch.setenv(name, os.environ[name])
    faults = import_module('soak_faults')
    drawn = faults.draw(7, 3600.0, 20.0)
    assert drawn == faults.draw(7, 3600.0, 20.0) != faults.draw(8, 3600.0, 20.0)
    assert {fault.track for fault in drawn} == set(faults.TRACKS)
    names = {name for _, kinds in faults.TRACKS.values() for name in kinds}
    assert {fault.name for fault in drawn} == names
    for track in faults.TRACKS:
        times = [
            moment
            for fault in drawn
            if fault.track == track
            for moment in (fault.begin_s, fault.end_s)
        ]
        # One at a time, and all are over in the end.
        assert times == sorted(times) and times[-1] <= 3600.0
