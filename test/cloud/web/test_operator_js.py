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

"""The page's operator, under plain node, commands a robot's real gate over a real broker."""

from collections.abc import Iterator
import json
from pathlib import Path
import shutil
import subprocess
import threading
from typing import Any

import pytest

pytest.importorskip('paho.mqtt.client', reason='paho: install the extra cloud')
from ros_cloud_bridge.mqtt.events import Connected, Outgoing, Received, SessionEvent  # noqa: E402
from ros_cloud_bridge.mqtt.session import Session  # noqa: E402
from ros_cloud_bridge.signing.keys import fingerprint, PublicKey  # noqa: E402
from ros_cloud_bridge.values import MqttConfig  # noqa: E402
from support.broker import Broker  # noqa: E402
from support.operator_robot import OperatorRobot  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]
BUNDLE = ROOT / 'ros_cloud_bridge' / 'cloud' / 'web' / 'assets' / 'protocol.mjs'
RUNNER = Path(__file__).with_name('run_operator.mjs')
NODE = shutil.which('node')

pytestmark = pytest.mark.skipif(NODE is None, reason='no node here; scripts/test installs it')


@pytest.fixture
def node() -> Iterator['subprocess.Popen[str]']:
    """
    Start the operator.

    :returns: its process
    """
    assert NODE is not None
    process = subprocess.Popen(
        [NODE, str(RUNNER), str(BUNDLE), 'amr-07'],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    # Whatever happens, its output ends.
    timer = threading.Timer(60.0, process.kill)
    timer.start()
    yield process
    timer.cancel()
    process.kill()
    process.wait()


class Wire:
    """
    Carries MQTT between the broker and the operator's process.

    :param broker: running
    :param process: the operator's
    """

    def __init__(self, broker: Broker, process: 'subprocess.Popen[str]') -> None:
        assert process.stdin is not None and process.stdout is not None
        self._in, self._out = process.stdin, process.stdout
        self._connected = threading.Event()
        self.session = Session(
            MqttConfig(host=broker.host, port=broker.port),
            client_id='page',
            subscriptions=['rcb/v1/+/ack/alice'],
            on_event=self._hear,
        )
        self.session.start()
        assert self._connected.wait(15.0)

    def _hear(self, event: SessionEvent) -> None:
        if isinstance(event, Connected):
            self._connected.set()
        elif isinstance(event, Received):
            self.write([event.topic, event.payload.hex()])

    def write(self, line: object) -> None:
        """
        Write to the process.

        :param line: JSON-able
        """
        self._in.write(json.dumps(line) + '\n')
        self._in.flush()

    def carry(self) -> dict[str, Any]:
        """
        Publish what it says until it is done.

        :returns: its last line
        """
        for line in self._out:
            said = json.loads(line)
            if isinstance(said, dict):
                return said
            topic, payload = said
            self.session.publish(Outgoing(topic=topic, payload=bytes.fromhex(payload)))
        raise AssertionError('it ended too early')


def test_it_calls_publishes_and_drives(tmp_path: Path, node: 'subprocess.Popen[str]') -> None:
    operators = tmp_path / 'operators'
    operators.mkdir()
    with Broker() as broker:
        wire = Wire(broker, node)
        own = wire.carry()
        (operators / 'alice.pub').write_text(own['pem'])
        key = PublicKey.load(operators / 'alice.pub')
        assert fingerprint(key.raw) == own['fingerprint']
        with OperatorRobot(broker, operators) as robot:
            wire.write({'pinned': robot.key.public_bytes.hex()})
            found = wire.carry()
            wire.session.stop(2.0)
            executed = robot.executed
            stopped = list(robot.stopped)
    done = found['done']
    assert found['dropped'] == 0
    assert done['dock']['state'] == 'succeeded' and done['dock']['detail'] == {'data': True}
    # Nobody is told of a channel that is not for them.
    assert done['closed']['state'] is None
    assert done['limited']['state'] == 'rejected'
    assert done['limited']['reason'].startswith('field_limit')
    assert done['said']['ok'] and ('publish', {'data': 'hello'}) in executed
    assert done['undriven']['reason'].startswith('no_lease')
    assert done['granted'][1] == 0.5
    driven = [fields['linear']['x'] for kind, fields in executed if 'linear' in (fields or {})]
    assert driven == sorted(driven) and len(driven) == done['drive']['sent'] == 10
    assert driven[-1] == pytest.approx(1.0)
    assert done['released']['ok'] and stopped == ['drive']
    assert done['drive']['ended'] == 'released' and done['drive']['complaint'] == ''
