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

"""``pub``, ``call``, ``goal`` and ``param`` against the real gate, over a real broker."""

from collections.abc import Callable, Iterator
from dataclasses import replace
import json
import os
from pathlib import Path
import pty
import signal
import subprocess
import sys
from typing import Any

import pytest

from ros_cloud_bridge.cli.fields import parse_value, read_fields
from ros_cloud_bridge.cli.main import main
from ros_cloud_bridge.cloud.operator.finding import find_robots
from ros_cloud_bridge.command_values import State
from ros_cloud_bridge.core.commands.effects import Dispatch, Ended
from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.signing.keys import PrivateKey
from ros_cloud_bridge.values import MqttConfig
from support.broker import Broker
from support.operator_robot import OperatorRobot
from support.program import Program, PROJECT
from support.waiting import wait_until

Run = Callable[..., tuple[int, list[str], str]]
TWIST = '{linear: {x: 0.5}}'


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    key = PrivateKey.generate()
    key.save(tmp_path / 'alice.key')
    key.public.save(tmp_path / 'operators' / 'alice.pub')
    return tmp_path


def trust(robot: OperatorRobot, keys: Path) -> OperatorRobot:
    robot.key.public.save(keys / 'robots' / f'{robot.robot_id}.pub')
    return robot


@pytest.fixture
def robot(broker: Broker, keys: Path) -> Iterator[OperatorRobot]:
    with OperatorRobot(broker, keys / 'operators') as robot:
        trust(robot, keys).announce()
        yield robot


def options(broker: Broker, keys: Path, robots: str = 'amr-07') -> list[str]:
    where = ['--host', broker.host, '--port', str(broker.port), '--robot', robots]
    own = ['--name', 'alice', '--key', str(keys / 'alice.key'), '--robots', str(keys / 'robots')]
    return [*where, *own]


@pytest.fixture
def run(broker: Broker, keys: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*words: str, robots: str = 'amr-07') -> tuple[int, list[str], str]:
        status = main([*words, *options(broker, keys, robots)])
        captured = capsys.readouterr()
        return status, captured.out.splitlines(), captured.err

    return run


def test_a_call_prints_the_response(run: Run, robot: OperatorRobot) -> None:
    status, lines, _ = run('call', 'dock', '{"data": true}')
    assert status == 0
    assert len(lines) == 1
    assert lines[0].startswith('amr-07: succeeded (0.')
    assert lines[0].endswith(' s) {"data": true}')
    assert robot.executed == [('call', {'data': True})]


def test_scripts_get_json(run: Run, robot: OperatorRobot) -> None:
    status, lines, _ = run('call', 'dock', 'data: true', '--json')
    document = json.loads(lines[0])
    assert status == 0 and len(lines) == 1
    assert 0.0 < document.pop('round_trip_s') < 10.0
    assert len(bytes.fromhex(document.pop('id'))) == 16
    assert document == {
        'robot': 'amr-07',
        'channel': 'dock',
        'type': 'call',
        'state': 'succeeded',
        'reason': '',
        'detail': {'data': True},
    }


@pytest.mark.parametrize(
    ('state', 'status', 'word'),
    [
        (State.SUCCEEDED, 0, 'succeeded'),
        (State.FAILED, 1, 'failed: tired'),
        (State.CANCELLED, 1, 'cancelled: tired'),
        (State.REJECTED, 1, 'rejected: tired'),
    ],
)
def test_the_exit_status_says_what_became_of_it(
    run: Run, robot: OperatorRobot, state: State, status: int, word: str
) -> None:
    def act(dispatch: Dispatch) -> Ended:
        reason = '' if state is State.SUCCEEDED else 'tired'
        return Ended(ticket=dispatch.ticket, state=state, reason=reason)

    robot.act = act
    found, lines, _ = run('call', 'dock')
    assert (found, len(lines)) == (status, 1)
    assert lines[0].startswith(f'amr-07: {word}')


def test_a_restart_has_its_own_exit_status(run: Run, robot: OperatorRobot) -> None:
    def act(dispatch: Dispatch) -> None:
        # As after a kill in the midst of it.
        robot.act = lambda later: Ended(ticket=later.ticket, state=State.SUCCEEDED)
        robot.restart()

    robot.act = act
    status, lines, _ = run('call', 'dock')
    assert (status, lines[0].partition(' (')[0]) == (4, 'amr-07: unknown after restart')


