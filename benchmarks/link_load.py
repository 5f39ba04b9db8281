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
A child that publishes a robot's topics: a pose, and beside it data that no codec makes smaller.

The pose are real odometry messages of a recording where there is one, random walks elsewhere.
Who measures ages takes DDS's source time stamp, which the middleware sets in ``publish()``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
import itertools
import json
import math
import os
from pathlib import Path
import random
import struct
import sys
import threading
import time
from typing import Any

from children import Answer, serve

POSE = '/odom'
POSE_HZ = 10.0
POSE_BYTES = 720
POSE_TYPE = 'nav_msgs/msg/Odometry'
BLOB_TYPE = 'sensor_msgs/msg/CompressedImage'
_STAMP = struct.Struct('<iI')
_STAMP_AT = 4
_MATCH_S = 30.0
_POOL_BYTES = 4_000_000
_MIN_BLOB = 64
_DEPTH = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic of a load; ``size`` is the CDR's, bytes."""

    name: str
    type_name: str
    hz: float
    size: int

    @property
    def bytes_per_s(self) -> float:
        """What it asks for."""
        return self.hz * self.size


# Beside the pose, before scaling; the first is small and stays as it is.
_OTHERS = (('/imu', 20.0, 200), ('/scan', 10.0, 10_000), ('/camera', 2.0, 20_000))


def synthetic(demand_bytes_per_s: float) -> list[Topic]:
    """
    Make up a load: the pose and small messages at full rate, larger ones as the demand asks for.

    :param demand_bytes_per_s: sum of all CDR
    :returns: topics, the pose first
    """
    pose = Topic(name=POSE, type_name=POSE_TYPE, hz=POSE_HZ, size=POSE_BYTES)
    (name, hz, size), *large = _OTHERS
    small = Topic(name=name, type_name=BLOB_TYPE, hz=hz, size=size)
    left = max(0.0, demand_bytes_per_s - pose.bytes_per_s - small.bytes_per_s)
    factor = left / sum(hz * size for _, hz, size in large)
    return [pose, small] + [
        Topic(name=name, type_name=BLOB_TYPE, hz=hz, size=max(_MIN_BLOB, round(size * factor)))
        for name, hz, size in large
    ]


class _Publisher:
    def __init__(self, node: Any, topics: Sequence[Topic], recordings: Path) -> None:
        self._topics = topics
        self._publishers = []
        self._messages: list[Iterator[bytes]] = []
        for topic in topics:
            odometry = topic.type_name == POSE_TYPE
            kind, messages = (_odometry if odometry else _blobs)(topic, recordings)
            self._publishers.append(node.create_publisher(kind, topic.name, _DEPTH))
            self._messages.append(messages)
        self._log: list[tuple[int, int, int]] = []
        self._failed = 0
        self._threads: list[threading.Thread] = []
        self._stopped = threading.Event()

    def match(self) -> Answer:
        deadline = time.monotonic() + _MATCH_S
        while time.monotonic() < deadline:
            if all(publisher.get_subscription_count() for publisher in self._publishers):
                return {'matched': True}
            time.sleep(0.02)
        return {'matched': False}

    def start(self, names: list[str]) -> Answer:
        for index, topic in enumerate(self._topics):
            if topic.name in names:
                thread = threading.Thread(target=self._publish, args=(index,), daemon=True)
                self._threads.append(thread)
                thread.start()
        return {}

    def _publish(self, index: int) -> None:
        topic, publisher = self._topics[index], self._publishers[index]
        due = time.monotonic()
        for cdr in self._messages[index]:
            if self._stopped.wait(max(0.0, due - time.monotonic())):
                return
            due += 1.0 / topic.hz
            now_ns = time.time_ns()
            stamp = _STAMP.pack(*divmod(now_ns, 1_000_000_000))
            behind = _STAMP_AT + _STAMP.size
            try:
                publisher.publish(cdr[:_STAMP_AT] + stamp + cdr[behind:])
            except RuntimeError:
                # The subscriber is so far behind that the writer's history is full.
                self._failed += 1
            self._log.append((index, now_ns, len(cdr)))

    def stop(self) -> Answer:
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        return {'published': self._log, 'failed': self._failed}


def _odometry(topic: Topic, recordings: Path) -> tuple[type[Any], Iterator[bytes]]:
    from nav_msgs.msg import Odometry
    from rclpy.serialization import serialize_message

    recorded = _recorded(recordings)
    if recorded:
        return Odometry, itertools.cycle(recorded)
    rng = random.Random(topic.name)
    messages = []
    heading = 0.0
    message = Odometry()
    message.header.frame_id, message.child_frame_id = 'odom', 'base_link'
    for _ in range(600):
        heading += rng.gauss(0, 0.02)
        message.pose.pose.position.x += 0.1 * math.cos(heading)
        message.pose.pose.position.y += 0.1 * math.sin(heading)
        message.pose.pose.orientation.z = math.sin(heading / 2)
        message.pose.pose.orientation.w = math.cos(heading / 2)
        message.twist.twist.linear.x = 1.0 + rng.gauss(0, 0.01)
        message.twist.twist.angular.z = rng.gauss(0, 0.1)
        messages.append(bytes(serialize_message(message)))
    return Odometry, itertools.cycle(messages)


def _recorded(folder: Path) -> list[bytes]:
    paths = sorted(folder.glob('a2_*.mcap'))
    if not paths:
        return []
    try:
        from mcap.reader import make_reader
    except ImportError:
        return []
    with paths[0].open('rb') as stream:
        messages = make_reader(stream).iter_messages(topics=[POSE])
        return [message.data for _, channel, message in messages]


def _blobs(topic: Topic, recordings: Path) -> tuple[type[Any], Iterator[bytes]]:
    from rclpy.serialization import serialize_message
    from sensor_msgs.msg import CompressedImage

    rng = random.Random(topic.name)
    message = CompressedImage(format='noise')
    message.data = b''
    overhead = len(serialize_message(message))
    message.data = bytes(max(_MIN_BLOB, topic.size - overhead))
    head = bytes(serialize_message(message))[: -len(message.data)]
    # Different pieces of one pool: no codec finds one twice in a batch, and none costs time.
    pool = rng.randbytes(_POOL_BYTES)

    def pieces() -> Iterator[bytes]:
        size = len(message.data)
        while True:
            start = rng.randrange(len(pool) - size)
            yield head + pool[start : start + size]

    return CompressedImage, pieces()


def encode(topics: Sequence[Topic]) -> str:
    """
    Write topics for the child's command line.

    :param topics: them
    :returns: JSON
    """
    return json.dumps([asdict(topic) for topic in topics])


def main() -> None:
    """Serve the parent: ``link_load.py TOPICS RECORDINGS``."""
    import rclpy

    topics = [Topic(**fields) for fields in json.loads(sys.argv[1])]
    rclpy.init()
    node = rclpy.create_node(f'load_{os.getpid()}')
    publisher = _Publisher(node, topics, Path(sys.argv[2]))
    serve({'match': publisher.match, 'start': publisher.start, 'stop': publisher.stop})
    rclpy.try_shutdown()


if __name__ == '__main__':
    main()
