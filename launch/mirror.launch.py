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
Start a mirror of robots in this graph.

::

    ros2 launch ros_cloud_bridge mirror.launch.py host:=broker.example.com robots:='amr-*'
    ros2 launch ros_cloud_bridge mirror.launch.py params:=/etc/rcb/mirror.yaml
"""

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

ARGUMENTS = [
    DeclareLaunchArgument('params', default_value='', description="the mirror's parameter YAML"),
    DeclareLaunchArgument(
        'namespace', default_value='', description='ROS namespace of the node mirror'
    ),
    DeclareLaunchArgument(
        'host', default_value='', description="takes the place of the YAML's mqtt.host"
    ),
    DeclareLaunchArgument(
        'port', default_value='', description="takes the place of the YAML's mqtt.port"
    ),
    DeclareLaunchArgument(
        'robots', default_value='', description="takes the place of the YAML's robots"
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


def start_mirror(context: LaunchContext) -> list[Action]:
    """
    Describe the mirror's process.

    :param context: where the arguments' values stand
    :returns: the one action
    """

    def value(name: str) -> str:
        return str(LaunchConfiguration(name).perform(context))

    overrides: dict[str, bool | int | str] = {'auto_start': value('auto_start') == 'true'}
    if value('host'):
        overrides['mqtt.host'] = value('host')
    if value('port'):
        overrides['mqtt.port'] = int(value('port'))
    if value('robots'):
        overrides['robots'] = value('robots')
    files = [value('params')] if value('params') else []
    return [
        Node(
            package='ros_cloud_bridge',
            executable='mirror',
            namespace=value('namespace'),
            parameters=[*files, overrides],
            ros_arguments=['--log-level', value('log_level')],
            output='screen',
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """
    Describe the launch.

    :returns: what ``ros2 launch`` carries out
    """
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start_mirror)])
