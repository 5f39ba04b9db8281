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

"""``ros-cloud-bridge foxglove`` as a process, against a real broker."""

from collections.abc import Iterator
from pathlib import Path
import re
import signal

import pytest

pytest.importorskip('foxglove', reason='foxglove-sdk is missing: install the extra foxglove')
pytest.importorskip('websockets', reason='websockets is missing, with which the client is made')

from websockets.exceptions import InvalidStatus  # noqa: E402
from websockets.sync.client import connect  # noqa: E402
from websockets.typing import Origin  # noqa: E402

from ros_cloud_bridge.cli.main import main  # noqa: E402
from support.broker import Broker  # noqa: E402
from support.foxglove_client import FoxgloveClient  # noqa: E402
from support.program import Program  # noqa: E402
from support.waiting import wait_until  # noqa: E402
from support.wire_robot import level_cdr, WireRobot  # noqa: E402


@pytest.fixture(scope='module')
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


def test_it_says_where_it_is_and_goes_on_over_a_broker_that_dies(broker: Broker) -> None:
    with (
        WireRobot(broker, 'fox') as robot,
        Program(
            ['foxglove', '--host', broker.host, '--port', str(broker.port), '--listen', '0']
            + ['--robot', 'fox', '--topic', '/tank/*']
        ) as program,
    ):
        route, other = robot.route('/tank/level'), robot.route('/engine')
        robot.announce()
        program.wait_for_error('fox is online (birth)')
        found = re.search(r'ws://127\.0\.0\.1:(\d+)', ''.join(program.err))
        assert found is not None
        with FoxgloveClient(int(found[1])) as client:
            robot.birth()
            client.subscribe('/tank/level')
            received = client.received['/tank/level']
            wait_until(lambda: robot.send(route, [level_cdr(1.0)]) and received != [])
            assert received[-1][1] == level_cdr(1.0)
            with pytest.raises(InvalidStatus, match='403'):
                connect(f'ws://127.0.0.1:{found[1]}', origin=Origin('https://evil.example'))
            program.wait_for_error("refused a page of 'https://evil.example'")
            robot.send(other, [level_cdr(2.0)])
            broker.restart()
            # What is sent while the broker is away may be lost.
            three = level_cdr(3.0)
            wait_until(lambda: robot.send(route, [three]) and received[-1][1] == three)
            assert '/engine' not in client.channels
        program.send(signal.SIGTERM)
        assert program.wait() == 0


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--listen', '0.0.0.0:0', '--operator', 'alice'], '--anyone-may-command'),
        (['--listen', 'here'], 'must be as in 127.0.0.1:8765'),
        (['--key', 'alice.key'], 'needs --operator'),
        (['--operator', 'alice', '--key', 'nowhere.key'], 'nowhere.key is not there'),
        (['--listen-cert', 'x.pem'], '--listen-key go together'),
        (['--listen-cert', 'x.pem', '--listen-key', 'x.key'], '--listen-cert: or --listen-key'),
        (['--allow-origin', 'viewer.example.com'], 'is as in https://viewer.example.com'),
    ],
)
def test_what_cannot_be_is_said(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    try:
        assert main(['foxglove', *arguments]) == 2
    except SystemExit as end:
        assert end.code == 2
    assert said in capsys.readouterr().err
