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

"""``ros-cloud-bridge tail`` as a process, against a real broker."""

import base64
from collections.abc import Iterator
import json
from pathlib import Path
import re
import shutil
import signal
import subprocess
import time

import pytest

from ros_cloud_bridge.cli.main import main
from ros_cloud_bridge.values import Drop
from support.broker import Broker, free_port
from support.program import Program
from support.waiting import wait_until

wire_robot = pytest.importorskip('support.wire_robot', reason='rosbags is missing')
WireRobot, level_cdr = wire_robot.WireRobot, wire_robot.level_cdr


@pytest.fixture(scope='module')
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


def tail(broker: Broker, *arguments: str, read: bool = True) -> Program:
    where = ['--host', broker.host, '--port', str(broker.port)]
    return Program(['tail', *where, *arguments], read=read)


def subscribed(broker: Broker, count: int = 1) -> None:
    wait_until(lambda: len(re.findall('Sending SUBACK to rcb-', broker.log())) >= count)


def test_text_of_samples_as_they_come(broker: Broker) -> None:
    with WireRobot(broker, 'text') as robot:
        robot.announce()
        with tail(broker, '--robot', 'text', '--count', '3') as program:
            program.wait_for_error('text is online (birth)')
            robot.schemas()
            route = robot.route('/tank/level')
            robot.schemas()
            robot.send(route, [level_cdr(0.5)])
            # Each line comes at once, though the output is a pipe and the program goes on.
            wait_until(lambda: len(program.out) >= 5, what='the first sample')
            robot.send(route, [level_cdr(1.5)] * 2)
            assert program.wait() == 0
    lines = [line.rstrip('\n') for line in program.out]
    assert len(lines) == 15
    assert re.fullmatch(r'text /tank/level #1 age -?\d+\.\d{3} s mine/msg/Level', lines[0])
    assert lines[1:5] == [
        '  header: {stamp: {sec: 12, nanosec: 34}, frame_id: tank}',
        '  level: 0.5',
        '  raw: [1, 2, 3]',
        '  from: tank',
    ]


def test_json_lines_with_states_and_bytes(broker: Broker) -> None:
    cdrs = [level_cdr(n / 2) for n in range(4)]
    arguments = ('--robot', 'js*', '--topic', '/a*', 're:/[xy]', '--json', '--cdr', '--state')
    with WireRobot(broker, 'json') as robot, tail(broker, *arguments) as program:
        robot.announce()
        routes = [robot.route(topic) for topic in ('/ab', '/b', '/x')]
        robot.schemas()
        wait_until(lambda: program.out, what='the state')
        for route, cdr in zip(routes, cdrs, strict=False):
            robot.send(route, [cdr])
        robot.birth(online=False)
        wait_until(lambda: len(program.out) >= 4, what='four lines')
        program.send(signal.SIGTERM)
        assert program.wait() == 0
    birth, first, second, end = map(json.loads, program.out)
    assert birth['kind'] == end['kind'] == 'state'
    assert (birth['robot'], birth['state'], end['state']) == ('json', 'online', 'offline')
    assert [(d['topic'], base64.b64decode(d['cdr'])) for d in (first, second)] == [
        ('/ab', cdrs[0]),
        ('/x', cdrs[2]),
    ]
    assert second['fields']['level'] == 1.0
    assert ''.join(program.err) == ''


def test_losses_are_told_at_the_end(broker: Broker) -> None:
    with WireRobot(broker, 'lossy') as robot:
        with tail(broker, '--robot', 'lossy', '--fields', 'level', '--count', '3') as program:
            robot.birth()
            program.wait_for_error('lossy is online')
            route = robot.route('/level')
            robot.schemas()
            robot.send(route, [level_cdr(1.0)], totals={int(Drop.RATE): 4})
            totals = {int(Drop.RATE): 9, int(Drop.SUPERSEDED): 2}
            robot.send(route, [level_cdr(2.0)] * 2, skip=3, totals=totals)
            assert program.wait() == 0
    assert [line for line in program.out if not line.startswith('lossy')] == [
        '  level: 1\n',
        '  level: 2\n',
        '  level: 2\n',
    ]
    assert (
        'ros-cloud-bridge: lossy /level: 3 received, 3 missing (1 unexplained), '
        'dropped on the robot: rate 9, superseded 2\n'
    ) in program.err


