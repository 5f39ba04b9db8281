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


"""Commands through a real bridge to real servers: every kind of channel, and what is told."""

from collections.abc import Iterator
from dataclasses import dataclass
import json
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')

from geometry_msgs.msg import Twist  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from ros_cloud_bridge.command_values import State  # noqa: E402
from support.bridge_process import BridgeProcess  # noqa: E402
from support.broker import Broker  # noqa: E402
from support.collector import Collector  # noqa: E402
from support.command_servers import ServersProcess, TOO_HIGH  # noqa: E402
from support.commander import Commander, Keys  # noqa: E402
from support.graph import Graph, qos  # noqa: E402
from support.robots import parameters  # noqa: E402
from support.waiting import wait_until  # noqa: E402

ROBOT = 'commanded'
SERVERS = 'arm'
CHANNELS: dict[str, dict[str, object]] = {
    'drive': {
        'kind': 'topic',
        'ros_name': '/cmd_vel',
        'type': 'geometry_msgs/msg/Twist',
        'operators': ['alice', 'bob'],
        'lease': True,
        'limits': ['linear.x: -1..1'],
        'max_hz': 100.0,
    },
    'say': {
        'kind': 'topic',
        'ros_name': '/said',
        'type': 'std_msgs/msg/String',
        'operators': ['alice'],
        'limits': ['data: at most 20'],
    },
    'set': {
        'kind': 'service',
        'ros_name': f'/{SERVERS}/set',
        'type': 'std_srvs/srv/SetBool',
        'operators': ['*'],
        'max_hz': 100.0,
    },
    'nobody': {
        'kind': 'service',
        'ros_name': '/nobody',
        'type': 'std_srvs/srv/SetBool',
        'operators': ['*'],
    },
    'count': {
        'kind': 'action',
        'ros_name': f'/{SERVERS}/fibonacci',
        'type': 'test_msgs/action/Fibonacci',
        'operators': ['alice'],
        'limits': ['order: -1..60'],
        'feedback_hz': 10.0,
    },
    'arm': {
        'kind': 'parameter',
        'ros_name': f'/{SERVERS}',
        'parameters': ['gain', 'tags'],
        'operators': ['alice'],
    },
    'bridge': {'kind': 'bridge', 'operators': ['alice'], 'max_hz': 100.0},
}


@dataclass(frozen=True, kw_only=True)
class Robot:
    """A bridge that takes commands."""

    bridge: BridgeProcess
    keys: Keys

    def audit(self) -> list[dict[str, Any]]:
        """
        Read the audit file.

        :returns: its lines
        """
        text = (self.keys.folder / f'audit-{ROBOT}.jsonl').read_text()
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope='module')
def robot(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Robot]:
    """
    Run servers and a bridge.

    :param broker: its broker
    :param tmp_path_factory: for its state
    :returns: one that lasts for the module
    """
    keys = Keys.make(tmp_path_factory.mktemp('robot'), ROBOT, 'alice', 'bob')
    given = parameters(
        broker,
        ROBOT,
        {'pose': {'topics': ['/odom']}},
        state_dir=str(keys.folder),
        operator_keys=str(keys.directory),
        commands=list(CHANNELS),
        command=CHANNELS,
        audit={'mqtt': True},
    )
    with ServersProcess(SERVERS), BridgeProcess(given) as running:
        running.wait_for_log('commands: connected')
        with keys.commander(broker, ROBOT, 'bob') as bob:
            bob.learn()
            # Until the bridge and the servers have found each other.
            for _ in range(10):
                if bob.call('set', 'call', {'data': True}).state is State.SUCCEEDED:
                    break
        yield Robot(bridge=running, keys=keys)
        assert running.stop() == 0, running.log()
        assert 'Traceback' not in running.log(), running.log()


@pytest.fixture(scope='module')
def collector(broker: Broker, robot: Robot) -> Iterator[Collector]:
    """
    Listen to everything of the robot.

    :param broker: where
    :param robot: whom
    :returns: one that lasts for the module
    """
    with Collector(broker, ROBOT) as listening:
        yield listening


