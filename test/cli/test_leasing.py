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

"""``--lease`` of ``tail`` and ``record``, as processes against a real broker."""

from collections.abc import Iterator
from pathlib import Path
import signal
from typing import Any

import pytest

from ros_cloud_bridge.cli.main import main
from ros_cloud_bridge.values import Lease
from ros_cloud_bridge.wire.announce import encode_json
from support.broker import Broker
from support.program import Program
from support.waiting import wait_until

wire_robot = pytest.importorskip('support.wire_robot', reason='rosbags is missing')
WireRobot = wire_robot.WireRobot


@pytest.fixture(scope='module')
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (['--lease', 'camera'], 'name: is needed for --lease'),
        (['--lease', ':5', '--name', 'ops'], "lease: ':5' is not STREAM or STREAM:HZ"),
        (['--lease', 'camera:', '--name', 'ops'], "lease: 'camera:' is not"),
        (['--lease', 'camera:0', '--name', 'ops'], "lease: 'camera:0' is not"),
        (['--lease', 'camera:-1', '--name', 'ops'], "lease: 'camera:-1' is not"),
        (['--lease', 'camera:nan', '--name', 'ops'], "lease: 'camera:nan' is not"),
        (['--lease', 'camera:inf', '--name', 'ops'], "lease: 'camera:inf' is not"),
        (['--lease', 'c' * 65, '--name', 'ops'], 'lease: '),
        (['--name', 'a/b'], "name: 'a/b' must be"),
    ],
)
def test_impossible_leases_are_named(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['tail', *arguments]) == 2
    assert text in capsys.readouterr().err


@pytest.mark.parametrize('robots', ['bot', 'b*t'])
def test_a_lease_lasts_as_long_as_the_command(broker: Broker, robots: str, tmp_path: Path) -> None:
    where = ['--host', broker.host, '--port', str(broker.port), '--robot', robots]
    lease = ['--name', 'ops', '--lease', 'camera:5', '--lease', 'lidar']
    record = ['record', '-o', str(tmp_path / 'f.mcap'), *where, *lease]
    with WireRobot(broker, 'bot') as robot, Program(record) as program:
        robot.announce()
        wait_until(lambda: len(leases_of(robot)) >= 2, what='two leases')
        assert leases_of(robot)[:2] == [
            Lease(stream='camera', hz=5.0, seconds=60.0),
            Lease(stream='lidar', hz=0.0, seconds=60.0),
        ]
        held = {'stream': 'camera', 'consumer': 'ops', 'hz': 5.0, 'ends_in_s': 60.0}
        demand = {'leases': [held], 'refused': {'ops/lidar': 'unknown stream'}}
        document = {'boot_id': robot.boot.hex(), 'demand': demand}
        robot.publish(robot.topics.health, encode_json(document))
        program.wait_for_error('ros-cloud-bridge: bot camera: leased at 5 Hz\n')
        program.wait_for_error('ros-cloud-bridge: bot lidar: lease refused: unknown stream')
        program.send(signal.SIGTERM)
        assert program.wait() == 0
        wait_until(lambda: Lease(stream='camera') in leases_of(robot), what='what was held, back')


def leases_of(robot: Any) -> list[Lease]:
    """
    Sum up what was asked for.

    :param robot: of whom
    :returns: in the order of arrival
    """
    return [lease for ask in robot.asks for lease in ask.leases]
