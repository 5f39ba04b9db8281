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

"""All consumers on a bus on which everything goes wrong; an honest robot gets through."""

from collections.abc import Iterator
from contextlib import closing, ExitStack
from functools import partial
import json
from pathlib import Path
from random import Random
import re
import signal

import pytest
from vectors.generate import load

from ros_cloud_bridge.mqtt.events import Connected, Outgoing
from ros_cloud_bridge.values import MqttConfig
from support.broker import Broker
from support.program import Program
from support.screens import watching
from support.sessions import running
from support.waiting import wait_until

mcap_reader = pytest.importorskip('mcap.reader', reason='mcap: install the extra cloud')
wire_robot = pytest.importorskip('support.wire_robot', reason='rosbags is missing')
WireRobot, level_cdr = wire_robot.WireRobot, wire_robot.level_cdr

MESSAGES = [
    (message['topic'], bytes.fromhex(message['payload']))
    for name in ('valid.json', 'invalid.json')
    for case in load(name)
    for message in case['messages']
]
NAMES = ('..', '.', 'amr-07', 'x' * 255, '\u202eevil', 'a b', '-o', '%s', "'", '__proto__')
KINDS = ('state', 'info', 'health', 'schema/0', 'dict/0', 'b/high', 'b/backlog', 'latched/map/0')
PAYLOADS = (
    b'',
    b'\xff' * 64,
    b'[' * 20_000,
    b'{"version": 99, "boot_id": "00", "state": "online"}',
    b'{"boot_id": "00112233445566aa", "uptime_s": 1e999, "time_ns": 1e300, "routes": [[]]}',
    b'{"boot_id": "00112233445566aa", "state": "online", "reason": "\\u001b[2J", "connection": 1}',
    b'\x88\x02\x00\x48' + bytes(8),
    b'\x9f' * 3000,
)


def hostile() -> Iterator[tuple[str, bytes]]:
    """Give what a mad, a malicious and a later robot might say, and mutations of honest words."""
    random = Random(7)
    for name in NAMES:
        for kind in KINDS:
            for payload in PAYLOADS:
                yield f'rcb/v1/{name}/{kind}', payload
    for _ in range(1500):
        topic, payload = random.choice(MESSAGES)
        data = bytearray(payload)
        for _ in range(random.randint(0, 3)):
            place = random.randrange(len(data) + 1)
            data[place : place + random.randint(0, 4)] = random.randbytes(random.randint(0, 4))
        yield topic, bytes(data)
    for number in range(500):
        yield f'rcb/v1/many-{number}/state', PAYLOADS[5]


def _honest(lines: list[str], count: int) -> bool:
    return sum('honest' in line for line in lines) >= count


@pytest.mark.slow
def test_everything_goes_on_and_an_honest_robot_gets_through(tmp_path: Path) -> None:
    with ExitStack() as stack:
        broker = stack.enter_context(Broker(['max_queued_messages 0']))
        screen = stack.enter_context(watching(broker, 'rcb/v1/honest/d/#'))
        where = ['--host', broker.host, '--port', str(broker.port)]
        folder = tmp_path / 'folder'
        programs = {
            name: stack.enter_context(Program([*arguments, *where]))
            for name, arguments in {
                'tail': ['tail', '--json'],
                'short': ['tail', '--short'],
                'record': ['record', '-o', str(tmp_path / 'fleet.mcap')],
                'folder': ['record', '-o', f'{folder}/', '--split', '1s'],
                'dashboard': ['dashboard'],
            }.items()
        }
        top = stack.enter_context(Program(['top', '--interval', '0.5', *where]))
        wait_until(lambda: broker.log().count('Sending SUBACK to rcb-') >= 6, what='six consumers')
        config = MqttConfig(host=broker.host, port=broker.port)
        with running(config, client_id='mad') as (session, log):
            log.wait_for(Connected)
            for number, (topic, payload) in enumerate(hostile()):
                session.publish(Outgoing(topic=topic, payload=payload))
                if number % 16 == 15:
                    wait_until(lambda: session.in_flight == 0, what='PUBACK')
            wait_until(lambda: session.in_flight == 0, what='PUBACK')
        robot = stack.enter_context(WireRobot(broker, 'honest'))
        route = robot.route('/level')
        robot.announce()
        for program in programs.values():
            program.wait_for_error('honest is online')
        robot.send(route, [level_cdr(n / 4) for n in range(40)])
        screen.wait('/level')
        for name in ('tail', 'short'):
            out = programs[name].out
            wait_until(partial(_honest, out, 40), what=name)
        wait_until(lambda: any('honest' in line for line in top.out), what='top')
        for program in (*programs.values(), top):
            program.send(signal.SIGINT)
        # Nothing was thrown into anybody's face, and all ended as they were told.
        for name, program in (*programs.items(), ('top', top)):
            assert program.wait() == 0, (name, program.err[-5:])
            said = ''.join([*program.out, *program.err])
            assert 'Traceback' not in said and 'Error(' not in said, name
            assert not re.search('[\x00-\x08\x0b-\x1f\x7f\u202e]', said), name
    lines = [json.loads(line) for line in programs['tail'].out]
    levels = [line['fields']['level'] for line in lines if line['robot'] == 'honest']
    assert levels == [n / 4 for n in range(40)]
    paths = [tmp_path / 'fleet.mcap', *folder.rglob('*.mcap')]
    # Whatever a robot calls itself, its files are here.
    assert {path.parent.parent for path in folder.rglob('*.mcap')} == {folder}
    assert sorted(path.name for path in tmp_path.iterdir()) == ['fleet.mcap', 'folder']
    recorded = dict.fromkeys(('fleet', 'folder'), 0)
    for path in paths:
        with closing(path.open('rb')) as stream:
            for _, channel, message in mcap_reader.make_reader(stream).iter_messages():
                if channel.metadata['robot_id'] == 'honest':
                    kind = 'fleet' if path.stem == 'fleet' else 'folder'
                    assert message.data == level_cdr(recorded[kind] / 4)
                    recorded[kind] += 1
    assert recorded == {'fleet': 40, 'folder': 40}