@pytest.fixture
def alice(broker: Broker, robot: Robot, collector: Collector) -> Iterator[Commander]:
    """
    Connect alice, who knows the time.

    :param broker: where
    :param robot: whom she commands
    :param collector: hears all of it
    :returns: she
    """
    with robot.keys.commander(broker, ROBOT, 'alice') as commander:
        commander.learn()
        yield commander


class Ear:
    """
    Hears a topic while the graph spins.

    :param graph: whose node
    :param message_class: type
    :param topic: ROS topic
    """

    def __init__(self, graph: Graph, message_class: Any, topic: str) -> None:
        self._graph = graph
        self.heard: list[Any] = []
        self._subscription = graph.node.create_subscription(
            message_class, topic, self.heard.append, qos()
        )
        wait_until(lambda: graph.node.count_publishers(topic) > 0, 20.0, f'a publisher of {topic}')

    def wait_for(self, count: int) -> list[Any]:
        """
        Wait for messages.

        :param count: how many
        :returns: all so far
        """
        self._graph.spin_until(lambda: len(self.heard) >= count)
        return self.heard

    def close(self) -> None:
        """Unsubscribe."""
        self._graph.node.destroy_subscription(self._subscription)


def test_a_service_is_called(alice: Commander) -> None:
    sent = alice.send('set', 'call', {'data': True})
    answer = alice.final(sent)
    assert answer is not None and answer.state is State.SUCCEEDED
    assert answer.detail == {'success': True, 'message': 'on'}
    assert alice.of(sent)[0].state is State.ACCEPTED


@pytest.mark.parametrize(
    ('channel', 'arguments', 'state', 'reason'),
    [
        ('nobody', {'data': True}, State.FAILED, 'no_server'),
        ('set', {'dat': True}, State.FAILED, 'bad_fields'),
        ('set', {'data': 'yes'}, State.FAILED, 'bad_fields'),
    ],
)
def test_a_call_fails_with_its_reason(
    alice: Commander, channel: str, arguments: object, state: State, reason: str
) -> None:
    answer = alice.call(channel, 'call', arguments, ttl_ms=1500)
    assert (answer.state, answer.reason.partition(':')[0]) == (state, reason)


def test_a_topic_is_published_to(alice: Commander, graph: Graph) -> None:
    ear = Ear(graph, String, '/said')
    try:
        assert alice.call('say', 'publish', {'data': 'hello'}).state is State.SUCCEEDED
        assert [message.data for message in ear.wait_for(1)] == ['hello']
        answer = alice.call('say', 'publish', {'data': 'x' * 21})
        assert answer.state is State.REJECTED and answer.reason.startswith('field_limit')
        alice.call('say', 'publish', {'data': 'last'})
        assert [message.data for message in ear.wait_for(2)] == ['hello', 'last']
    finally:
        ear.close()


def test_an_action_runs_with_feedback_to_its_result(alice: Commander) -> None:
    sent = alice.send('count', 'goal', {'order': 10})
    answer = alice.final(sent)
    assert answer is not None and answer.state is State.SUCCEEDED
    assert answer.detail['result']['sequence'] == [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]
    states = [one.state for one in alice.of(sent)]
    assert states[0] is State.ACCEPTED and State.RUNNING in states
    assert any('feedback' in (one.detail or {}) for one in alice.of(sent))
    numbers = [one.number for one in alice.of(sent)]
    assert numbers == list(range(len(numbers)))
    refused = alice.call('count', 'goal', {'order': -1})
    assert refused.state is State.FAILED
    assert refused.reason.startswith('refused_by_server')


def test_a_running_action_answers_its_repetition_and_is_cancelled(alice: Commander) -> None:
    sent = alice.send('count', 'goal', {'order': 60})
    alice.wait_for(sent, lambda answer: answer.state is State.RUNNING)
    before = len(alice.of(sent))
    alice.post(sent)
    alice.settle()
    again = alice.of(sent)[before:]
    assert again and {one.state for one in again} == {State.RUNNING}
    assert alice.call('count', 'cancel', {'goal': sent.command.id}).state is State.SUCCEEDED
    answer = alice.final(sent)
    assert answer is not None and answer.state is State.CANCELLED
    assert answer.detail['status'] == 'canceled'
    assert answer.detail['result']['sequence'][:2] == [0, 1]


