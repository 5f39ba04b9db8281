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


"""The node of commands as a managed node, under other trust, other brokers, and after a crash."""

from collections.abc import Iterator
import hashlib
import json
from pathlib import Path
import threading

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')

from geometry_msgs.msg import Twist  # noqa: E402

from ros_cloud_bridge.command_values import State  # noqa: E402
from support.bridge_process import BridgeProcess  # noqa: E402
from support.broker import Broker  # noqa: E402
from support.collector import Collector  # noqa: E402
from support.command_servers import ServersProcess  # noqa: E402
from support.commander import Commander, Keys  # noqa: E402
from support.fake_broker import answering, closing, connack, FakeBroker  # noqa: E402
from support.graph import Graph, qos  # noqa: E402
from support.robots import parameters, Place  # noqa: E402
from support.waiting import wait_until  # noqa: E402

COMMAND = '/command'
SERVERS = 'leg'
CHANNELS: dict[str, dict[str, object]] = {
    'drive': {
        'kind': 'topic',
        'ros_name': '/cmd_vel',
        'type': 'geometry_msgs/msg/Twist',
        'operators': ['alice'],
        'lease': True,
        'max_hz': 100.0,
    },
    'set': {
        'kind': 'service',
        'ros_name': f'/{SERVERS}/set',
        'type': 'std_srvs/srv/SetBool',
        'operators': ['alice'],
        'max_hz': 100.0,
    },
    'mute': {
        'kind': 'service',
        'ros_name': f'/{SERVERS}/mute',
        'type': 'std_srvs/srv/SetBool',
        'operators': ['alice'],
    },
    'count': {
        'kind': 'action',
        'ros_name': f'/{SERVERS}/fibonacci',
        'type': 'test_msgs/action/Fibonacci',
        'operators': ['alice'],
    },
}


@pytest.fixture(scope='module')
def servers() -> Iterator[ServersProcess]:
    """
    Run what commands reach.

    :returns: a process that lasts for the module
    """
    with ServersProcess(SERVERS) as running:
        yield running


@pytest.fixture
def keys(tmp_path: Path, robot_id: str) -> Keys:
    """
    Make keys.

    :param tmp_path: where
    :param robot_id: the robot
    :returns: its own and alice's
    """
    return Keys.make(tmp_path, robot_id, 'alice')


def given(broker: Place, robot_id: str, keys: Keys, **further: object) -> dict[str, object]:
    """
    Make a bridge's parameters.

    :param broker: its broker
    :param robot_id: the robot
    :param keys: its keys
    :param further: other keys
    :returns: what stands below ``ros__parameters``
    """
    return parameters(
        broker,
        robot_id,
        {'pose': {'topics': ['/odom']}},
        state_dir=str(keys.folder),
        operator_keys=str(keys.directory),
        commands=list(CHANNELS),
        command=CHANNELS,
        **further,
    )


def reach(commander: Commander) -> None:
    """
    Wait until bridge and servers have found each other.

    :param commander: knows the time
    """
    for _ in range(10):
        if commander.call('set', 'call', {'data': True}).state is State.SUCCEEDED:
            return
    raise AssertionError('the bridge does not find its servers')


def test_it_is_a_managed_node(
    broker: Broker, graph: Graph, servers: ServersProcess, robot_id: str, keys: Keys
) -> None:
    heard: list[Twist] = []
    subscription = graph.node.create_subscription(Twist, '/cmd_vel', heard.append, qos())
    with (
        BridgeProcess(given(broker, robot_id, keys)) as bridge,
        keys.commander(broker, robot_id, 'alice') as alice,
    ):
        bridge.wait_for_log('commands: connected')
        alice.learn()
        reach(alice)
        assert graph.state(COMMAND) == 'active'
        alice.call('drive', 'acquire')
        mute = alice.send('mute', 'call', {'data': True}, ttl_ms=9000)
        goal = alice.send('count', 'goal', {'order': 100})
        alice.wait_for(goal, lambda answer: answer.state is State.RUNNING)
        stopped = threading.Event()

        def drive() -> None:
            while not stopped.wait(0.05):
                alice.send('drive', 'publish', {'linear': {'x': 0.5}}, ttl_ms=900)

        driving = threading.Thread(target=drive)
        driving.start()
        graph.spin_until(lambda: len(heard) > 3 and heard[-1].linear.x == 0.5)
        assert graph.transition('deactivate', COMMAND)
        graph.spin_until(lambda: heard[-1] == Twist())
        for sent in (mute, goal):
            answer = alice.final(sent)
            assert answer is not None
            assert (answer.state, answer.reason) == (State.FAILED, 'stopping')
        stopped.set()
        driving.join()
        refused = alice.call('set', 'call', {'data': True})
        assert (refused.state, refused.reason) == (State.REJECTED, 'stopping')
        graph.spin_until(lambda: heard[-1] == Twist())
        # As the same run it knows what was there before.
        epoch = alice.epoch
        assert graph.transition('activate', COMMAND)
        assert alice.learn().epoch == epoch
        assert alice.call('set', 'call', {'data': True}).state is State.SUCCEEDED
        assert alice.call('drive', 'publish', {}).reason == 'no_lease'
        assert graph.transition('deactivate', COMMAND)
        assert graph.transition('cleanup', COMMAND)
        silent = alice.send('time', 'time')
        assert alice.final(silent, 1.0, needed=False) is None
        # A key that is not to be read.
        key = keys.folder / f'robot-{robot_id}.key'
        good = key.read_bytes()
        key.write_text('no key')
        assert not graph.transition('configure', COMMAND)
        lines = [line for line in bridge.log().splitlines() if key.name in line]
        assert len(lines) == 1 and 'ERROR' in lines[0].upper()
        assert graph.state(COMMAND) == 'unconfigured'
        key.write_bytes(good)
        assert graph.transition('configure', COMMAND)
        assert graph.transition('activate', COMMAND)
        assert alice.learn(epoch_not=epoch).epoch != epoch
        reach(alice)
        assert bridge.stop() == 0
        assert 'Traceback' not in bridge.log(), bridge.log()
    graph.node.destroy_subscription(subscription)


