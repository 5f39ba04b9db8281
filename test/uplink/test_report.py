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

from ros_cloud_bridge.core.admission import Admission
from ros_cloud_bridge.core.budget import MonthlyBudget
from ros_cloud_bridge.core.pacing.pacer import Pacer
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.mqtt.limits import negotiate, ServerLimits
from ros_cloud_bridge.mqtt.presets import PRESETS
from ros_cloud_bridge.uplink.report import (
    config_hash,
    info_document,
    link_document,
    route_document,
)
from ros_cloud_bridge.values import (
    Algorithm,
    BridgeConfig,
    Drop,
    Keep,
    LinkConfig,
    MqttConfig,
    Received,
    StreamConfig,
)
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


def test_a_route_accounts_for_every_sample() -> None:
    document = route_document(filled_route(), 12.5)
    assert decode_json(encode_json(document)) == {
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


def test_the_link_says_what_limits_it_and_nothing_that_it_cannot_know() -> None:
    admission = Admission(
        LinkConfig(algorithm=Algorithm.LEDBAT), Pacer(Algorithm.LEDBAT), None, False
    )
    document = decode_json(encode_json(link_document(admission, 0.0)))
    assert document['limited_by'] == 'disconnected'
    assert document['algorithm'] == 'ledbat'
    assert document['rate_bytes_per_s'] is None
    assert document['budget'] is None


def test_the_link_counts_what_is_in_flight_and_what_the_month_has_left() -> None:
    budget = MonthlyBudget(1_000_000, 1, None, 1_780_300_000.0, 0.0)
    admission = Admission(LinkConfig(), Pacer(Algorithm.BBR), budget, False)
    admission.connected(negotiate(MqttConfig(), PRESETS['mosquitto'], ServerLimits()), 0.0)
    packet = admission.sent(1000, 20, 0.0)
    admission.sent(100, 20, 0.0)
    document = link_document(admission, 0.0)
    assert (document['in_flight'], document['in_flight_bytes']) == (2, 1140)
    admission.pacer.answered(packet, 0.25)
    admission.settled(1020)
    document = link_document(admission, 0.25)
    assert (document['in_flight'], document['in_flight_bytes']) == (1, 120)
    assert document['rtt_s'] == 0.25
    assert isinstance(document['rate_bytes_per_s'], int)
    spent = document['budget']
    assert isinstance(spent, dict)
    assert spent['used_bytes'] >= 1140
    assert decode_json(encode_json(document)) == document


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
