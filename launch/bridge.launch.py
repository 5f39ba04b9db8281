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

"""
Start the bridge of one robot.

::

    ros2 launch ros_cloud_bridge bridge.launch.py params:=/etc/robot/bridge.yaml
"""

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

ARGUMENTS = [
    DeclareLaunchArgument('params', description="the bridge's parameter YAML"),
    DeclareLaunchArgument(
        'namespace', default_value='', description='ROS namespace of the node uplink'
    ),
    DeclareLaunchArgument(
        'robot_id', default_value='', description="takes the place of the YAML's robot_id"
    ),
    DeclareLaunchArgument(
        'log_level',
        default_value='info',
        choices=['debug', 'info', 'warn', 'error', 'fatal'],
        description='least severe message that is logged',
    ),
    DeclareLaunchArgument(
        'auto_start',
        default_value='true',
        choices=['true', 'false'],
        description='false: somebody else configures and activates the managed node',
    ),
]


def start_bridge(context: LaunchContext) -> list[Action]:
    """
    Describe the bridge's process.

    :param context: where the arguments' values stand
    :returns: the one action
    """

    def value(name: str) -> str:
        return str(LaunchConfiguration(name).perform(context))

    overrides: dict[str, bool | str] = {'auto_start': value('auto_start') == 'true'}
    if value('robot_id'):
        overrides['robot_id'] = value('robot_id')
    # The executable walks its managed node through its states itself, so a plain Node will do;
    # and it ends cleanly on SIGINT by itself.
    return [
        Node(
            package='ros_cloud_bridge',
            executable='bridge',
            namespace=value('namespace'),
            parameters=[value('params'), overrides],
            ros_arguments=['--log-level', value('log_level')],
            output='screen',
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """
    Describe the launch.

    :returns: what ``ros2 launch`` carries out
    """
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start_bridge)])
