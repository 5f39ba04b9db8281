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

"""What others can tell the rover: a velocity, to pause its patrol, its top speed, and to count."""

from collections.abc import Callable
from dataclasses import replace

from geometry_msgs.msg import Twist
from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_srvs.srv import SetBool

from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.ros.rover.counting import Counting
from ros_cloud_bridge.ros.rover.drive import Velocity
from ros_cloud_bridge.ros.rover.simulation import Simulation

MAX_SPEED = 'max_speed_m_s'
FASTEST_M_S = 1.5
# Hears reliable and best-effort publishers alike; an old velocity is worth nothing.
_NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


class Remote:
    """
    Subscription, service, parameter and action of the rover.

    :param node: the rover's node
    :param rover: the rover
    :param say: takes what people should know
    :raises ConfigError: when the top speed at the start cannot be used
    """

    def __init__(self, node: Node, rover: Simulation, say: Callable[[str], None]) -> None:
        self._rover = rover
        self._say = say
        self._said_bad = False
        self._limit(_declare_max_speed(node, rover.drive.limits.speed_m_s))
        node.add_on_set_parameters_callback(self._set)
        node.create_subscription(Twist, 'cmd_vel', self._drive, _NEWEST)
        node.create_service(SetBool, 'pause_patrol', self._pause)
        self._counting = Counting(node, say)

    def close(self) -> None:
        """Give back what a node does not destroy with itself."""
        self._counting.close()

    def _drive(self, message: Twist) -> None:
        velocity = Velocity(message.linear.x, message.angular.z)
        if not self._rover.steering.command(velocity, self._rover.time_s) and not self._said_bad:
            self._said_bad = True
            self._say('cmd_vel: a velocity that is not finite is not followed (said once)')

    def _pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        steering = self._rover.steering
        changed = steering.paused != request.data
        steering.paused = request.data
        word = '' if changed else 'already '
        response.success = True
        response.message = f'the patrol is {word}{"paused" if request.data else "going on"}'
        return response

    def _set(self, parameters: list[Parameter]) -> SetParametersResult:
        for parameter in parameters:
            if parameter.name == MAX_SPEED:
                if problem := _problem(parameter.value):
                    return SetParametersResult(successful=False, reason=f'{MAX_SPEED}: {problem}')
                self._limit(parameter.value)
        return SetParametersResult(successful=True)

    def _limit(self, speed_m_s: float) -> None:
        drive = self._rover.drive
        drive.limits = replace(drive.limits, speed_m_s=speed_m_s)


def _declare_max_speed(node: Node, default: float) -> float:
    # First without a type: rclpy would end a YAML's "max_speed_m_s: 1" with a traceback.
    loose = ParameterDescriptor(name=MAX_SPEED, dynamic_typing=True)
    value = node.declare_parameter(MAX_SPEED, default, loose).value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(MAX_SPEED, f'must be a number, not {value!r}')
    if problem := _problem(value):
        raise ConfigError(MAX_SPEED, problem)
    node.undeclare_parameter(MAX_SPEED)
    descriptor = ParameterDescriptor(
        name=MAX_SPEED,
        description='top speed of the rover (m/s); its patrol goes no faster than 0.6',
        additional_constraints=f'from 0 to {FASTEST_M_S}',
    )
    node.declare_parameter(MAX_SPEED, float(value), descriptor, ignore_override=True)
    return float(value)


def _problem(value: float) -> str:
    if 0.0 <= value <= FASTEST_M_S:
        return ''
    return f'must be from 0 to {FASTEST_M_S} m/s, not {value!r}'