def test_losses_of_other_topics_are_not_told(broker: Broker) -> None:
    with WireRobot(broker, 'lossy2') as robot:
        arguments = ('--robot', 'lossy2', '--topic', '/level', '--count', '2')
        with tail(broker, *arguments) as program:
            robot.birth()
            program.wait_for_error('lossy2 is online')
            level, other = robot.route('/level'), robot.route('/other')
            robot.schemas()
            for route in (other, level):
                robot.send(route, [level_cdr(1.0)])
                robot.send(route, [level_cdr(2.0)], skip=3)
            assert program.wait() == 0
    told = [line for line in program.err if 'missing' in line]
    assert len(told) == 1
    assert told[0].startswith('ros-cloud-bridge: lossy2 /level: 2 received, 3 missing')


def test_malformed_messages_are_told_with_their_mqtt_topic(broker: Broker) -> None:
    with WireRobot(broker, 'bad') as robot, tail(broker, '--robot', 'bad') as program:
        robot.birth()
        program.wait_for_error('bad is online')
        robot.publish(robot.topics.health, b'{')
        program.wait_for_error('(said once)')
        program.send(signal.SIGTERM)
        assert program.wait() == 0
    (line,) = [line for line in program.err if 'said once' in line]
    assert line.startswith(f'ros-cloud-bridge: {robot.topics.health}: not JSON')


def test_end_of_the_time_and_interrupt(broker: Broker) -> None:
    with tail(broker, '--seconds', '3') as program:
        assert program.wait() == 0
    with tail(broker, '--robot', 'nobody') as program:
        count = len(re.findall('Sending SUBACK to rcb-', broker.log()))
        subscribed(broker, count + 1)
        program.send(signal.SIGINT)
        assert program.wait() == 0
    assert (program.out, program.err) == ([], [])


@pytest.mark.parametrize(
    'arguments', [['--host', '127.0.0.1'], ['--host', 'no-such-host.invalid']]
)
def test_broker_that_is_never_reached_is_a_failure(arguments: list[str]) -> None:
    with Program(['tail', '--port', str(free_port()), '--seconds', '1', *arguments]) as program:
        assert program.wait() == 1
    assert 'was never connected to ' in program.err[-1]


def test_tls_to_a_plain_port_is_a_failure(broker: Broker) -> None:
    with tail(broker, '--tls', '--seconds', '3') as program:
        assert program.wait() == 1
    assert 'was never connected to ' in program.err[-1]


def test_reader_that_has_gone_ends_it_quietly(broker: Broker) -> None:
    with WireRobot(broker, 'pipe') as robot:
        with tail(broker, '--robot', 'pipe', read=False) as program:
            robot.birth()
            program.wait_for_error('pipe is online')
            route = robot.route('/level')
            robot.schemas()
            robot.send(route, [level_cdr(1.0)] * 3)
            assert program.wait() == 0
    assert 'Error' not in ''.join(program.err)
    assert 'Exception' not in ''.join(program.err)


def test_broker_that_comes_later_is_waited_for() -> None:
    with Broker() as broker:
        broker.stop()
        with tail(broker, '--count', '1') as program:
            program.wait_for_error('broker not reachable: 127.0.0.1:')
            broker.restart()
            program.wait_for_error(f'connected to 127.0.0.1:{broker.port}')
            with WireRobot(broker) as robot:
                subscribed(broker)
                route = robot.route('/level')
                robot.send(route, [level_cdr(1.0)])
                assert program.wait() == 0
    assert ''.join(program.err).count('not reachable') == 1


