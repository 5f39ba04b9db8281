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

"""What every test process gets: a ROS graph of its own on this machine, and reproducible input."""

from importlib.util import find_spec
import os
from pathlib import Path

import pytest

# Set before anything imports rclpy: a test must neither hear nor disturb other robots, other
# people's tests, or those of a second pytest beside this one.
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
if 'ROS_CLOUD_BRIDGE_TEST_DOMAIN_ID' in os.environ:
    os.environ['ROS_DOMAIN_ID'] = os.environ['ROS_CLOUD_BRIDGE_TEST_DOMAIN_ID']
else:
    # 0 is everybody's and beyond 101 the ports run into those that Linux hands out itself; 1 to 59
    # are left to people.
    os.environ['ROS_DOMAIN_ID'] = str(60 + os.getpid() % 42)

HERE = Path(__file__).resolve().parent

try:
    from hypothesis import HealthCheck, settings
except ImportError:
    # Without hypothesis its tests skip themselves; the others still run.
    pass
else:
    settings.register_profile('default', deadline=None)
    settings.register_profile(
        'ci',
        deadline=None,
        derandomize=True,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile('ci' if os.environ.get('CI') else 'default')

# Folders whose tests need a module that a machine may lack.
NEEDS = {
    'ros': ('rclpy', 'ROS 2 (rclpy) is neither installed nor sourced'),
    'cloud': ('rosbags', 'rosbags is missing: install the extra cloud'),
}
# Where real processes, brokers and middleware meet the clock of a machine that others use, too.
TIMED = ('cli', 'mqtt', 'ros', 'system')


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """
    Skip, saying why, the tests of rooms that cannot work on this machine.

    Where pytest-rerunfailures is installed (scripts/test does so for CI) a timed test that fails
    is tried once more; the report lists it as RERUN, so that it is seen.

    :param config: of this run
    :param items: collected tests
    """
    again = bool(os.environ.get('CI')) and config.pluginmanager.hasplugin('rerunfailures')
    for item in items:
        room = item.path.relative_to(HERE).parts[0] if HERE in item.path.parents else ''
        if again and room in TIMED:
            item.add_marker(pytest.mark.flaky(reruns=1))
        module, reason = NEEDS.get(room, ('', ''))
        if module and find_spec(module) is None:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope='session')
def recordings() -> Path:
    """
    Find the folder of real recordings, which the project does not ship.

    :returns: the folder
    """
    folder = Path(os.environ.get('RCB_RECORDINGS', HERE.parents[1] / 'shared' / 'data'))
    if not any(folder.glob('*.mcap')):
        pytest.skip(f'no recordings in {folder}: set RCB_RECORDINGS')
    return folder.resolve()


@pytest.fixture
def linted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """
    Name what linters look at: not what colcon has built beside it, nor virtual environments.

    :returns: paths relative to the project, which is made the current folder
    """
    root = HERE.parent
    monkeypatch.chdir(root)
    folders = ('ros_cloud_bridge', 'test', 'launch', 'benchmarks', 'examples')
    return [name for name in (*folders, 'setup.py') if (root / name).exists()]
