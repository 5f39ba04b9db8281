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

"""What the demonstration's rover can be commanded to do."""

from importlib.util import find_spec
import json
from pathlib import Path

_CHANNELS = """\
    state_dir: {state}
    operator_keys: {operators}
    commands: [drive, patrol, count, rover, bridge]
    command:
      drive:
        kind: topic
        ros_name: cmd_vel
        type: geometry_msgs/msg/Twist
        operators: ["*"]
        max_hz: 50.0
        max_ttl_s: 2.0
        lease: true
        limits: ["linear.x: -0.5..1.0", "angular.z: -1.5..1.5"]
      patrol:
        kind: service
        ros_name: pause_patrol
        type: std_srvs/srv/SetBool
        operators: ["*"]
      count:
        kind: action
        ros_name: count
        type: {action}
        operators: ["*"]
        limits: ["order: 0..1000"]
      rover: {{kind: parameter, ros_name: rover, parameters: [max_speed_m_s], operators: ["*"]}}
      bridge: {{kind: bridge, operators: ["*"]}}
"""


def operators_directory(folder: Path) -> Path:
    """
    Say where the demonstration looks for operators' public keys.

    :param folder: what the user named
    :returns: the directory
    """
    return folder.absolute() / 'operators'


def channel_parameters(folder: Path) -> str:
    """
    Write the rover's channels.

    :param folder: keeps the robot's key, the operators' keys and the audit file
    :returns: YAML, indented as a part of ``ros__parameters``
    """
    # As the rover chooses: find_spec imports nothing of ROS into this process.
    package = 'example_interfaces' if find_spec('example_interfaces') else 'test_msgs'
    return _CHANNELS.format(
        # JSON's quotes keep a path that looks like something else.
        state=json.dumps(str(folder.absolute())),
        operators=json.dumps(str(operators_directory(folder))),
        action=f'{package}/action/Fibonacci',
    )


def how_to(folder: Path, robot_id: str, port: int) -> str:
    """
    Tell what to type.

    :param folder: what the user named
    :param robot_id: the robot
    :param port: the broker's, on this machine
    :returns: lines
    """
    operators = operators_directory(folder)
    return (
        'to drive it, make a key on the page or with keys new, and let its owner in:\n'
        f'  ros-cloud-bridge keys grant NAME --pub NAME.pub --operators {operators}\n'
        "the robot's key, to compare with what the page shows:\n"
        f'  ros-cloud-bridge keys show {folder.absolute() / f"robot-{robot_id}.key"}\n'
        f'decisions on commands: {folder.absolute() / f"audit-{robot_id}.jsonl"}\n'
        'without the page:\n'
        f'  ros-cloud-bridge call patrol "data: true" --robot {robot_id} --port {port} '
        '--name NAME'
    )
