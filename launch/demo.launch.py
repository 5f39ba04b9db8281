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
Start a simulated rover, its bridge, a broker and a decoder that prints what arrives.

::

    ros2 launch ros_cloud_bridge demo.launch.py
    ros2 launch ros_cloud_bridge demo.launch.py broker:=false host:=broker.local port:=1883
"""

import os
from pathlib import Path
import shutil

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    OpaqueFunction,
    RegisterEventHandler,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.substitutions import ExecutableInPackage

# This file stands in share/ros_cloud_bridge/launch, or in launch/ of the sources: either way the
# parameter files stand beside its folder.
CONFIG = Path(__file__).resolve().parents[1] / 'config' / 'rover.yaml'

ARGUMENTS = [
    DeclareLaunchArgument(
        'broker',
        default_value='true',
        choices=['true', 'false'],
        description='start mosquitto; false: there is a broker at host and port',
    ),
    DeclareLaunchArgument('host', default_value='localhost', description="the broker's host"),
    # Not 1883: a broker of the machine's own may have it.
    DeclareLaunchArgument('port', default_value='18830', description="the broker's port"),
    DeclareLaunchArgument(
        'params', default_value=str(CONFIG), description="the bridge's parameter YAML"
    ),
    DeclareLaunchArgument('robot_id', default_value='rover', description='name of the robot'),
    DeclareLaunchArgument(
        'decoder', default_value='true', choices=['true', 'false'], description='run tail'
    ),
]


def start(context: LaunchContext) -> list[Action]:
    """
    Describe the processes.

    :param context: where the arguments' values stand
    :returns: rover and bridge, and broker and decoder as asked
    """

    def value(name: str) -> str:
        return str(LaunchConfiguration(name).perform(context))

    host, port = value('host'), int(value('port'))
    rover = Node(package='ros_cloud_bridge', executable='rover', output='screen')
    bridge = Node(
        package='ros_cloud_bridge',
        executable='bridge',
        parameters=[
            value('params'),
            {'robot_id': value('robot_id'), 'mqtt': {'host': host, 'port': port}},
        ],
        output='screen',
    )
    actions: list[Action] = [rover, bridge]
    if value('decoder') == 'true':
        actions.append(
            # Not a Node, which would get ROS arguments: the decoder knows nothing of ROS.
            ExecuteProcess(
                cmd=[
                    ExecutableInPackage('ros-cloud-bridge', 'ros_cloud_bridge'),
                    *('tail', '--host', host, '--port', str(port)),
                ],
                name='decoder',
                output='screen',
            )
        )
    if value('broker') == 'true':
        # First: the others would find it later too, but say so.
        actions.insert(0, broker(port))
    for action in (rover, bridge):
        actions.append(ended(action))
    return actions


def broker(port: int) -> ExecuteProcess:
    """
    Describe the broker's process, which takes connections from this machine alone.

    :param port: TCP port
    :returns: the action
    :raises RuntimeError: mosquitto is not installed
    """
    # Debian keeps it where only root's path looks.
    folders = f'{os.environ.get("PATH", "")}:/usr/sbin:/usr/local/sbin'
    program = shutil.which('mosquitto', path=folders)
    if program is None:
        raise RuntimeError('mosquitto is not installed; install it or give broker:=false')
    return ExecuteProcess(cmd=[program, '-p', str(port)], name='mosquitto', output='screen')


def ended(process: Node) -> RegisterEventHandler:
    """
    End the demo when one of its parts has ended.

    :param process: the part
    :returns: the handler to register
    """
    reason = 'a part of the demo has ended'
    return RegisterEventHandler(
        OnProcessExit(
            target_action=process, on_exit=[EmitEvent(event=Shutdown(reason=reason))]
        )
    )


def generate_launch_description() -> LaunchDescription:
    """
    Describe the launch.

    :returns: what ``ros2 launch`` carries out
    """
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start)])
