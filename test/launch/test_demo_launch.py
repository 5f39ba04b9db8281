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

"""demo.launch.py for real: rover, bridge, broker and decoder, watched by one more consumer."""

from pathlib import Path
from typing import Any
import unittest

import pytest

pytest.importorskip('launch_testing', reason='launch_testing is not here: needs a ROS 2 machine')
pytest.importorskip('launch_ros', reason='launch_ros is not here: needs a ROS 2 machine')

from ament_index_python.packages import (  # noqa: E402
    get_package_share_directory,
    PackageNotFoundError,
)
from launch import LaunchDescription  # noqa: E402
from launch.actions import IncludeLaunchDescription  # noqa: E402
from launch.launch_description_sources import PythonLaunchDescriptionSource  # noqa: E402
import launch_testing  # noqa: E402
from launch_testing.actions import ReadyToTest  # noqa: E402
from launch_testing.asserts import assertExitCodes  # noqa: E402

from ros_cloud_bridge.cloud.consumer import Consumer  # noqa: E402
from ros_cloud_bridge.values import MqttConfig  # noqa: E402
from support.broker import find_mosquitto, free_port  # noqa: E402
from support.waiting import wait_until  # noqa: E402

if find_mosquitto() is None:
    pytest.skip('mosquitto is not installed', allow_module_level=True)
try:
    LAUNCH = Path(get_package_share_directory('ros_cloud_bridge')) / 'launch'
except PackageNotFoundError:
    pytest.skip('ros_cloud_bridge is not built by colcon and sourced', allow_module_level=True)

PORT = free_port()


@pytest.mark.launch_test
def generate_test_description() -> LaunchDescription:
    """
    Describe what runs during the tests.

    :returns: the demo, on a port of its own
    """
    return LaunchDescription(
        [
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(LAUNCH / 'demo.launch.py')),
                launch_arguments={'port': str(PORT), 'robot_id': 'demo'}.items(),
            ),
            ReadyToTest(),
        ]
    )


class TestRunning(unittest.TestCase):
    """While it runs."""

    def test_samples_of_the_rover_arrive(self, proc_output: Any) -> None:
        arrived: set[str] = set()
        config = MqttConfig(host='127.0.0.1', port=PORT)
        with Consumer(config, lambda sample: arrived.add(sample.topic), robots='demo'):
            wait_until(lambda: {'/odom', '/map', '/scan'} <= arrived, 60.0, 'odom, map and scan')
        # The decoder of the demo prints them too.
        proc_output.assertWaitFor('/odom', process='decoder', stream='stdout', timeout=30.0)


@launch_testing.post_shutdown_test()
class TestEnded(unittest.TestCase):
    """After SIGINT, as launch sends it."""

    def test_every_process_ends_cleanly(self, proc_info: object) -> None:
        # 130: a command line that SIGINT ended.
        assertExitCodes(proc_info, allowable_exit_codes=[0, 130])
