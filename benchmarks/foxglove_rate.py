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

"""
How fast point clouds get to a Foxglove client.

Batches of one cloud each, as the bridge's own encoder makes them, go through the decoder and the
server's channels to a client in a process of its own. Beside it: the same clouds given to
foxglove-sdk by themselves, the upper limit, and decoded only.
"""

import argparse
from collections.abc import Callable, Sequence
import json
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
import statistics
import sys
import time
from typing import Any

import foxglove
import numpy as np
from tables import machine, number, table
from websockets.sync.client import connect

from ros_cloud_bridge.cloud.decoder import Decoder
from ros_cloud_bridge.cloud.foxglove.channels import Channels
from ros_cloud_bridge.cloud.foxglove.door import Door
from ros_cloud_bridge.cloud.messages import MessageDecoder
from ros_cloud_bridge.cloud.topic_names import TopicNames
from ros_cloud_bridge.values import Priority, Received
from ros_cloud_bridge.wire.batch import Batch, Descriptor, encode_batch, Section
from ros_cloud_bridge.wire.blocks import BlockEncoder
from ros_cloud_bridge.wire.topics import RobotTopics

_TYPE = 'sensor_msgs/msg/PointCloud2'
_TOPIC = '/velodyne_points'
_CLOUDS = 60
_POINT_BYTES = 16
# Of a message on the WebSocket: kind, subscription, time.
_HEAD_BYTES = 13
_BOOT = bytes(8)
# What the server holds for a client; what is more it drops.
_AHEAD = 16

Send = Callable[[int], None]


def clouds(count: int, points: int) -> list[bytes]:
    """
    Make clouds of x, y, z and intensity, as float32.

    :param count: how many
    :param points: of each
    :returns: CDR of PointCloud2
    """
    from rosbags.typesys import get_typestore, Stores

    store = get_typestore(Stores.ROS2_KILTED)
    types: dict[str, Any] = dict(store.types)
    random = np.random.default_rng(7)
    made = []
    for index in range(count):
        angle = np.linspace(0.0, 2.0 * np.pi, points, endpoint=False)
        near = 8.0 + 3.0 * np.sin(5.0 * angle + index) + random.normal(0.0, 0.01, points)
        values = np.stack(
            (
                near * np.cos(angle),
                near * np.sin(angle),
                0.1 * near,
                random.integers(0, 99, points),
            )
        ).T.astype('<f4')
        field = types['sensor_msgs/msg/PointField']
        message = types[_TYPE](
            types['std_msgs/msg/Header'](
                types['builtin_interfaces/msg/Time'](1_700_000_000 + index, 0), 'velodyne'
            ),
            1,
            points,
            [
                field(name, 4 * place, 7, 1)
                for place, name in enumerate(('x', 'y', 'z', 'intensity'))
            ],
            False,
            _POINT_BYTES,
            _POINT_BYTES * points,
            values.reshape(-1).view(np.uint8),
            True,
        )
        made.append(bytes(store.serialize_cdr(message, _TYPE)))
    return made


def receive(port: int, parent: Connection) -> None:
    """
    Subscribe to the server's one channel, in a process of its own.

    :param port: of the server
    :param parent: hears how many bytes each message has
    """
    with connect(f'ws://127.0.0.1:{port}', subprotocols=['foxglove.sdk.v1'], max_size=None) as at:
        for message in at:
            if isinstance(message, bytes):
                parent.send(len(message) - _HEAD_BYTES)
            elif (said := json.loads(message))['op'] == 'advertise':
                wanted = {'id': 1, 'channelId': said['channels'][0]['id']}
                at.send(json.dumps({'op': 'subscribe', 'subscriptions': [wanted]}))