def test_it_stops_what_moves_when_the_bridge_is_ended(
    broker: Broker, graph: Graph, robot_id: str, keys: Keys
) -> None:
    heard: list[Twist] = []
    subscription = graph.node.create_subscription(Twist, '/cmd_vel', heard.append, qos())
    with (
        BridgeProcess(given(broker, robot_id, keys)) as bridge,
        keys.commander(broker, robot_id, 'alice') as alice,
    ):
        bridge.wait_for_log('commands: connected')
        alice.learn()
        alice.call('drive', 'acquire')
        graph.spin_until(lambda: graph.node.count_publishers('/cmd_vel') > 0)
        while not heard:
            alice.send('drive', 'publish', {'linear': {'x': 0.5}}, ttl_ms=900)
            try:
                graph.spin_until(lambda: heard and heard[-1].linear.x == 0.5, 0.3)
            except AssertionError:
                continue
        alice.send('drive', 'publish', {'linear': {'x': 0.5}}, ttl_ms=900)
        assert bridge.stop() == 0
        graph.spin_until(lambda: heard[-1] == Twist())
    graph.node.destroy_subscription(subscription)


def test_without_signatures_state_says_so(
    broker: Broker, servers: ServersProcess, robot_id: str, keys: Keys
) -> None:
    with (
        BridgeProcess(given(broker, robot_id, keys, trust='transport')) as bridge,
        Collector(broker, robot_id) as collector,
        Commander(broker, robot_id, 'alice', None, keys.robot.public) as alice,
    ):
        bridge.wait_for_log('commands: connected')
        state = collector.wait_for_document('state', lambda state: state['state'] == 'online')
        assert state['trust'] == 'transport'
        alice.learn()
        reach(alice)
        line = json.loads((keys.folder / f'audit-{robot_id}.jsonl').read_text().splitlines()[0])
        # Stands for a key where there is none.
        kid = hashlib.sha256(b'alice').hexdigest()[:16]
        assert (line['operator'], line['kid']) == ('alice', kid)
        assert bridge.stop() == 0


def test_a_crash_leaves_what_ran_unknown(
    broker: Broker, servers: ServersProcess, robot_id: str, keys: Keys
) -> None:
    with keys.commander(broker, robot_id, 'alice') as alice:
        with BridgeProcess(given(broker, robot_id, keys)) as bridge:
            bridge.wait_for_log('commands: connected')
            epoch = alice.learn().epoch
            reach(alice)
            done = alice.send('set', 'call', {'data': False})
            alice.final(done)
            mute = alice.send('mute', 'call', {'data': True}, ttl_ms=9000)
            alice.wait_for(mute, lambda answer: answer.state is State.ACCEPTED)
            kept = alice.make('set', 'call', {'data': True}, ttl_ms=9000)
            bridge.kill()
        with BridgeProcess(given(broker, robot_id, keys)) as bridge:
            bridge.wait_for_log('commands: connected')
            # Told without being asked.
            answer = alice.final(mute)
            assert answer is not None and answer.state is State.UNKNOWN_AFTER_RESTART
            assert answer.epoch != epoch
            before = len(alice.of(done))
            alice.post(done)
            wait_until(lambda: len(alice.of(done)) > before)
            assert alice.of(done)[-1].state is State.SUCCEEDED
            refused = alice.insist(kept)
            assert refused is not None
            assert (refused.state, refused.reason) == (State.REJECTED, 'wrong_epoch')
            # As long as it has not asked for the time again its commands are of no use.
            assert alice.call('set', 'call', {'data': True}).reason == 'wrong_epoch'
            alice.learn()
            reach(alice)
            assert bridge.stop() == 0


def test_mqtt_3_is_refused_by_name_at_the_start(broker: Broker, robot_id: str, keys: Keys) -> None:
    mqtt = {'protocol': '3.1.1'}
    with BridgeProcess(given(broker, robot_id, keys, mqtt=mqtt)) as bridge:
        assert bridge.wait() == 2
        said = [line for line in bridge.log().splitlines() if 'mqtt.protocol' in line]
        assert len(said) == 1 and 'commands need 5' in said[0]
        assert 'Traceback' not in bridge.log()


class Elsewhere:
    """
    A place that is no broker of ours.

    :param port: on this machine
    """

    host = '127.0.0.1'

    def __init__(self, port: int) -> None:
        self.port = port


def test_a_broker_without_mqtt_5_is_told_of(robot_id: str, keys: Keys) -> None:
    with FakeBroker([answering(connack(0x84))]) as fake:
        with BridgeProcess(given(Elsewhere(fake.port), robot_id, keys)) as bridge:
            bridge.wait_for_log('commands need MQTT 5')
            assert bridge.running
            assert bridge.stop() == 0
            assert bridge.log().count('commands need MQTT 5') == 1
            assert 'Traceback' not in bridge.log()


def test_a_broker_that_hangs_up_on_mqtt_5_ends_nothing(robot_id: str, keys: Keys) -> None:
    with FakeBroker([closing]) as fake:
        with BridgeProcess(given(Elsewhere(fake.port), robot_id, keys)) as bridge:
            bridge.wait_for_log('commands: no connection')
            assert bridge.stop() == 0
            assert 'Traceback' not in bridge.log()
