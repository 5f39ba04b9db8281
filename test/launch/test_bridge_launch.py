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

"""bridge.launch.py for real: a broker, the launched bridge, and a consumer that sees it come."""

from pathlib import Path
import tempfile
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
from launch.actions import ExecuteProcess, IncludeLaunchDescription  # noqa: E402
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
PARAMS = """
/**:
  ros__parameters:
    robot_id: replaced
    mqtt: {{host: 127.0.0.1, port: {port}}}
    streams: [logs]
    stream:
      logs: {{topics: [/rosout], keep: fifo}}
    state_dir: {state}
    commands: [bridge]
    command:
      bridge: {{kind: bridge, operators: [nobody]}}
"""


@pytest.mark.launch_test
def generate_test_description() -> LaunchDescription:
    """
    Describe what runs during the tests.

    :returns: broker and bridge
    """
    params = Path(tempfile.mkdtemp(prefix='bridge-launch-')) / 'bridge.yaml'
    params.write_text(PARAMS.format(port=PORT, state=params.parent), encoding='utf-8')
    arguments = {
        'params': str(params),
        'namespace': 'fleet',
        'robot_id': 'launched',
        'log_level': 'debug',
    }
    return LaunchDescription(
        [
            ExecuteProcess(cmd=[find_mosquitto(), '-p', str(PORT)], name='mosquitto'),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(LAUNCH / 'bridge.launch.py')),
                launch_arguments=arguments.items(),
            ),
            ReadyToTest(),
        ]
    )


class TestRunning(unittest.TestCase):
    """While it runs."""

    def test_robot_comes_online_by_the_argument_s_name(self, proc_output: Any) -> None:
        config = MqttConfig(host='127.0.0.1', port=PORT)
        with Consumer(config, lambda sample: None) as consumer:
            wait_until(lambda: 'launched' in consumer.states, 30.0, 'the robot online')
            assert consumer.states['launched'].online
            assert 'replaced' not in consumer.states
        # Its logger's name shows the namespace.
        proc_output.assertWaitFor('fleet.uplink', process='bridge', timeout=10.0)
        # Both nodes live in the one process.
        proc_output.assertWaitFor('fleet.command', process='bridge', timeout=10.0)
        proc_output.assertWaitFor('commands: connected (MQTT 5)', process='bridge', timeout=10.0)


@launch_testing.post_shutdown_test()
class TestEnded(unittest.TestCase):
    """After SIGINT, as launch sends it."""

    def test_every_process_ends_cleanly(self, proc_info: object) -> None:
        assertExitCodes(proc_info)
