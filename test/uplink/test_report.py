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

"""The documents info and health."""

from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.uplink.report import config_hash, health_document, info_document
from ros_cloud_bridge.values import BridgeConfig, Drop, Keep, Received, StreamConfig
from ros_cloud_bridge.wire.announce import decode_json, encode_json

STREAM = StreamConfig(name='s', topics=('/a',), keep=Keep.FIFO, max_samples=3)
CONFIG = BridgeConfig(robot_id='r', streams=(STREAM,))


def filled_route() -> Route:
    """
    Make a route that has accepted five samples of two bytes, dropped two and sent one.

    :returns: the route
    """
    route = Route(7, STREAM, '/a', 'a_msgs/msg/A')
    route.offer([Received(b'ab', 1, 2)] * 5, 10.0)
    route.take(2, 1)
    route.drops[Drop.LOST_BEFORE_BRIDGE] += 4
    return route


def test_health_accounts_for_every_sample() -> None:
    document = health_document(
        robot_id='r',
        boot_id='00' * 8,
        uptime_s=1.23456,
        wall_ns=5,
        link={'connected': True},
        routes=[filled_route()],
        problems={'/b': 'why'},
        now=12.5,
    )
    assert decode_json(encode_json(document)) == {
        'version': 1,
        'robot_id': 'r',
        'boot_id': '00' * 8,
        'uptime_s': 1.235,
        'time_ns': 5,
        'link': {'connected': True},
        'problems': {'/b': 'why'},
        'routes': [
            {
                'route': 7,
                'stream': 's',
                'topic': '/a',
                'received': 5,
                'accepted': 5,
                'delivered': 0,
                'queued': 2,
                'queued_bytes': 4,
                'in_flight': 1,
                'oldest_age_s': 2.5,
                'bytes_accepted': 10,
                'wire_bytes': 0,
                'dropped': {'overflow_samples': 2, 'lost_before_bridge': 4},
            }
        ],
    }


def test_info_names_streams_and_routes() -> None:
    document = decode_json(encode_json(info_document(CONFIG, '00' * 8, [filled_route()], 5)))
    assert document['clock'] == {'time_ns': 5}
    (stream,) = document['streams']
    assert (stream['name'], stream['topics'], stream['keep']) == ('s', ['/a'], 'fifo')
    (route,) = document['routes']
    assert (route['route'], route['topic'], route['type']) == (7, '/a', 'a_msgs/msg/A')
    assert route['latched'] is False


def test_the_hash_tells_configurations_apart() -> None:
    assert config_hash(CONFIG) == config_hash(BridgeConfig(robot_id='r', streams=(STREAM,)))
    other = StreamConfig(name='s', topics=('/a',), keep=Keep.LATEST, max_samples=3)
    assert config_hash(CONFIG) != config_hash(BridgeConfig(robot_id='r', streams=(other,)))