def test_parameters_are_read_and_set(alice: Commander) -> None:
    assert alice.call('arm', 'set', {'values': {'gain': 2.5}}).state is State.SUCCEEDED
    got = alice.call('arm', 'get', {'names': ['gain', 'tags']})
    assert got.detail == {'values': {'gain': 2.5, 'tags': ['a']}}
    refused = alice.call('arm', 'set', {'values': {'gain': 11.0}})
    assert refused.state is State.FAILED
    assert refused.reason.startswith('refused_by_server') and TOO_HIGH in refused.reason
    hidden = alice.call('arm', 'get', {'names': ['hidden']})
    assert (hidden.state, hidden.reason.partition(':')[0]) == (State.REJECTED, 'field_limit')
    assert alice.call('arm', 'describe', {'names': ['gain']}).state is State.SUCCEEDED
    assert alice.call('arm', 'list').state is State.SUCCEEDED


def test_the_bridge_itself_is_steered(alice: Commander, collector: Collector) -> None:
    answer = alice.call('bridge', 'set', {'values': {'stream.pose.max_hz': 2.0}})
    assert answer.state is State.SUCCEEDED, answer
    refused = alice.call('bridge', 'set', {'values': {'robot_id': 'other'}})
    assert refused.state is not State.SUCCEEDED
    for kind in ('announce', 'pause', 'resume'):
        answer = alice.call('bridge', kind)
        assert answer.state is State.SUCCEEDED, (kind, answer)
    answer = alice.call('bridge', 'trigger', {'box': 'none'})
    assert answer.state is State.FAILED and answer.reason.startswith('refused_by_server')


def test_one_drives_at_a_time_and_hands_over(
    alice: Commander, robot: Robot, broker: Broker, graph: Graph
) -> None:
    ear = Ear(graph, Twist, '/cmd_vel')
    with robot.keys.commander(broker, ROBOT, 'bob') as bob:
        bob.learn()
        assert alice.call('drive', 'publish', {}).reason == 'no_lease'
        granted = alice.call('drive', 'acquire')
        assert granted.state is State.SUCCEEDED and granted.detail['watchdog_s'] == 0.5
        assert bob.call('drive', 'acquire').reason.startswith('lease_held: by alice')
        alice.send('drive', 'publish', {'linear': {'x': 0.25}})
        assert ear.wait_for(1)[0].linear.x == 0.25
        # Nobody says anything more: it is stopped.
        assert ear.wait_for(2)[1] == Twist()
        alice.send('drive', 'publish', {'linear': {'x': 0.5}})
        before = len(ear.wait_for(3))
        assert alice.call('drive', 'hand_over', {'to': 'bob'}).state is State.SUCCEEDED
        assert alice.call('drive', 'acquire').reason.startswith('lease_held: reserved for bob')
        assert bob.call('drive', 'acquire').state is State.SUCCEEDED
        assert alice.call('drive', 'publish', {'linear': {'x': 1.0}}).reason == 'no_lease'
        graph.spin_until(lambda: Twist() in ear.heard[before - 1 :])
        bob.send('drive', 'publish', {'linear': {'x': -0.5}})
        graph.spin_until(lambda: ear.heard[-1].linear.x == -0.5)
        assert bob.call('drive', 'release').state is State.SUCCEEDED
        graph.spin_until(lambda: ear.heard[-1] == Twist())
    assert {message.linear.x for message in ear.heard} == {0.25, 0.5, -0.5, 0.0}
    ear.close()


def test_a_command_that_was_answered_is_answered_again_and_not_run(
    alice: Commander, robot: Robot
) -> None:
    sent = alice.send('set', 'call', {'data': False})
    alice.final(sent)
    lines = len(robot.audit())
    for _ in range(5):
        alice.post(sent)
    wait_until(lambda: [one.state for one in alice.of(sent)].count(State.SUCCEEDED) == 6)
    assert [one.state for one in alice.of(sent)].count(State.ACCEPTED) == 1
    verdicts = {line['verdict'] for line in robot.audit()[lines:]}
    assert verdicts <= {'repeated', 'succeeded'}


