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

"""With ``confirm_trust: signatures`` only the consumer's own key has durable data deleted."""

from pathlib import Path
import secrets
import signal

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
pytest.importorskip('mcap', reason='mcap is missing: install the extra cloud')
pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')

from std_msgs.msg import Int32  # noqa: E402

from ros_cloud_bridge.signing.keys import PrivateKey, PublicKey  # noqa: E402
from ros_cloud_bridge.signing.messages import sign  # noqa: E402
from ros_cloud_bridge.wire.confirm import (  # noqa: E402
    Confirmation,
    encode_confirmation,
    Held,
    INSTANCE_BYTES,
)
from ros_cloud_bridge.wire.cose import Context  # noqa: E402
from ros_cloud_bridge.wire.topics import RobotTopics  # noqa: E402
from support.bridge_process import BridgeProcess  # noqa: E402
from support.broker import Broker  # noqa: E402
from support.collector import Collector  # noqa: E402
from support.graph import Graph, qos  # noqa: E402
from support.program import Program  # noqa: E402
from support.robots import parameters  # noqa: E402
from support.waiting import wait_until  # noqa: E402


def test_forged_confirmations_delete_nothing(
    graph: Graph, robot_id: str, broker: Broker, tmp_path: Path
) -> None:
    topic = f'/{robot_id.replace("-", "_")}/events'
    keys = tmp_path / 'operators'
    keys.mkdir()
    archive, mallory = PrivateKey.generate(), PrivateKey.generate()
    archive.save(tmp_path / 'archive.key')
    for name, key in (('archive', archive), ('mallory', mallory)):
        PublicKey(key.public_bytes).save(keys / f'{name}.pub')
    made = parameters(
        broker,
        robot_id,
        {
            'events': {
                'topics': [topic],
                'keep': 'durable',
                'confirm': 'consumer',
                'confirm_by': 'archive',
            }
        },
        state_dir=str(tmp_path / 'state'),
        operator_keys=str(keys),
        confirm_trust='signatures',
        health_period_s=0.5,
    )
    with BridgeProcess(made) as bridge, Collector(broker, robot_id) as collector:
        publisher = graph.publisher(Int32, topic, qos(depth=1000))
        for number in range(50):
            publisher.publish(Int32(data=number))
        entry = collector.health_of(topic, lambda entry: entry['committed'] == 50)
        boot = bytes.fromhex(collector.documents('state')[-1]['boot_id'])
        everything = encode_confirmation(
            Confirmation(
                instance=secrets.token_bytes(INSTANCE_BYTES),
                held=(Held(boot=boot, route=entry['route'], ranges=((1, 50),)),),
            )
        )
        where = RobotTopics('rcb/v1', robot_id).confirm('archive')
        elsewhere = RobotTopics('rcb/v1', 'other').confirm('archive')
        forged = (
            everything,
            sign(mallory, Context.CONFIRMATION, robot_id, where, everything),
            sign(archive, Context.CONFIRMATION, 'other', elsewhere, everything),
            sign(archive, Context.COMMAND, robot_id, where, everything),
        )
        for payload in forged:
            collector.publish('confirm/archive', payload)

        def refused() -> bool:
            link = collector.documents('health')[-1]['link']
            return bool(link['bad_messages'] == len(forged))

        wait_until(refused, 20.0, 'the forged ones in health')
        told = len(collector.documents('health'))
        wait_until(lambda: len(collector.documents('health')) > told, 20.0, 'another health')
        entry = collector.health_of(topic, lambda entry: True)
        assert (entry['delivered'], entry['spooled']) == (0, 50)
        named = ['--host', broker.host, '--port', str(broker.port), '--robot', robot_id]
        named += ['--confirm', '--name', 'archive', '--key', str(tmp_path / 'archive.key')]
        with Program(['record', '-o', str(tmp_path / 'a.mcap'), *named]) as program:
            entry = collector.health_of(topic, lambda entry: entry['delivered'] == 50)
            assert entry['spooled'] == 0
            program.send(signal.SIGINT)
            assert program.wait() == 0
        wait_until(lambda: 'samples confirmed' in ''.join(program.err), what='the summary')
        # Said once, whatever comes.
        assert bridge.log().count('confirm/archive: ') == 1
        assert bridge.stop() == 0
