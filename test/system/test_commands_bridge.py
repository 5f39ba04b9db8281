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

"""Commands to the bridge itself, by what they do: a lease, a pause, a black box."""

import json
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')

from std_msgs.msg import Int32, String  # noqa: E402

from ros_cloud_bridge.command_values import State  # noqa: E402
from support.bridge_process import BridgeProcess  # noqa: E402
from support.broker import Broker  # noqa: E402
from support.collector import Collector  # noqa: E402
from support.commander import Keys  # noqa: E402
from support.graph import content, Graph, qos  # noqa: E402
from support.robots import parameters  # noqa: E402
from support.waiting import wait_until  # noqa: E402

EVENTS = '/black_box/box/events'


def test_a_lease_a_pause_and_a_black_box(
    graph: Graph, robot_id: str, broker: Broker, tmp_path: Path
) -> None:
    name = f'/{robot_id.replace("-", "_")}'
    keys = Keys.make(tmp_path, robot_id, 'alice')
    made = parameters(
        broker,
        robot_id,
        # Nobody may lease by asking: the command's signature is what permits it.
        {
            'camera': {'topics': [f'{name}/camera'], 'on_demand': True, 'keep': 'fifo'},
            'pose': {'topics': [f'{name}/pose'], 'keep': 'fifo'},
        },
        demand={'allow': ['somebody-else']},
        state_dir=str(keys.folder),
        operator_keys=str(keys.directory),
        commands=['bridge'],
        command={'bridge': {'kind': 'bridge', 'operators': ['alice'], 'max_hz': 100.0}},
        black_boxes=['box'],
        black_box={
            'box': {
                'topics': [f'{name}/pose'],
                'triggers': ['command'],
                'before_s': 2.0,
                'after_s': 0.5,
            }
        },
    )
    with (
        BridgeProcess(made) as bridge,
        Collector(broker, robot_id) as collector,
        keys.commander(broker, robot_id, 'alice') as alice,
    ):
        bridge.wait_for_log('commands: connected')
        alice.learn()
        pose = graph.publisher(Int32, f'{name}/pose', qos(), subscribers=2)
        pose.publish(Int32(data=1))
        collector.wait_for_samples(f'{name}/pose')

        camera = graph.publisher(Int32, f'{name}/camera', qos(), subscribers=0)
        lease = {'stream': 'camera', 'hz': 0.0, 'seconds': 60.0}
        assert alice.call('bridge', 'lease', lease).state is State.SUCCEEDED
        graph.wait_for_subscribers(camera, 1)
        camera.publish(Int32(data=7))
        (seen,) = collector.wait_for_samples(f'{name}/camera')
        assert content(seen, Int32).data == 7
        refused = alice.call('bridge', 'lease', {**lease, 'stream': 'pose'})
        assert refused.reason == 'refused_by_server: stream is not on_demand'

        assert alice.call('bridge', 'pause').state is State.SUCCEEDED
        pose.publish(Int32(data=2))
        collector.settle()
        assert len(live(collector, f'{name}/pose')) == 1
        assert alice.call('bridge', 'resume').state is State.SUCCEEDED
        wait_until(lambda: len(live(collector, f'{name}/pose')) == 2, 20.0, 'what had waited')

        assert alice.call('bridge', 'trigger', {'box': 'box'}).state is State.SUCCEEDED
        wait_until(lambda: 'ended' in told(collector), 30.0, 'the span')
        assert told(collector)['ended']['triggers'][0]['trigger'] == 'command'
        assert told(collector)['ended']['triggers'][0]['value'] == 'alice'
        assert bridge.stop() == 0


def live(collector: Collector, topic: str) -> list[int]:
    """
    List what came as it was published, not out of the black box.

    :param collector: heard it
    :param topic: ROS topic
    :returns: the numbers
    """
    return [
        content(sample, Int32).data
        for sample in collector.samples(topic)
        if sample.stream == 'pose'
    ]


def told(collector: Collector) -> dict[str, dict[str, list[dict[str, str]]]]:
    """
    Read what the black box tells.

    :param collector: heard it
    :returns: the newest event of each kind
    """
    found = [json.loads(content(one, String).data) for one in collector.samples(EVENTS)]
    return {one['event']: one for one in found}
