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

"""Commands from a mirror's graph: signed, carried out by the robot's bridge, answered here."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')

from action_msgs.msg import GoalStatus  # noqa: E402
from geometry_msgs.msg import Twist  # noqa: E402
from rcl_interfaces.srv import GetParameters, ListParameters, SetParameters  # noqa: E402
from rclpy.action import ActionClient  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from std_msgs.msg import String  # noqa: E402
from std_srvs.srv import SetBool  # noqa: E402
from test_msgs.action import Fibonacci  # noqa: E402

from support.bridge_process import BridgeProcess  # noqa: E402
from support.broker import Broker  # noqa: E402
from support.command_servers import ABORTED_ORDER, ServersProcess, TOO_HIGH  # noqa: E402
from support.commander import Keys  # noqa: E402
from support.graph import Graph, qos  # noqa: E402
from support.mirrors import mirror, other_domain  # noqa: E402
from support.robots import parameters  # noqa: E402

ROBOT = 'rob-1'
BELOW = '/rob_1/cmd'
SERVERS = 'leg'
ALICE: dict[str, object] = {'operators': ['alice'], 'max_hz': 100.0}
CHANNELS: dict[str, dict[str, object]] = {
    'drive': {
        'kind': 'topic',
        'ros_name': '/cmd_vel',
        'type': 'geometry_msgs/msg/Twist',
        'lease': True,
        'limits': ['linear.x: -1.0..1.0'],
        **ALICE,
    },
    'say-it': {'kind': 'topic', 'ros_name': '/said', 'type': 'std_msgs/msg/String', **ALICE},
    'set': {
        'kind': 'service',
        'ros_name': f'/{SERVERS}/set',
        'type': 'std_srvs/srv/SetBool',
        **ALICE,
    },
    'theirs': {
        'kind': 'service',
        'ros_name': f'/{SERVERS}/set',
        'type': 'std_srvs/srv/SetBool',
        'operators': ['bob'],
        'max_ttl_s': 1.0,
    },
    'count': {
        'kind': 'action',
        'ros_name': f'/{SERVERS}/fibonacci',
        'type': 'test_msgs/action/Fibonacci',
        'feedback_hz': 50.0,
        **ALICE,
    },
    'tune': {
        'kind': 'parameter',
        'ros_name': f'/{SERVERS}',
        'parameters': ['gain', 'tags'],
        **ALICE,
    },
    'bridge': {'kind': 'bridge', 'operators': ['alice']},
}


@pytest.fixture(scope='module')
def cloud(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    """
    Run a robot that takes commands, and a mirror that may give them.

    :param broker: between them
    :param tmp_path_factory: for keys
    :returns: a node in the mirror's graph
    """
    folder: Path = tmp_path_factory.mktemp('robot')
    keys = Keys.make(folder, ROBOT, 'alice')
    keys.operators['alice'].save(folder / 'alice.key')
    (folder / 'robots').mkdir()
    keys.robot.public.save(folder / 'robots' / f'{ROBOT}.pub')
    given = parameters(
        broker,
        ROBOT,
        {'pose': {'topics': ['/odom']}},
        state_dir=str(folder),
        operator_keys=str(keys.directory),
        commands=list(CHANNELS),
        command=CHANNELS,
    )
    operator = {
        'name': 'alice',
        'key_file': str(folder / 'alice.key'),
        'robot_keys': str(folder / 'robots'),
        'drive_idle_s': 1.0,
    }
    graph = Graph('cloudy', other_domain())
    with (
        ServersProcess(SERVERS),
        BridgeProcess(given) as bridge,
        mirror(broker, other_domain(), {'robots': ROBOT, 'operator': operator}) as mirroring,
    ):
        bridge.wait_for_log('commands: connected')
        mirroring.wait_for_log(f'commands by {BELOW}/tune')
        yield graph
        assert mirroring.stop() == 0, mirroring.log()
        assert 'Traceback' not in mirroring.log()
        assert f'{BELOW}/bridge' not in mirroring.log()
    graph.close()


def set_bool(cloud: Graph, value: bool, channel: str = 'set') -> SetBool.Response:
    return cloud.call(SetBool, f'{BELOW}/{channel}', SetBool.Request(data=value))


def test_a_service_is_called_and_its_answer_comes_back(cloud: Graph) -> None:
    # The bridge gets to know its servers about once a second.
    answers: list[SetBool.Response] = []

    def found() -> bool:
        answers.append(set_bool(cloud, True))
        return bool(answers[-1].success)

    cloud.spin_until(found)
    assert answers[-1].message == 'on'
    answer = set_bool(cloud, False)
    assert (answer.success, answer.message) == (False, 'off')


def test_what_the_robot_does_not_allow_fails_here_with_its_reason(cloud: Graph) -> None:
    answer = set_bool(cloud, True, 'theirs')
    # A robot does not answer whom it does not permit.
    assert not answer.success and 'no answer' in answer.message


def test_messages_are_published_on_the_robot(cloud: Graph, graph: Graph) -> None:
    heard: list[String] = []
    graph.node.create_subscription(String, '/said', heard.append, qos())
    publisher = cloud.publisher(String, f'{BELOW}/say_it')

    def said() -> bool:
        publisher.publish(String(data='hello'))
        return bool(heard)

    graph.spin_until(said)
    assert heard[0] == String(data='hello')


def test_driving_takes_the_lease_and_silence_stops_the_robot(cloud: Graph, graph: Graph) -> None:
    heard: list[Twist] = []
    graph.node.create_subscription(Twist, '/cmd_vel', heard.append, qos())
    publisher = cloud.publisher(Twist, f'{BELOW}/drive')
    twist = Twist()
    twist.linear.x = 0.5

    def steer() -> bool:
        publisher.publish(twist)
        return heard.count(twist) >= 5

    graph.spin_until(steer)
    # Nobody steers any more.
    graph.spin_until(lambda: heard[-1] == Twist())
    # The lease was given back: it can be taken anew, and a new message counts.
    twist.linear.x = -0.25
    heard.clear()
    graph.spin_until(steer)
    graph.spin_until(lambda: heard[-1] == Twist())


def goal(
    cloud: Graph, client: Any, order: int, *, cancel: bool = False
) -> tuple[int, list[int], int]:
    """
    Send a goal, and wait for its end.

    :param cloud: from where
    :param client: of the action
    :param order: of the Fibonacci sequence
    :param cancel: cancel it after its first feedback
    :returns: status, sequence, and how often there was feedback
    """
    feedback: list[Any] = []
    sent = client.send_goal_async(Fibonacci.Goal(order=order), feedback_callback=feedback.append)
    cloud.spin_until(sent.done)
    handle = sent.result()
    assert handle.accepted
    if cancel:
        cloud.spin_until(lambda: feedback)
        cancelling = handle.cancel_goal_async()
        cloud.spin_until(cancelling.done)
        assert cancelling.result().goals_canceling
    result = handle.get_result_async()
    cloud.spin_until(result.done)
    answer = result.result()
    return answer.status, list(answer.result.sequence), len(feedback)


def test_goals_give_feedback_succeed_fail_and_are_cancelled(cloud: Graph) -> None:
    client = ActionClient(cloud.node, Fibonacci, f'{BELOW}/count')
    assert client.wait_for_server(20.0)
    status, sequence, fed = goal(cloud, client, 8)
    assert (status, sequence[:6]) == (GoalStatus.STATUS_SUCCEEDED, [0, 1, 1, 2, 3, 5])
    assert fed
    assert goal(cloud, client, ABORTED_ORDER)[0] == GoalStatus.STATUS_ABORTED
    assert goal(cloud, client, -1)[0] == GoalStatus.STATUS_ABORTED
    status, sequence, _ = goal(cloud, client, 1000, cancel=True)
    assert status == GoalStatus.STATUS_CANCELED
    client.destroy()


def test_parameters_are_read_and_set_as_those_of_a_node(cloud: Graph) -> None:
    listed = cloud.call(ListParameters, f'{BELOW}/tune/list_parameters', ListParameters.Request())
    assert set(listed.result.names) == {'gain', 'tags'}

    def change(value: float) -> str:
        request = SetParameters.Request(
            parameters=[Parameter('gain', value=value).to_parameter_msg()]
        )
        (result,) = cloud.call(SetParameters, f'{BELOW}/tune/set_parameters', request).results
        return '' if result.successful else str(result.reason)

    assert change(2.5) == ''
    assert TOO_HIGH in change(99.0)
    request = GetParameters.Request(names=['gain', 'tags'])
    gain, tags = cloud.call(GetParameters, f'{BELOW}/tune/get_parameters', request).values
    assert (gain.double_value, list(tags.string_array_value)) == (2.5, ['a'])


def test_a_robot_whose_key_is_not_trusted_is_not_commanded(
    broker: Broker, cloud: Graph, tmp_path: Path
) -> None:
    operator = {'name': 'alice', 'robot_keys': str(tmp_path)}
    with mirror(broker, other_domain(), {'robots': ROBOT, 'operator': operator}) as mirroring:
        mirroring.wait_for_log(f'{ROBOT}: cannot be commanded: no key of it is trusted')
        assert 'commands by' not in mirroring.log()


def test_a_key_that_cannot_be_read_ends_it_in_one_line(broker: Broker, tmp_path: Path) -> None:
    operator = {
        'name': 'alice',
        'key_file': str(tmp_path / 'none.key'),
        'robot_keys': str(tmp_path),
    }
    with mirror(broker, other_domain(), {'operator': operator}) as mirroring:
        assert mirroring.wait() == 2
        assert 'none.key' in mirroring.log()
        assert 'Traceback' not in mirroring.log()