def through(
    context: foxglove.Context,
    first: Callable[[], None],
    send: Send,
    count: int,
    *,
    guarded: bool = False,
) -> float:
    """
    Time clouds on their way to a client.

    :param context: of the channel that they are sent on
    :param first: sends one that does not count, until the client has it
    :param send: sends one
    :param count: how many
    :param guarded: whether the client comes by the door of ``ros-cloud-bridge foxglove``
    :returns: bytes per second
    """
    server = foxglove.start_server(port=0, context=context)
    door = Door('127.0.0.1', 0, lambda: ('127.0.0.1', server.port)) if guarded else None
    port = server.port if door is None else door.port
    here, there = get_context('spawn').Pipe()
    client = get_context('spawn').Process(target=receive, args=(port, there), daemon=True)
    client.start()
    try:
        while not here.poll(0.1):
            first()
        while here.poll(0.2):
            here.recv()
        began, got, sent = time.perf_counter(), 0, 0
        for index in range(count):
            while sent >= _AHEAD or here.poll():
                got += here.recv()
                sent -= 1
            send(index)
            sent += 1
        while sent:
            got += here.recv()
            sent -= 1
        return got / (time.perf_counter() - began)
    finally:
        client.kill()
        client.join()
        if door is not None:
            door.close()
        server.stop()


def measure(points: int, count: int) -> dict[str, float]:
    """
    Measure one size of cloud.

    :param points: of each cloud
    :param count: how many
    :returns: bytes per second of the subjects
    """
    made = clouds(8, points)
    schema = MessageDecoder()
    descriptor = Descriptor(stream='lidar', topic=_TOPIC, type_name=_TYPE, schema_id=_schema_id())
    text = schema.schema(descriptor.schema_id, _TYPE)
    batches = RobotTopics('rcb/v1', 'r').batches(Priority.LOW)
    encoder = BlockEncoder()
    payloads = [
        encode_batch(
            Batch(
                boot=_BOOT,
                number=index + 1,
                sent_time_ns=time.time_ns(),
                sections=(
                    Section(
                        route=0,
                        descriptor=descriptor,
                        sequences=range(index + 1, index + 2),
                        samples=[Received(made[index % 8], time.time_ns(), time.time_ns())],
                        totals=None,
                    ),
                ),
            ),
            {0: encoder},
        )
        for index in range(count)
    ]
    size = len(made[0])

    decoder = Decoder()
    (sample,) = Decoder().feed(batches, payloads[0])
    began = time.perf_counter()
    for payload in payloads:
        decoder.feed(batches, payload)
    found = {'decoded only': count * size / (time.perf_counter() - began)}

    context = foxglove.Context()
    plain = foxglove.Channel(
        _TOPIC,
        message_encoding='cdr',
        schema=foxglove.Schema(name=_TYPE, encoding='ros2msg', data=text.definition.encode()),
        context=context,
    )
    found['foxglove-sdk alone'] = through(
        context, lambda: plain.log(made[0]), lambda index: plain.log(made[index % 8]), count
    )

    context = foxglove.Context()
    channels = Channels(context, TopicNames(prefix=False), lambda topic: True)
    channels.advertise('r', _BOOT.hex(), _TOPIC, 'lidar', text)
    decoder = Decoder()

    def send(index: int) -> None:
        for decoded in decoder.feed(batches, payloads[index]):
            channels.sample(decoded)

    found['decoded and served'] = through(
        context, lambda: channels.sample(sample), send, count, guarded=True
    )
    return found


def _schema_id() -> str:
    from rosbags.typesys import get_typestore, Stores

    hashed: str = get_typestore(Stores.ROS2_KILTED).hash_rihs01(_TYPE)
    return hashed.removeprefix('RIHS01_')[:16]


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the benchmark.

    :param argv: arguments; those of the process when None
    :returns: exit status
    """
    parser = argparse.ArgumentParser(description=__doc__.strip().split('\n\n')[0])
    parser.add_argument('--quick', action='store_true', help='one round of few clouds')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write every figure there')
    args = parser.parse_args(argv)
    rounds, count = (1, 10) if args.quick else (5, _CLOUDS)
    figures: dict[str, dict[str, list[float]]] = {}
    rows = []
    for points in (6_000, 60_000, 125_000):
        found = [measure(points, count) for _ in range(rounds)]
        mine = figures[f'{points} points'] = {
            name: [one[name] for one in found] for name in found[0]
        }
        rows.append(
            [
                f'{points:,} points, {points * _POINT_BYTES / 1e6:.1f} MB',
                *(number(statistics.median(values) / 1e6) for values in mine.values()),
            ]
        )
    heads = ['MB/s of clouds', 'decoded only', 'foxglove-sdk alone', 'decoded and served']
    print(table(heads, rows))
    if args.json:
        document = {'quick': args.quick, 'machine': machine(), 'bytes_per_s': figures}
        args.json.write_text(json.dumps(document, indent=1) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
