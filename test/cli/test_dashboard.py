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

"""``ros-cloud-bridge dashboard`` as a process, against a real broker."""

from collections.abc import Iterator
from functools import partial
import json
import re
import signal
import time

import pytest

from ros_cloud_bridge.cli.main import main
from ros_cloud_bridge.wire.announce import encode_json
from ros_cloud_bridge.wire.topics import RobotTopics
from support.broker import Broker, free_port
from support.program import Program
from support.screens import Screen, watching
from support.waiting import wait_until

wire_robot = pytest.importorskip('support.wire_robot', reason='rosbags is missing')
WireRobot, level_cdr = wire_robot.WireRobot, wire_robot.level_cdr
cdr = pytest.importorskip('support.dashboard_messages', reason='rosbags is missing').cdr

HOUR_NS = 3600 * 10**9


@pytest.fixture(scope='module')
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


def dashboard(broker: Broker, *arguments: str) -> Program:
    where = ['--host', broker.host, '--port', str(broker.port)]
    return Program(['dashboard', *where, *arguments])


def subscribed(broker: Broker, count: int) -> None:
    wait_until(
        lambda: len(re.findall('Sending SUBACK to rcb-[0-9a-f]', broker.log())) >= count,
        what='the subscription',
    )


def subscriptions(broker: Broker) -> int:
    return len(re.findall('Sending SUBACK to rcb-[0-9a-f]', broker.log()))


def test_samples_become_flat_json_at_a_rate_with_the_last_one_always(broker: Broker) -> None:
    with watching(broker, 'rcb/v1/flat/d/#') as screen, WireRobot(broker, 'flat') as robot:
        robot.announce()
        route = robot.route('/tank/level')
        robot.schemas()
        robot.info()
        arguments = ('--robot', 'flat', '--max-hz', '2', '--topic', '/tank/*')
        with dashboard(broker, *arguments) as program:
            program.wait_for_error('flat is online')
            other = robot.route('/other')
            robot.send(other, [level_cdr(9.0)])
            for n in range(40):
                robot.send(route, [level_cdr(n / 4)] * 2)
            wait_until(
                lambda: 9.75 in [found['level'] for found in screen.documents('')],
                what='the last value',
            )
            program.send(signal.SIGTERM)
            assert program.wait() == 0
        got = screen.messages()
        assert {message.topic for message in got} == {'rcb/v1/flat/d/all/tank-level'}
        assert not any(message.retain for message in got)
        assert len(got) <= 6
        found = json.loads(got[-1].payload)
        assert abs(found.pop('ts') - time.time() * 1000) < 60_000
        assert found == {
            'frame_id': 'tank', 'level': 9.75, 'raw_count': 3, 'raw_0': 1, 'raw_1': 2, 'raw_2': 3,
            'from': 'tank',
        }  # fmt: skip
        assert f'{len(got)} messages published, 0 could not be sent' in ''.join(program.err)


def test_nothing_historical_is_shown(broker: Broker) -> None:
    with watching(broker, 'rcb/v1/past/d/#') as screen, WireRobot(broker, 'past') as robot:
        robot.birth()
        live, latched = robot.route('/live'), robot.route('/latched', latched=True)
        robot.schemas()
        robot.info()
        # Out of the broker's memory: nobody knows how old.
        robot.send(latched, [level_cdr(1.0)], latched=True)
        before = subscriptions(broker)
        with dashboard(broker, '--robot', 'past', '--max-hz', '50'):
            subscribed(broker, before + 1)
            backlog, robot.topics = robot.topics, _Backlog(robot.topics)
            robot.send(live, [level_cdr(2.0)])
            robot.topics = backlog
            robot.send(live, [level_cdr(3.0)], waited_ns=HOUR_NS)
            robot.send(latched, [level_cdr(4.0)], latched=True)
            robot.send(live, [level_cdr(5.0)])
            screen.wait('/live')
            screen.wait('/latched')
        assert [found['level'] for found in screen.documents('/live')] == [5.0]
        assert [found['level'] for found in screen.documents('/latched')] == [4.0]


def _newest_is(screen: Screen, level: int) -> bool:
    return bool(screen.documents('/level')[-1]['level'] == level)


class _Backlog:
    """Topics of a robot that sends everything as backlog."""

    def __init__(self, topics: RobotTopics) -> None:
        self._topics = topics

    def batches(self, priority: object) -> str:
        return str(self._topics.backlog)


def test_what_the_robot_makes_itself_is_left_alone(broker: Broker) -> None:
    with watching(broker, '+/v1/own/d/#') as screen, WireRobot(broker, 'own') as robot:
        robot.birth()
        route = robot.route('/level')
        robot.schemas()
        with dashboard(broker, '--robot', 'own') as program:
            program.wait_for_error('own is online')
            # Before the robot has said what it makes nothing may be published.
            robot.send(route, [level_cdr(1.0)])
            streams = [{'name': 'all', 'dashboard': {'max_hz': 1.0, 'form': 'flat'}}]
            info = {'version': 1, 'boot_id': robot.boot.hex(), 'streams': streams}
            robot.publish(robot.topics.info, encode_json(info), retain=True)
            robot.send(route, [level_cdr(2.0)])
            # Elsewhere nothing is doubled.
            with dashboard(broker, '--robot', 'own', '--prefix', 'else/v1') as beside:
                beside.wait_for_error('own is online')
                robot.send(route, [level_cdr(3.0)])
                screen.wait('else/v1/own/d/all/level')
        assert {message.topic for message in screen.messages()} == {'else/v1/own/d/all/level'}


