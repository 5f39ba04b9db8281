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

"""The real bridge and ``record --confirm``: the robot's copy goes when the file has it."""

from collections import Counter
from pathlib import Path
import signal

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')

from mcap.reader import make_reader  # noqa: E402
from rclpy.serialization import deserialize_message  # noqa: E402
from std_msgs.msg import Int32  # noqa: E402

from ros_cloud_bridge.store.reckoning import reckoning  # noqa: E402
from support.bridge_process import BridgeProcess  # noqa: E402
from support.broker import Broker  # noqa: E402
from support.collector import Collector  # noqa: E402
from support.graph import Graph, qos  # noqa: E402
from support.program import Program  # noqa: E402
from support.robots import parameters  # noqa: E402
from support.waiting import wait_until  # noqa: E402


def recorded(path: Path) -> list[int]:
    with path.open('rb') as stream:
        reader = make_reader(stream, validate_crcs=True)
        assert reader.get_summary() is not None
        return [
            deserialize_message(message.data, Int32).data
            for _, _, message in reader.iter_messages()
        ]


def test_recorder_killed_and_started_again_has_everything_once(
    graph: Graph, robot_id: str, broker: Broker, tmp_path: Path
) -> None:
    topic = f'/kept_{robot_id.replace("-", "_")}'
    stream = {'topics': [topic], 'keep': 'durable', 'confirm': 'consumer', 'confirm_by': 'archive'}
    made = parameters(
        broker, robot_id, {'all': stream}, state_dir=str(tmp_path / 'state'), health_period_s=1.0
    )
    files = [tmp_path / f'{number}.mcap' for number in range(3)]

    def record(path: Path) -> Program:
        where = ['--host', broker.host, '--port', str(broker.port), '--robot', robot_id]
        confirm = ['--confirm', '--name', 'archive', '--ledger', str(tmp_path / 'ledger')]
        return Program(['record', '-o', str(path), *where, *confirm])

    with BridgeProcess(made) as bridge, Collector(broker, robot_id) as collector:
        publisher = graph.publisher(Int32, topic, qos(depth=1000))

        def publish(first: int, last: int) -> None:
            for number in range(first, last):
                publisher.publish(Int32(data=number))
            assert publisher.wait_for_all_acked()

        with record(files[0]) as program:
            program.wait_for_error(f'{robot_id} is online')
            publish(0, 100)
            collector.health_of(topic, lambda entry: entry['delivered'] == 100)
            # Killed between receiving and confirming, or close to it.
            publish(100, 200)
            collector.wait_for_samples(topic, 200)
            program.send(signal.SIGKILL)
            program.wait()
        publish(200, 300)
        collector.health_of(topic, lambda entry: entry['committed'] == 300)
        with record(files[1]) as program:
            collector.health_of(topic, lambda entry: entry['delivered'] == 300)
            program.send(signal.SIGKILL)
            program.wait()
        with record(files[2]) as program:
            program.wait_for_error(f'{robot_id} is online')
            publish(300, 350)
            entry = collector.health_of(topic, lambda entry: entry['delivered'] == 350)
            assert entry['spooled'] == 0
            program.send(signal.SIGINT)
            assert program.wait() == 0
        assert bridge.stop() == 0
    found = reckoning(next((tmp_path / 'state').glob('spool-*.sqlite3'))).total
    assert (found.committed, found.delivered, found.spooled) == (350, 350, 0)
    every = [number for path in files for number in recorded(path)]
    assert Counter(every) == Counter(range(350))
    wait_until(lambda: 'samples confirmed' in ''.join(program.err), what='the summary')
