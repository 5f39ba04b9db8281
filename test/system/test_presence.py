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

"""Who is online: birth, will, goodbye, and two bridges of one robot."""

import json
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')

from std_msgs.msg import String  # noqa: E402

from support.bridge_process import BridgeProcess  # noqa: E402
from support.broker import Broker  # noqa: E402
from support.collector import Collector  # noqa: E402
from support.graph import content, Graph  # noqa: E402
from support.robots import parameters  # noqa: E402
from support.waiting import wait_until  # noqa: E402

STREAMS: dict[str, dict[str, object]] = {'all': {'topics': ['/presence'], 'keep': 'fifo'}}
FOREIGN = {
    'version': 1,
    'robot_id': '',
    'reason': 'connection_lost',
    'boot_id': '00000000deadbeef',
    'connection': 9,
}


def test_a_clean_end_is_told_from_a_crash(broker: Broker, robot_id: str) -> None:
    given = parameters(broker, robot_id, STREAMS)
    with Collector(broker, robot_id) as collector:
        with BridgeProcess(given) as bridge:
            collector.wait_for_state('online', 'birth')
            assert bridge.stop() == 0
            collector.wait_for_state('offline', 'shutdown')
        with BridgeProcess(given) as bridge:
            collector.wait_for_state('online', 'birth', 2)
            bridge.kill()
            collector.wait_for_state('offline', 'connection_lost')
        states = collector.documents('state')
        assert collector.states() == [
            ('online', 'birth'),
            ('offline', 'shutdown'),
            ('online', 'birth'),
            ('offline', 'connection_lost'),
        ]
        assert [state['connection'] for state in states] == [1, 1, 1, 1]
        boots = [state['boot_id'] for state in states]
        assert boots[0] == boots[1] != boots[2] == boots[3]
        assert all(state['robot_id'] == robot_id for state in states)
    # What a consumer that comes later finds.
    with Collector(broker, robot_id) as late:
        late.wait_for_state('offline', 'connection_lost')
        assert late.heard[0].retain


def test_a_late_will_is_overwritten(broker: Broker, robot_id: str) -> None:
    with (
        BridgeProcess(parameters(broker, robot_id, STREAMS)) as bridge,
        Collector(broker, robot_id) as collector,
    ):
        collector.wait_for_state('online', 'birth')
        will = {**FOREIGN, 'robot_id': robot_id, 'state': 'offline'}
        collector.publish('state', json.dumps(will).encode(), retain=True)
        collector.wait_for_state('online', 'birth', 2)
        states = collector.documents('state')
        assert [state['state'] for state in states] == ['online', 'offline', 'online']
        assert states[2] == states[0]
        with Collector(broker, robot_id) as late:
            late.wait_for_state('online', 'birth')
            assert late.states() == [('online', 'birth')]
        assert bridge.stop() == 0


def test_a_second_bridge_on_this_host_is_refused_at_once(broker: Broker, robot_id: str) -> None:
    given = parameters(broker, robot_id, STREAMS)
    with BridgeProcess(given) as first, Collector(broker, robot_id) as collector:
        collector.wait_for_state('online', 'birth')
        with BridgeProcess(given) as second:
            assert second.wait() == 2
            assert f"duplicate_robot_id: a bridge of robot '{robot_id}'" in second.log()
            assert 'Traceback' not in second.log()
        # Another robot on the same host is none of its business.
        other = parameters(broker, f'{robot_id}-b', STREAMS)
        with BridgeProcess(other) as third:
            third.wait_for_log('connected to')
            assert third.stop() == 0
        assert collector.states() == [('online', 'birth')]
        assert first.stop() == 0


def test_a_namesake_on_another_host_takes_the_session_over(
    broker: Broker, robot_id: str, tmp_path: Path
) -> None:
    given = parameters(broker, robot_id, STREAMS)
    elsewhere = {'TMPDIR': str(tmp_path)}
    with BridgeProcess(given) as first, Collector(broker, robot_id) as collector:
        collector.wait_for_state('online', 'birth')
        with BridgeProcess(given, environment=elsewhere) as second:
            second.wait_for_log('connected to')
            bridges = (first, second)
            # One of them gives way, the other comes back and stays.
            wait_until(
                lambda: sum('duplicate_robot_id: ' in bridge.log() for bridge in bridges) == 1,
                20.0,
            )
            (left,) = [bridge for bridge in bridges if 'duplicate_robot_id: ' in bridge.log()]
            stayed = second if left is first else first
            wait_until(lambda: stayed.log().splitlines()[-1].count('connected to'))
            boot = collector.documents('state')[0]['boot_id']
            collector.wait_for_document(
                'state',
                lambda state: (
                    state['state'] == 'online' and (state['boot_id'] == boot) is (stayed is first)
                ),
            )
            assert left.log().count('duplicate_robot_id') == 1
            assert second.stop() == 0
        assert first.stop() == 0


def test_a_namesake_with_another_client_id_is_seen_on_state(
    graph: Graph, broker: Broker, robot_id: str, tmp_path: Path
) -> None:
    given = parameters(broker, robot_id, STREAMS)
    renamed = parameters(broker, robot_id, STREAMS, mqtt={'client_id': f'{robot_id}-other'})
    elsewhere = {'TMPDIR': str(tmp_path)}
    with BridgeProcess(given) as first, Collector(broker, robot_id) as collector:
        collector.wait_for_state('online', 'birth')
        with BridgeProcess(renamed, environment=elsewhere) as second:
            first.wait_for_log('duplicate_robot_id: another bridge announces')
            wait_until(lambda: f'Received DISCONNECT from rcb-{robot_id}-uplink' in broker.log())
            # The newer one stays, and samples come from it alone.
            publisher = graph.publisher(String, '/presence', subscribers=2)
            publisher.publish(String(data='once'))
            (sample,) = collector.wait_for_samples('/presence')
            assert content(sample, String).data == 'once'
            newest = collector.documents('state')[-1]
            assert (newest['state'], newest['boot_id']) == ('online', sample.boot_id)
            assert second.stop() == 0
            collector.wait_for_state('offline', 'shutdown')
            graph.node.destroy_publisher(publisher)
        # Not connected any more: it has nothing to say on its end, and ends cleanly.
        assert first.stop() == 0
        assert collector.states()[-1] == ('offline', 'shutdown')