def test_a_field_that_no_topic_has_is_said(broker: Broker) -> None:
    arguments = (
        '--robot',
        'typo',
        '--fields',
        'level',
        'levle',
        '--fields',
        'name',
        '--count',
        '2',
    )
    with WireRobot(broker, 'typo') as robot, dashboard(broker, *arguments) as program:
        robot.announce()
        first = robot.route('/tank')
        second = robot.route('/log', 'rcl_interfaces/msg/Log')
        robot.schemas()
        robot.info()
        program.wait_for_error('typo is online')
        robot.send(first, [level_cdr(0.5)])
        robot.send(second, [cdr('rcl_interfaces/msg/Log', name='planner')])
        assert program.wait() == 0
    said = [line for line in ''.join(program.err).splitlines() if '--fields' in line]
    assert said == ["ros-cloud-bridge: --fields: no topic so far has 'levle'"]


def test_two_that_publish_the_same_say_so(broker: Broker) -> None:
    with watching(broker, 'rcb/v1/twice/d/#') as screen, WireRobot(broker, 'twice') as robot:
        robot.announce()
        route = robot.route('/level')
        robot.schemas()
        robot.info()
        arguments = ('--robot', 'twice', '--max-hz', '20')
        with dashboard(broker, *arguments) as first:
            first.wait_for_error('twice is online')
            for n in range(5):
                robot.send(route, [level_cdr(n)])
                screen.wait('/level', n + 1)
            with dashboard(broker, *arguments) as second:
                second.wait_for_error('twice is online')
                where = 'rcb/v1/twice/d/all/level: another dashboard publishes there'

                def both_say_so() -> bool:
                    robot.send(route, [level_cdr(9.0)])
                    return all(where in ''.join(one.err) for one in (first, second))

                wait_until(both_say_so)
            alone = ''.join(first.err).count(where)
            robot.send(route, [level_cdr(10.0)])
        # Once; and not of itself, nor of one that is beside it.
        assert alone == 1
        with dashboard(broker, *arguments) as third, dashboard(broker, '--robot', 'x') as other:
            third.wait_for_error('twice is online')
            before = len(screen.messages())
            for n in range(5):
                robot.send(route, [level_cdr(n)])
                screen.wait('/level', before + n + 1)
            assert 'another dashboard' not in ''.join(third.err + other.err)


def test_hostile_and_future_messages_stop_nothing_nor_does_a_kill(broker: Broker) -> None:
    with watching(broker, 'rcb/v1/wild/d/#') as screen, WireRobot(broker, 'wild') as robot:
        robot.announce()
        route = robot.route('/level')
        robot.schemas()
        robot.info()
        for turn in (1, 2):
            with dashboard(broker, '--robot', 'wild') as program:
                program.wait_for_error('wild is online')
                for payload in (b'', b'\xff' * 100, b'\x83\x02\x00\x40', b'{"version": 99}'):
                    for kind in ('b/normal', 'info', 'health', 'schema/00', 'd/x', 'new/kind'):
                        robot.publish(f'rcb/v1/wild/{kind}', payload)
                robot.send(route, [b'\0\1\0\0\xff\xff'])
                program.wait_for_error('wild /level: ')
                robot.send(route, [level_cdr(float(turn))])
                wait_until(lambda: screen.documents('/level'), what='a message')
                newest = partial(_newest_is, screen, turn)
                wait_until(newest, what='the newest')
                program.send(signal.SIGKILL)
                program.wait()


def test_thingsboards_gateway_at_another_broker(broker: Broker) -> None:
    with Broker() as other, watching(other, 'v1/gateway/#') as screen:
        arguments = ('--robot', 'tb', '--form', 'thingsboard-gateway', '--fields', 'level')
        to = ('--to-host', other.host, '--to-port', str(other.port), '--count', '1')
        with WireRobot(broker, 'tb') as robot, dashboard(broker, *arguments, *to) as program:
            robot.announce()
            route = robot.route('/tank')
            robot.schemas()
            program.wait_for_error('tb is online')
            robot.send(route, [level_cdr(0.5)], source_time_ns=1_764_000_000_123_000_000)
            assert program.wait() == 0
        assert json.loads(screen.wait('v1/gateway/telemetry')[0].payload) == {
            'tb': [{'ts': 1764000000123, 'values': {'tank_level': 0.5}}]
        }


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--prefix', 'a/b/c/d'], '--prefix'),
        (['--prefix', 'a/#'], '--prefix'),
        (['--to-port', '1883'], '--to-port: needs --to-host'),
        (['--topic', 're:('], 're:('),
    ],
    ids=['levels', 'wildcard', 'no host', 'expression'],
)
def test_bad_arguments_are_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['dashboard', *arguments]) == 2
    line = capsys.readouterr().err
    assert said in line
    assert line.count('\n') == 1


def test_status_1_without_a_broker(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['dashboard', '--port', str(free_port()), '--seconds', '0.3']) == 1
    assert 'was never connected' in capsys.readouterr().err
