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


"""Attacks over MQTT on a real bridge that has something to do; the many are in test/command."""

from collections.abc import Iterator
from dataclasses import dataclass
import os
from pathlib import Path
import subprocess
import sys
import threading

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')

from ros_cloud_bridge.command_values import State  # noqa: E402
from support.bridge_process import BridgeProcess, PACKAGE_ROOT  # noqa: E402
from support.broker import Broker  # noqa: E402
from support.collector import Collector  # noqa: E402
from support.command_flood import bad_commands, Driven, Flood, good_commands  # noqa: E402
from support.command_servers import ServersProcess  # noqa: E402
from support.commander import Commander, Keys  # noqa: E402
from support.robots import parameters  # noqa: E402
from support.waiting import wait_until  # noqa: E402

ROBOT = 'attacked'
SERVERS = 'door'
TELEMETRY_HZ = 40.0
CHANNELS: dict[str, dict[str, object]] = {
    'set': {
        'kind': 'service',
        'ros_name': f'/{SERVERS}/set',
        'type': 'std_srvs/srv/SetBool',
        'operators': ['alice', 'bob'],
        'max_hz': 1000.0,
        'max_running': 64,
    },
    'gain': {
        'kind': 'parameter',
        'ros_name': f'/{SERVERS}',
        'parameters': ['gain'],
        'operators': ['alice', 'bob'],
        'max_hz': 1000.0,
    },
}


@dataclass(frozen=True, kw_only=True)
class Robot:
    """A bridge with commands and a busy topic."""

    bridge: BridgeProcess
    keys: Keys


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
        {'numbers': {'topics': ['/numbers'], 'keep': 'fifo'}},
        state_dir=str(keys.folder),
        operator_keys=str(keys.directory),
        commands=list(CHANNELS),
        command=CHANNELS,
    )
    with ServersProcess(SERVERS), BridgeProcess(given) as running:
        running.wait_for_log('commands: connected')
        with keys.commander(broker, ROBOT, 'bob') as bob:
            bob.learn()
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
def alice(broker: Broker, robot: Robot) -> Iterator[Commander]:
    """
    Connect alice, who knows the time.

    :param broker: where
    :param robot: whom she commands
    :returns: she
    """
    with robot.keys.commander(broker, ROBOT, 'alice') as commander:
        commander.learn()
        yield commander


def refused(collector: Collector, reason: str) -> int:
    """
    Wait for the next ``health`` and tell how many messages were refused.

    :param collector: who listens
    :param reason: why
    :returns: since boot
    """
    before = len(collector.documents('health'))
    wait_until(lambda: len(collector.documents('health')) >= before + 2)
    count = collector.documents('health')[-1]['commands']['refused'].get(reason, 0)
    assert isinstance(count, int)
    return count


def test_what_a_broker_holds_back_is_late(alice: Commander, collector: Collector) -> None:
    held = [alice.make('set', 'call', {'data': True}, ttl_ms=300) for _ in range(3)]
    wait_until(lambda: alice.now_ms() > held[-1].command.deadline_ms + 50)
    for message in held:
        collector.publish('cmd/alice/set', message.payload)
    for message in held:
        answer = alice.final(message)
        assert answer is not None
        assert answer.state is State.REJECTED and answer.reason.startswith('expired')


def test_every_bit_of_a_command_counts_over_mqtt(
    alice: Commander, robot: Robot, collector: Collector
) -> None:
    message = alice.make('set', 'call', {'data': True}, ttl_ms=10_500)
    kinds = ('bad_signature', 'malformed', 'unknown_key', 'busy')
    before = {reason: refused(collector, reason) for reason in kinds}
    for place in range(8 * len(message.payload)):
        broken = bytearray(message.payload)
        broken[place // 8] ^= 1 << place % 8
        collector.publish('cmd/alice/set', bytes(broken))
    # First everything is at the broker, then at the robot.
    collector.settle()
    alice.settle()
    assert alice.of(message) == []
    counted = sum(refused(collector, reason) - before[reason] for reason in kinds)
    # And a question for the time may have found no room.
    assert counted >= 8 * len(message.payload)
    text = (robot.keys.folder / f'audit-{ROBOT}.jsonl').read_text()
    assert message.command.id.hex() not in text


def test_a_flood_holds_up_neither_telemetry_nor_another_operator(
    alice: Commander, robot: Robot, collector: Collector, broker: Broker, tmp_path: Path
) -> None:
    inputs = 3000
    messages = bad_commands(alice, inputs)
    before_kb = robot.bridge.rss_kb()
    publisher = subprocess.Popen(
        [sys.executable, '-m', 'support.publishing', '/numbers', '400', '50', '0.025', '0'],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PACKAGE_ROOT / 'test',
        env={**os.environ, 'PYTHONPATH': f'{PACKAGE_ROOT}:{PACKAGE_ROOT / "test"}'},
    )
    assert publisher.stdin is not None and publisher.stdout is not None
    assert publisher.stdout.readline() == 'ready\n'
    driven: list[Driven] = []
    stopped = threading.Event()
    with robot.keys.commander(broker, ROBOT, 'bob') as bob:
        bob.learn()

        def command() -> None:
            driven.append(good_commands(bob, stopped, 20.0, ('gain', 'get', {'names': ['gain']})))

        commanding = threading.Thread(target=command)
        commanding.start()
        publisher.stdin.write('go\n')
        publisher.stdin.flush()
        flood = Flood(broker, messages, 600.0, tmp_path)
        assert publisher.stdout.readline().startswith('done 0')
        flood.seconds()
        stopped.set()
        commanding.join()
    # Everything that was published has arrived; everything that was meant is answered.
    assert len(collector.wait_for_samples('/numbers', 400)) == 400
    publisher.stdin.close()
    publisher.wait()
    (good,) = driven
    assert len(good.answers) > 20
    assert {one.state if one else None for one in good.answers} == {State.SUCCEEDED}
    assert robot.bridge.rss_kb() - before_kb < 40_000
    audited = (robot.keys.folder / f'audit-{ROBOT}.jsonl').read_text()
    assert 'stranger' not in audited
    health = collector.documents('health')[-1]['commands']
    assert len(health['refused']) < 30
