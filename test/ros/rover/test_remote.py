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

"""The rover's node driven, paused, changed and asked to count through ROS."""

from collections.abc import Callable, Iterator
import os
import threading
import time
from typing import Any

from geometry_msgs.msg import Twist
import pytest
from rcl_interfaces.srv import DescribeParameters, SetParameters
import rclpy
from rclpy.action import ActionClient
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool

from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.ros.rover import counting
from ros_cloud_bridge.ros.rover.node import RoverNode
from support.waiting import wait_until

NAMESPACE = f'/remote_{os.getpid()}'
DEADLINE_S = 40.0


class Operator:
    """A node beside the rover, and the executor of both, which spins in a thread."""

    def __init__(self) -> None:
        self.rover = RoverNode(NAMESPACE, {'camera': False, 'scan_hz': 0.0})
        self.node = Node('operator', namespace=NAMESPACE)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.rover)
        self._executor.add_node(self.node)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        while not self._stop.is_set():
            self._executor.spin_once(timeout_sec=0.1)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()
        self.rover.destroy_node()

    def wait(self, future: Any) -> Any:
        wait_until(future.done, DEADLINE_S, 'a response')
        return future.result()

    def call(self, service_class: Any, name: str, request: Any) -> Any:
        client = self.node.create_client(service_class, name)
        assert client.wait_for_service(DEADLINE_S)
        return self.wait(client.call_async(request))


@pytest.fixture
def operator() -> Iterator[Operator]:
    rclpy.init()
    operator = Operator()
    yield operator
    operator.close()
    rclpy.shutdown()


def test_velocities_drive_it(operator: Operator) -> None:
    publisher = operator.node.create_publisher(Twist, 'cmd_vel', 1)
    drive, steering = operator.rover.rover.drive, operator.rover.rover.steering
    message = Twist()
    message.angular.z = -0.7

    def turns() -> bool:
        publisher.publish(message)
        time.sleep(0.05)
        return drive.velocity == (0.0, -0.7)

    wait_until(turns, DEADLINE_S, 'the rover to turn as told')
    assert steering.mode(operator.rover.rover.time_s) == 'commanded'
    wait_until(lambda: drive.velocity == (0.0, 0.0), DEADLINE_S, 'its time-out')
    assert steering.mode(operator.rover.rover.time_s) != 'patrol'
    wait_until(lambda: drive.velocity.linear > 0.1, DEADLINE_S, 'the patrol to go on')


def test_its_patrol_is_paused_and_goes_on(operator: Operator) -> None:
    drive = operator.rover.rover.drive
    wait_until(lambda: drive.velocity.linear > 0.1, DEADLINE_S, 'the patrol')
    told = operator.call(SetBool, 'pause_patrol', SetBool.Request(data=True))
    assert (told.success, told.message) == (True, 'the patrol is paused')
    wait_until(lambda: drive.velocity == (0.0, 0.0), DEADLINE_S, 'it to stand')
    told = operator.call(SetBool, 'pause_patrol', SetBool.Request(data=True))
    assert told.message == 'the patrol is already paused'
    told = operator.call(SetBool, 'pause_patrol', SetBool.Request(data=False))
    assert told.message == 'the patrol is going on'
    wait_until(lambda: drive.velocity.linear > 0.1, DEADLINE_S, 'the patrol to go on')


def set_speed(operator: Operator, value: Any) -> Any:
    parameter = Parameter('max_speed_m_s', value=value).to_parameter_msg()
    request = SetParameters.Request(parameters=[parameter])
    return operator.call(SetParameters, 'rover/set_parameters', request).results[0]


def test_its_top_speed_changes_within_its_range(operator: Operator) -> None:
    limits: Callable[[], float] = lambda: operator.rover.rover.drive.limits.speed_m_s  # noqa: E731
    assert limits() == 0.6
    assert set_speed(operator, 1.5).successful
    assert limits() == 1.5
    for value in (1.6, -0.1, float('nan'), float('inf')):
        refused = set_speed(operator, value)
        assert not refused.successful
        assert refused.reason == f'max_speed_m_s: must be from 0 to 1.5 m/s, not {value!r}'
    assert not set_speed(operator, 'fast').successful
    assert limits() == 1.5
    request = DescribeParameters.Request(names=['max_speed_m_s'])
    (told,) = operator.call(DescribeParameters, 'rover/describe_parameters', request).descriptors
    assert told.additional_constraints == 'from 0 to 1.5'


@pytest.mark.parametrize('value', [True, 'fast', 2, -1.0])
def test_a_top_speed_that_cannot_be_is_named_at_the_start(value: Any) -> None:
    rclpy.init()
    try:
        with pytest.raises(ConfigError, match='max_speed_m_s'):
            RoverNode(NAMESPACE, {'max_speed_m_s': value})
    finally:
        rclpy.shutdown()


def test_a_whole_number_is_a_top_speed() -> None:
    rclpy.init()
    node = RoverNode(NAMESPACE, {'max_speed_m_s': 1})
    assert node.rover.drive.limits.speed_m_s == 1.0
    assert node.get_parameter('max_speed_m_s').type_ is Parameter.Type.DOUBLE
    node.destroy_node()
    rclpy.shutdown()


@pytest.fixture
def client(operator: Operator) -> Iterator[ActionClient]:
    action = counting._find_type()
    if action is None:
        pytest.skip('no package with the action Fibonacci is installed')
    client = ActionClient(operator.node, action, 'count')
    assert client.wait_for_server(DEADLINE_S)
    yield client
    client.destroy()


def send(operator: Operator, client: ActionClient, order: int, told: list[Any]) -> Any:
    goal = client._action_type.Goal(order=order)
    return operator.wait(
        client.send_goal_async(goal, lambda message: told.append(list(message.feedback.sequence)))
    )


def test_it_counts_and_drives_on(operator: Operator, client: ActionClient) -> None:
    told: list[Any] = []
    handle = send(operator, client, 3, told)
    assert handle.accepted
    travelled = operator.rover.rover.drive.travelled_m
    answer = operator.wait(handle.get_result_async())
    assert answer.status == 4, 'not succeeded'
    assert list(answer.result.sequence) == [0, 1, 1]
    assert told[-1] == [0, 1, 1]
    assert operator.rover.rover.drive.travelled_m > travelled


def test_counting_is_cancelled(operator: Operator, client: ActionClient) -> None:
    told: list[Any] = []
    handle = send(operator, client, 40, told)
    wait_until(lambda: told, DEADLINE_S, 'the first number')
    assert operator.wait(handle.cancel_goal_async()).goals_canceling
    answer = operator.wait(handle.get_result_async())
    assert answer.status == 5, 'not cancelled'
    assert list(answer.result.sequence)[:1] == [0]


def test_orders_that_cannot_be_counted(operator: Operator, client: ActionClient) -> None:
    assert not send(operator, client, -1, []).accepted
    answer = operator.wait(send(operator, client, 41, []).get_result_async())
    assert answer.status == 6, 'not aborted'
    answer = operator.wait(send(operator, client, 0, []).get_result_async())
    assert (answer.status, list(answer.result.sequence)) == (4, [])


def test_without_the_type_it_says_so_and_does_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, '_PACKAGES', ('no_such_package',))
    said: list[str] = []
    context = Context()
    rclpy.init(context=context)
    node = Node('plain', context=context)
    counting.Counting(node, said.append).close()
    assert len(said) == 1
    assert 'no action count' in said[0]
    node.destroy_node()
    context.try_shutdown()