def test_the_audit_says_who_did_what(alice: Commander, robot: Robot, collector: Collector) -> None:
    sent = alice.send('set', 'call', {'data': True})
    alice.final(sent)
    refused = alice.send('say', 'publish', {'data': 'x' * 21})
    alice.final(refused)

    def of(message: Any) -> list[dict[str, Any]]:
        return [line for line in robot.audit() if line.get('id') == message.command.id.hex()]

    wait_until(lambda: of(refused))
    assert [line['verdict'] for line in of(sent)] == ['accepted', 'succeeded']
    assert [line['verdict'] for line in of(refused)] == ['rejected']
    assert of(refused)[0]['reason'].startswith('field_limit')
    assert alice.key is not None
    for line in (*of(sent), *of(refused)):
        assert line['robot'] == ROBOT and line['operator'] == 'alice'
        assert line['kid'] == alice.key.kid.hex()
        assert line['time'].endswith('+00:00')
    wait_until(lambda: of(sent)[-1] in [json.loads(text) for text in collector.payloads('audit')])


def test_health_info_and_state_tell_of_commands(
    alice: Commander, robot: Robot, collector: Collector
) -> None:
    info = collector.wait_for_document('info', lambda info: info.get('channels'))
    public = robot.keys.robot.public
    assert info['key'] == robot.keys.robot.public_bytes.hex()
    assert info['kid'] == public.kid.hex()
    assert [channel['name'] for channel in info['channels']] == list(CHANNELS)
    drive = info['channels'][0]
    assert drive['kind'] == 'topic' and drive['lease'] and drive['max_ttl_s'] == 10.0
    assert drive['type'] == 'geometry_msgs/msg/Twist'
    sent = alice.make('set', 'call', {'data': True})
    broken = sent.payload[:-1] + bytes([sent.payload[-1] ^ 1])
    collector.publish('cmd/alice/set', broken)
    health = collector.wait_for_document(
        'health', lambda health: (health['commands'] or {}).get('refused', {}).get('bad_signature')
    )
    assert health['commands']['connected'] is True
    assert health['commands']['running'] == 0
    assert set(health['commands']['stops']) == {'drive'}
    assert all('trust' not in state for state in collector.documents('state'))


def test_answers_go_to_their_operator_alone(
    alice: Commander, collector: Collector, robot: Robot
) -> None:
    sent = alice.send('set', 'call', {'data': True})
    alice.final(sent)
    identity = sent.command.id
    wait_until(lambda: any(identity in payload for payload in collector.payloads('ack/alice')))
    kinds = {heard.kind for heard in collector.heard if identity in heard.payload}
    assert kinds == {'ack/alice', 'cmd/alice/set'}


def test_what_is_retained_is_refused(alice: Commander, collector: Collector) -> None:
    kept = alice.make('set', 'call', {'data': True})
    collector.publish('cmd/alice/set', kept.payload, retain=True)
    collector.wait_for_document(
        'health', lambda health: health['commands']['refused'].get('retained')
    )
    alice.settle()
    assert alice.of(kept) == []
    collector.publish('cmd/alice/set', b'', retain=True)


def test_keys_are_changed_while_it_runs(
    alice: Commander, robot: Robot, broker: Broker, collector: Collector
) -> None:
    robot.keys.grant('carol')
    with robot.keys.commander(broker, ROBOT, 'carol') as carol:
        carol.learn()
        old = robot.keys.operators['carol']
        assert carol.call('set', 'call', {'data': True}).state is State.SUCCEEDED
        robot.keys.grant('carol', 'new')
        with robot.keys.commander(broker, ROBOT, 'carol') as renewed:
            renewed.learn()
            assert renewed.call('set', 'call', {'data': True}).state is State.SUCCEEDED
            assert carol.call('set', 'call', {'data': True}).state is State.SUCCEEDED
            robot.keys.revoke(old)
            wait_until(lambda: carol.final(carol.send('time', 'time'), 0.5, needed=False) is None)
            unheard = carol.send('set', 'call', {'data': True})
            assert renewed.call('set', 'call', {'data': True}).state is State.SUCCEEDED
            assert carol.of(unheard) == []
    assert unheard.command.id.hex() not in {line.get('id') for line in robot.audit()}