def test_no_answer_has_its_own_exit_status(run: Run, robot: OperatorRobot) -> None:
    status, lines, _ = run('call', 'closed', '--ttl', '0.3')
    assert status == 3
    assert lines[0].startswith('amr-07: no answer: the robot is there, but does not answer')
    status, lines, _ = run('call', 'closed', '--timeout', '0.3')
    assert (status, lines) == (3, ['amr-07: no answer: nothing so far; nobody waits for its end'])
    robot.act = lambda dispatch: None
    status, lines, _ = run('call', 'dock', '--timeout', '0.5')
    assert (status, lines) == (3, ['amr-07: no answer: under way still; nobody waits for its end'])


def test_an_unreachable_broker_is_one_line(
    keys: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('ros_cloud_bridge.cli.operating._CONNECT_S', 0.5)
    arguments = ['call', 'dock', '--host', '127.0.0.1', '--port', '1', '--robot', 'amr-07']
    own = ['--name', 'alice', '--key', str(keys / 'alice.key'), '--robots', str(keys)]
    assert main([*arguments, *own]) == 3
    assert capsys.readouterr().err.startswith('ros-cloud-bridge: broker not reachable: ')


@pytest.mark.parametrize(
    ('words', 'text'),
    [
        (['call', 'dock', '[1]'], "FIELDS: are no map; write them as in '{linear: {x: 0.5}}'"),
        (['call', 'dock', '{a'], 'FIELDS: are neither JSON nor YAML: '),
        (['call', 'dock', '@/nowhere'], 'FIELDS: /nowhere: No such file or directory'),
        (['param', 'set', 'rover', 'speed'], "NAME=VALUE: 'speed' must be as in max_speed=1.5"),
        (['pub', 'say', '{}', '--rate', '5'], '--rate: needs --duration'),
        (['pub', 'say', '{}', '--rate', '500', '--duration', '1'], '--rate: 500 must be from'),
        (['call', 'dock', '--unsigned'], '--key: is given with --unsigned; give only one'),
        (['call', 'dock', '--protocol', '3.1.1'], 'mqtt.protocol: commands need MQTT 5'),
    ],
)
def test_wrong_usage_is_one_line(run: Run, words: list[str], text: str) -> None:
    status, lines, errors = run(*words)
    assert (status, lines) == (2, [])
    assert errors.startswith(f'ros-cloud-bridge: {text}')
    assert errors.count('\n') == 1


def test_a_key_that_is_missing_is_one_line(
    keys: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('XDG_CONFIG_HOME', str(keys))
    assert main(['call', 'dock', '--robot', 'amr-07', '--name', 'bob']) == 2
    path = keys / 'ros_cloud_bridge' / 'keys' / 'bob.key'
    assert capsys.readouterr().err == (
        f'ros-cloud-bridge: --key: {path} is not there; make it with '
        "'ros-cloud-bridge keys new bob'\n"
    )
    assert main(['call', 'dock', '--robot', 'amr-07', '--name', 'al/ice']) == 2
    assert capsys.readouterr().err.startswith("ros-cloud-bridge: name: 'al/ice' must be 1 to 64")


def test_keys_are_found_where_they_belong(
    broker: Broker,
    robot: OperatorRobot,
    keys: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv('XDG_CONFIG_HOME', str(keys))
    home = keys / 'ros_cloud_bridge' / 'keys'
    home.mkdir(parents=True)
    (keys / 'alice.key').rename(home / 'alice.key')
    (keys / 'robots').rename(home / 'robots')
    where = ['--host', broker.host, '--port', str(broker.port)]
    assert main(['call', 'dock', '--robot', 'amr-07', '--name', 'alice', *where]) == 0


def test_fields_may_be_json_yaml_a_file_or_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / 'fields.yaml'
    file.write_text('linear:\n  x: 0.5\n')
    assert read_fields(f'@{file}') == {'linear': {'x': 0.5}}
    assert read_fields('{linear: {x: 0.5}}') == {'linear': {'x': 0.5}}
    assert read_fields('{"linear": {"x": 1e3}}') == {'linear': {'x': 1000.0}}
    assert read_fields('') == {}
    assert read_fields('{day: 2026-01-02}') == {'day': '2026-01-02'}
    assert read_fields('{"x": NaN}')['x'] != read_fields('{"x": NaN}')['x']
    monkeypatch.setattr(sys, 'stdin', file.open())
    assert read_fields('-') == {'linear': {'x': 0.5}}
    for text in ('{1: 2}', '3', '!!python/name:os.system {}'):
        with pytest.raises(ConfigError, match='FIELDS'):
            read_fields(text)
    assert parse_value('[1, two]', 'x') == [1, 'two']


def test_parameters_are_read_and_set(run: Run, robot: OperatorRobot) -> None:
    words = ['speed=1.5', 'name=a b', 'gains=[1.0, 2.0]']
    assert run('param', 'set', 'rover', *words)[0] == 0
    assert run('param', 'get', 'rover', 'speed', 'name')[1][0].endswith(
        '{"names": ["speed", "name"]}'
    )
    assert run('param', 'list', 'rover')[0] == 0
    assert run('param', 'describe', 'rover', 'speed')[0] == 0
    assert robot.executed == [
        ('set', {'values': {'speed': 1.5, 'name': 'a b', 'gains': [1.0, 2.0]}}),
        ('get', {'names': ['speed', 'name']}),
        ('list', None),
        ('describe', {'names': ['speed']}),
    ]


def test_a_message_is_published_once(run: Run, robot: OperatorRobot) -> None:
    status, lines, _ = run('pub', 'say', 'data: hello')
    assert status == 0 and lines[0].startswith('amr-07: succeeded')
    assert robot.executed == [('publish', {'data': 'hello'})]
    status, lines, _ = run('pub', 'say', 'data: much too long')
    assert status == 1 and lines[0].startswith('amr-07: rejected: field_limit: data: length 13')


def test_a_message_is_published_at_a_rate(run: Run, robot: OperatorRobot) -> None:
    rate = ['--rate', '20', '--duration', '0.5']
    status, lines, _ = run('pub', 'say', 'data: hello', *rate, '--json')
    document = json.loads(lines[0])
    assert status == 0 and len(lines) == 1
    sent = document['detail']['sent']
    assert document['detail'] == {'sent': sent, 'carried_out': sent} and sent >= 2
    assert robot.executed == [('publish', {'data': 'hello'})] * sent
    status, lines, _ = run('pub', 'say', 'data: much too long', *rate)
    assert status == 1 and lines[0].startswith('amr-07: rejected: field_limit')


def test_a_channel_with_a_lease_is_driven(run: Run, robot: OperatorRobot) -> None:
    rate = ['--rate', '20', '--duration', '0.5']
    status, lines, _ = run('pub', 'drive', TWIST, *rate, '--json')
    document = json.loads(lines[0])
    assert (status, document['state'], document['reason']) == (0, 'succeeded', '')
    assert document['detail']['scale'] == 1.0
    assert document['detail']['sent'] >= 2 and document['detail']['carried_out'] >= 1
    types = {fields and kind for kind, fields in robot.executed}
    assert types == {'publish'}
    assert robot.stopped == ['drive']


def test_one_message_on_a_channel_with_a_lease_is_one(run: Run, robot: OperatorRobot) -> None:
    status, lines, _ = run('pub', 'drive', TWIST)
    assert status == 0 and lines[0].startswith('amr-07: succeeded')
    assert robot.executed == [('publish', {'linear': {'x': 0.5}})]
    assert robot.stopped == ['drive']


@pytest.mark.parametrize('how', ['deaf', 'mute'])
def test_a_robot_that_falls_silent_did_not_succeed(
    broker: Broker, keys: Path, robot: OperatorRobot, how: str
) -> None:
    words = ['pub', 'drive', TWIST, '--rate', '20', '--duration', '60', '--json']
    with Program([*words, *options(broker, keys)]) as program:
        wait_until(lambda: len(robot.dispatched) > 15, what='the robot drives')
        setattr(robot, how, True)
        assert program.wait() == 3
    document = json.loads(program.out[0])
    assert document['state'] == 'no_answer'
    assert document['reason'].startswith('no answer for ')
    assert 0 < document['detail']['carried_out'] < document['detail']['sent']


def test_the_last_messages_count_as_well(
    broker: Broker, keys: Path, robot: OperatorRobot, run: Run
) -> None:
    def act(dispatch: Dispatch) -> Ended:
        # The last that is heard of it, for the message comes as the second of about four.
        robot.mute = len(robot.dispatched) > 1
        return Ended(ticket=dispatch.ticket, state=State.SUCCEEDED)

    robot.act = act
    status, lines, _ = run('pub', 'drive', TWIST, '--rate', '10', '--duration', '0.4')
    assert status == 3
    assert lines[0].startswith('amr-07: no answer: not to the release of the lease')
    assert '"carried_out": 1' in lines[0]


def test_refusals_amid_successes_are_counted_and_fail(
    broker: Broker, keys: Path, robot: OperatorRobot, run: Run
) -> None:
    robot.channels = tuple(
        replace(one, max_hz=10.0) if one.name == 'drive' else one for one in robot.channels
    )
    robot.restart()
    words = ['pub', 'drive', TWIST, '--rate', '40', '--duration', '2']
    status, lines, _ = run(*words, '--json')
    document = json.loads(lines[0])
    assert (status, document['state']) == (1, 'rejected')
    assert document['reason'].startswith('rate_limit')
    detail = document['detail']
    assert list(detail['refused']) == ['rate_limit']
    assert 2 <= detail['refused']['rate_limit'] <= detail['sent'] - detail['carried_out']
    assert detail['carried_out'] == len(robot.dispatched), 'to the last one'


def test_refusals_of_a_channel_without_a_lease_are_counted(run: Run, robot: OperatorRobot) -> None:
    words = ['pub', 'say', 'data: much too long', '--rate', '20', '--duration', '0.3', '--json']
    status, lines, _ = run(*words)
    detail = json.loads(lines[0])['detail']
    assert status == 1
    assert detail == {
        'sent': detail['sent'],
        'carried_out': 0,
        'refused': {'field_limit': detail['sent']},
    }


def test_a_channel_that_allows_little_time_can_be_driven(
    run: Run, keys: Path, robot: OperatorRobot
) -> None:
    robot.channels = tuple(replace(one, max_ttl_s=0.9) for one in robot.channels)
    robot.restart()
    robot.announce()
    status, lines, _ = run('pub', 'drive', TWIST)
    assert status == 0, lines
    # A named robot is not listened to before it is called; a fleet is.
    status, lines, _ = run('call', 'dock', 'data: true')
    assert status == 1 and lines[0].startswith('amr-07: rejected: deadline_too_far')
    assert run('call', 'dock', 'data: true', '--discover-s', '0.5', robots='amr-*')[0] == 0
    assert run('call', 'dock', 'data: true', '--ttl', '0.9')[0] == 0
    # What is given holds, for drives as well.
    status, lines, _ = run('pub', 'drive', TWIST, '--ttl', '5')
    assert status == 1 and lines[0].startswith('amr-07: rejected: deadline_too_far')


def test_a_lease_that_another_holds_is_said(
    broker: Broker, keys: Path, run: Run, robot: OperatorRobot
) -> None:
    drive = ['pub', 'drive', TWIST, '--duration', '30', *options(broker, keys)]
    with Program(drive) as driver:
        wait_until(lambda: robot.dispatched, what='the other one drives')
        status, lines, _ = run('pub', 'drive', TWIST)
        assert status == 1 and lines[0].startswith('amr-07: rejected: lease_held: by alice')
        driver.send(signal.SIGINT)
        assert driver.wait() == 0
    assert robot.stopped == ['drive']


def test_ctrl_c_cancels_a_goal_and_waits_for_its_end(
    broker: Broker, keys: Path, robot: OperatorRobot
) -> None:
    robot.act = lambda dispatch: None
    with Program(['goal', 'count', 'order: 3', *options(broker, keys)]) as program:
        wait_until(lambda: robot.dispatched, what='the goal')
        program.send(signal.SIGINT)
        program.wait_for_error('cancels; once more gives up waiting')
        assert program.wait() == 1
    assert program.out[0].startswith('amr-07: cancelled')
    assert robot.cancelled == [robot.dispatched[0].ticket]


def test_feedback_of_a_goal_is_shown(broker: Broker, keys: Path, robot: OperatorRobot) -> None:
    robot.act = lambda dispatch: None
    arguments = ['goal', 'count', 'order: 3', *options(broker, keys)]
    with Program([*arguments, '--json']) as program:
        wait_until(lambda: robot.dispatched, what='the goal')
        ticket = robot.dispatched[0].ticket
        robot.progress(ticket, {'feedback': {'sequence': [0, 1]}})
        wait_until(lambda: len(program.out) >= 2, what='feedback')
        robot.end(ticket, State.SUCCEEDED, {'result': {'sequence': [0, 1, 1]}})
        assert program.wait() == 0
    first, second, last = map(json.loads, program.out)
    assert first == {'robot': 'amr-07', 'state': 'accepted', 'detail': None}
    assert second['detail'] == {'feedback': {'sequence': [0, 1]}}
    assert last['state'] == 'succeeded' and last['detail'] == {'result': {'sequence': [0, 1, 1]}}


def test_feedback_is_live_on_a_terminal(broker: Broker, keys: Path, robot: OperatorRobot) -> None:
    robot.act = lambda dispatch: None
    mine, theirs = pty.openpty()
    arguments = ['goal', 'count', 'order: 3', *options(broker, keys)]
    process = subprocess.Popen(
        [sys.executable, '-m', 'ros_cloud_bridge', *arguments],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, 'PYTHONPATH': str(PROJECT)},
        text=True,
    )
    os.close(theirs)
    try:
        wait_until(lambda: robot.dispatched, what='the goal')
        ticket = robot.dispatched[0].ticket
        robot.progress(ticket, {'feedback': {'sequence': [0, 1]}})
        shown = ''
        while '[0, 1]' not in shown:
            shown += os.read(mine, 4096).decode()
        robot.end(ticket, State.SUCCEEDED)
        out, _ = process.communicate(timeout=20.0)
    finally:
        process.kill()
        process.wait()
        os.close(mine)
    assert '\r\x1b[2Kamr-07: running {"feedback": {"sequence": [0, 1]}}' in shown
    assert out.startswith('amr-07: succeeded') and out.count('\n') == 1


def test_a_fleet_is_commanded_at_once(
    broker: Broker, keys: Path, run: Run, robot: OperatorRobot
) -> None:
    fleet = ['amr-08', 'amr-09', 'cart-1']
    others = [OperatorRobot(broker, keys / 'operators', name) for name in fleet]
    with others[0], others[1], others[2]:
        trust(others[0], keys).announce()
        trust(others[1], keys).announce(online=False)
        trust(others[2], keys).announce()
        # What says that a robot is offline is not proven: it gets the command all the same.
        status, lines, errors = run('call', 'dock', 'data: true', robots='amr-*')
        assert (status, errors) == (0, '')
        assert [line.partition(' (')[0] for line in sorted(lines)] == [
            'amr-07: succeeded',
            'amr-08: succeeded',
            'amr-09: succeeded',
        ]
        assert others[2].executed == []
        # The worst one counts; who is not trusted does not.
        others[0].act = lambda dispatch: Ended(
            ticket=dispatch.ticket, state=State.FAILED, reason='tired'
        )
        (keys / 'robots' / 'cart-1.pub').unlink()
        status, lines, errors = run('call', 'dock', 'data: true', robots='*')
        assert status == 1
        assert [line.partition(' (')[0] for line in sorted(lines)] == [
            'amr-07: succeeded',
            'amr-08: failed: tired',
            'amr-09: succeeded',
        ]
        assert errors == (
            'ros-cloud-bridge: nothing goes to what matches and is not trusted: cart-1; see '
            "'ros-cloud-bridge keys trust'\n"
        )
        others[0].act = robot.act
        status, lines, _ = run('pub', 'drive', TWIST, robots='amr-*')
        assert status == 0 and len(lines) == 3


def test_robots_of_a_fleet_that_are_away_are_said(
    broker: Broker, keys: Path, run: Run, robot: OperatorRobot
) -> None:
    with trust(OperatorRobot(broker, keys / 'operators', 'amr-08'), keys) as gone:
        gone.announce(online=False)
    PrivateKey.generate().public.save(keys / 'robots' / 'amr-09.pub')
    words = ['--ttl', '0.5', '--discover-s', '0.5']
    status, lines, errors = run('call', 'dock', *words, robots='amr-*')
    nobody = 'no answer: nobody listens at the broker: the robot is offline, or takes no commands'
    assert (status, errors) == (3, '')
    lines.sort()
    assert lines[0].startswith('amr-07: succeeded')
    assert lines[1:] == [
        f'amr-08: {nobody} (it says that it is offline)',
        f'amr-09: {nobody}',
    ]


def test_robots_that_are_not_trusted_cannot_fail_a_fleet(
    broker: Broker, keys: Path, run: Run, robot: OperatorRobot
) -> None:
    boot = b'"version": 1, "boot_id": "0123456789abcdef"'
    for number in range(8):
        state = b'offline' if number == 0 else b'online'
        payload = b'{%s, "robot_id": "x%d", "state": "%s"}' % (boot, number, state)
        robot.publish(f'rcb/v1/x{number}/state', payload, retain=True)
    status, lines, errors = run('call', 'dock', '--discover-s', '0.5', robots='*')
    text = (
        'ros-cloud-bridge: nothing goes to what matches and is not trusted: x0 (says that it is '
        "offline), x1, x2, x3, x4, 3 more; see 'ros-cloud-bridge keys trust'\n"
    )
    assert (status, len(lines), errors) == (0, 1, text)
    # When nobody is left, nothing was sent.
    status, lines, errors = run('call', 'dock', '--discover-s', '0.5', robots='x*')
    assert (status, lines, errors) == (2, [], text)


def test_nobody_who_matches_is_said(run: Run, robot: OperatorRobot) -> None:
    status, lines, errors = run('call', 'dock', '--discover-s', '0.5', robots='x*')
    assert (status, lines) == (3, [])
    assert errors == "ros-cloud-bridge: no robot that matches 'x*' was heard within 0.5 s\n"


def test_a_robot_whose_info_nobody_keeps_is_asked(broker: Broker, keys: Path) -> None:
    config = MqttConfig(host=broker.host, port=broker.port)
    with OperatorRobot(broker, keys / 'operators') as robot:
        found = find_robots(config, 'amr-07', root='rcb/v1', seconds=10.0, informed=True)
    assert found['amr-07'].channels is not None
    assert found['amr-07'].channels['dock'] == 'service'
    assert found['amr-07'].leases == {'drive'}
    assert robot.arrivals == []


@pytest.mark.parametrize(
    'payload',
    [
        b'{}',
        b'[',
        b'{"channels": 3}',
        b'{"channels": [3, {"name": 4, "kind": "topic"}, {"name": "x"}]}',
        b'{"channels": [{"name": "x", "max_ttl_s": 1}]}',
    ],
)
def test_info_counts_as_hostile(broker: Broker, keys: Path, payload: bytes) -> None:
    config = MqttConfig(host=broker.host, port=broker.port)
    with OperatorRobot(broker, keys / 'operators') as robot:
        robot.publish(robot.topics.info, payload, retain=True)
        found: Any = find_robots(config, 'amr-*', root='rcb/v1', seconds=0.5)
    assert found.get('amr-07') is None or not found['amr-07'].channels


def test_times_that_no_channel_has_are_not_believed(broker: Broker, keys: Path) -> None:
    config = MqttConfig(host=broker.host, port=broker.port)
    said: dict[str, Any] = {'a': 2.5, 'b': 0.01, 'c': -1, 'd': True, 'e': '1', 'f': 1e400}
    listed = [{'name': name, 'kind': 'topic', 'max_ttl_s': said[name]} for name in said]
    document = {'version': 1, 'boot_id': '0123456789abcdef', 'channels': listed}
    with OperatorRobot(broker, keys / 'operators') as robot:
        robot.publish(robot.topics.info, json.dumps(document).encode(), retain=True)
        found = find_robots(config, 'amr-07', root='rcb/v1', seconds=10.0)
    assert found['amr-07'].ttls_s == {'a': 2.5}