def test_short_lines_at_a_rate(broker: Broker) -> None:
    with WireRobot(broker, 'short') as robot:
        robot.announce()
        with tail(broker, '--robot', 'short', '--short', '--max-hz', '0.5', '-n', '2') as program:
            program.wait_for_error('short is online (birth)')
            robot.schemas()
            route = robot.route('/tank/level')
            robot.schemas()
            for _ in range(400):
                robot.send(route, [level_cdr(1.5)])
                time.sleep(0.05)
                if len(program.out) == 2:
                    break
            assert program.wait() == 0
    first, second = (line.rstrip('\n') for line in program.out)
    assert re.fullmatch(
        r'short /tank/level #\d+ age \d\.\d{3} s mine/msg/Level  .*level=1\.5 .*from="tank"', first
    )
    assert (left_out := re.search(r'\((\d+) more not shown\)', second))
    # Two seconds of twenty a second.
    assert 10 <= int(left_out[1]) <= 41


def test_one_who_waits_in_vain_is_told_why(broker: Broker) -> None:
    with WireRobot(broker, 'vain') as robot:
        robot.announce()
        with tail(broker, '--robot', 'vain', '--since', '10min') as program:
            program.wait_for_error('nothing for 5 s: vain online, no topic yet')
            route = robot.route('/tank/level')
            robot.schemas()
            robot.send(route, [level_cdr(1.5)])
            wait_until(lambda: len(program.out) >= 5)
            program.send(signal.SIGINT)
            assert program.wait() == 0
    assert sum('nothing for' in line for line in program.err) == 1


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (['--robot', 'a/b'], "robot: 'a/b' is neither a robot id nor a glob"),
        (['--topic', '/a b'], "topic: '/a b' is no valid topic name: ' ' is not allowed"),
        (['--root', '/x'], "root: '/x' is no topic prefix"),
        (['--ca-file', '/does/not/exist'], 'mqtt.tls.ca_file'),
        (['--password-file', '/does/not/exist', '--username', 'u'], 'mqtt.password_file'),
    ],
)
def test_impossible_arguments_are_named(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['tail', *arguments]) == 2
    assert text in capsys.readouterr().err


@pytest.mark.parametrize(
    'arguments',
    [
        ['--count', '0'],
        ['--count', 'ten'],
        ['--seconds', '-1'],
        ['--max-hz', '0'],
        ['--since', 'yesterday'],
        ['--short', '--json'],
        ['--seconds', 'nan'],
        ['--seconds', 'abc'],
        ['--port', '70000'],
    ],
)
def test_impossible_numbers_are_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(['tail', *arguments])
    assert caught.value.code == 2
    assert 'value: ' not in capsys.readouterr().err


def test_login_and_protocol_are_taken_from_the_arguments(tmp_path: Path) -> None:
    password = tmp_path / 'secret'
    password.write_text('sesame\n')
    password.chmod(0o600)
    users = tmp_path / 'users'
    tool = shutil.which('mosquitto_passwd')
    if tool is None:
        pytest.skip('mosquitto_passwd is not installed')
    subprocess.run([tool, '-b', '-c', str(users), 'reader', 'sesame'], check=True)
    with Broker(['allow_anonymous false', f'password_file {users}']) as broker:
        arguments = (
            '--username',
            'reader',
            '--password-file',
            str(password),
            '--protocol',
            '3.1.1',
        )
        with tail(broker, *arguments) as program:
            subscribed(broker)
            program.send(signal.SIGTERM)
            assert program.wait() == 0
        assert "p2, c1, k60, u'reader'" in broker.log()
        with tail(broker) as program:
            program.wait_for_error('refuses: ')
            program.send(signal.SIGINT)
            assert program.wait() == 1
    assert program.err[-1].endswith(f'was never connected to 127.0.0.1:{broker.port}\n')
