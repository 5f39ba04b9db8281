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

"""mirror.launch.py for real: a broker, the launched mirror, and a robot that it republishes."""

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
from std_msgs.msg import String  # noqa: E402

from support.broker import Broker, find_mosquitto  # noqa: E402
from support.graph import cdr_of, Graph, qos  # noqa: E402
from support.wire_robot import WireRobot  # noqa: E402

if find_mosquitto() is None:
    pytest.skip('mosquitto is not installed', allow_module_level=True)
try:
    LAUNCH = Path(get_package_share_directory('ros_cloud_bridge')) / 'launch'
except PackageNotFoundError:
    pytest.skip('ros_cloud_bridge is not built by colcon and sourced', allow_module_level=True)

BROKER = Broker()


@pytest.mark.launch_test
def generate_test_description() -> LaunchDescription:
    """
    Describe what runs during the tests.

    :returns: the mirror
    """
    arguments = {
        'namespace': 'cloud',
        'host': BROKER.host,
        'port': str(BROKER.port),
        'robots': 'launched-*',
    }
    return LaunchDescription(
        [
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(LAUNCH / 'mirror.launch.py')),
                launch_arguments=arguments.items(),
            ),
            ReadyToTest(),
        ]
    )


class TestRunning(unittest.TestCase):
    """While it runs."""

    def test_a_robots_topic_is_published_below_its_name(self, proc_output: Any) -> None:
        graph = Graph()
        heard: list[bytes] = []
        graph.node.create_subscription(String, '/launched_1/a', heard.append, qos(), raw=True)
        with WireRobot(BROKER, 'launched-1') as robot:
            route = robot.route('/a', 'std_msgs/msg/String')
            robot.announce()
            proc_output.assertWaitFor('is online', process='mirror', timeout=30.0)

            def said() -> object:
                robot.send(route, [cdr_of(String(data='hello'))])
                return heard

            graph.spin_until(said)
            assert heard[0] == cdr_of(String(data='hello'))
        graph.close()
        # Its logger's name shows the namespace.
        proc_output.assertWaitFor('cloud.mirror', process='mirror', timeout=10.0)


@launch_testing.post_shutdown_test()
class TestEnded(unittest.TestCase):
    """After SIGINT, as launch sends it."""

    def test_every_process_ends_cleanly(self, proc_info: object) -> None:
        assertExitCodes(proc_info)
        BROKER.close()
