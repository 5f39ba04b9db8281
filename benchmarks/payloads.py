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

"""Serialized messages to load a bridge with: of the sizes of an IMU, a scan and an image."""

from dataclasses import dataclass
import math
import random
import struct
from typing import Any

import numpy as np

# Publishing time stands where std_msgs/Header has its stamp, behind the encapsulation header.
STAMP_AT = 4
FORWARDER_TOPIC = 'benchmark/forwarder'
_STAMP = struct.Struct('<iI')
_COUNTER = struct.Struct('<Q')
_MARK = 0x1122334455667788
# Distinct messages come to more than one batch holds: no codec may find one twice in a batch.
_VARIANT_BYTES = 4_000_000
_MIN_VARIANTS = 4
_WIDTH = 128
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """
    Messages of one size; ``depth`` is the QoS depth of who publishes and who subscribes.

    ``rates`` and ``quick_rates`` are the offered rates in messages per second.
    """

    name: str
    image_bytes: int
    depth: int
    rates: tuple[float, ...]
    quick_rates: tuple[float, ...]

    @property
    def topic(self) -> str:
        """The ROS topic."""
        return f'/benchmark/load_{self.name}'


LOADS = {
    load.name: load
    for load in (
        Load(
            name='imu',
            image_bytes=0,
            depth=5000,
            rates=(2e3, 4e3, 6e3, 8e3, 10e3, 15e3, 20e3, 25e3, 30e3, 40e3, 50e3, 60e3, 80e3),
            quick_rates=(5e3, 10e3, 20e3, 40e3),
        ),
        Load(
            name='10k',
            image_bytes=10 * 1024,
            depth=5000,
            rates=(1e3, 2e3, 3e3, 4e3, 6e3, 8e3, 10e3, 15e3, 20e3),
            quick_rates=(1e3, 3e3, 6e3),
        ),
        Load(
            name='1m',
            image_bytes=1024 * 1024,
            depth=50,
            rates=(10.0, 20.0, 40.0, 60.0, 80.0, 120.0, 160.0, 240.0),
            quick_rates=(20.0, 60.0),
        ),
    )
}


class Payloads:
    """
    Serialized messages of one load, each with its publishing time and a counter in it.

    :param load: which
    """

    def __init__(self, load: Load) -> None:
        # Here, so that who only reads counters needs no ROS.
        from rclpy.serialization import serialize_message

        rng = random.Random(load.name)
        variants = max(_MIN_VARIANTS, _VARIANT_BYTES // (load.image_bytes or 1000))
        messages = [
            _image(rng, load.image_bytes) if load.image_bytes else _imu(rng)
            for _ in range(variants)
        ]
        self.message_class: type[Any] = type(messages[0])
        serialized = [bytes(serialize_message(message)) for message in messages]
        self.counter_at = serialized[0].index(_COUNTER.pack(_MARK))
        behind = self.counter_at + _COUNTER.size
        between = STAMP_AT + _STAMP.size
        self.size = len(serialized[0])
        self._parts = [
            (data[:STAMP_AT], data[between : self.counter_at], data[behind:])
            for data in serialized
        ]

    def make(self, number: int, time_ns: int) -> bytes:
        """
        Make a message.

        :param number: its counter
        :param time_ns: when it is published, nanoseconds since the Unix epoch
        :returns: CDR with its encapsulation header
        """
        head, middle, tail = self._parts[number % len(self._parts)]
        stamp = _STAMP.pack(*divmod(time_ns, _NS))
        return b''.join((head, stamp, middle, _COUNTER.pack(number), tail))


def read(cdr: bytes, counter_at: int) -> tuple[int, int]:
    """
    Read what :meth:`Payloads.make` wrote.

    :param cdr: the message, or its beginning
    :param counter_at: position of the counter
    :returns: counter, publishing time in nanoseconds since the Unix epoch
    """
    seconds, nanoseconds = _STAMP.unpack_from(cdr, STAMP_AT)
    (number,) = _COUNTER.unpack_from(cdr, counter_at)
    return number, seconds * _NS + nanoseconds


def _imu(rng: random.Random) -> Any:
    from sensor_msgs.msg import Imu

    message = Imu()
    message.header.frame_id = 'imu_link'
    yaw = rng.uniform(-math.pi, math.pi)
    message.orientation.z = math.sin(yaw / 2)
    message.orientation.w = math.cos(yaw / 2)
    # As sensors give it: 16-bit counts times a scale.
    for vector, scale in (
        (message.angular_velocity, 1.0 / 938.7),
        (message.linear_acceleration, 9.80665 / 16384),
    ):
        vector.x, vector.y, vector.z = (scale * round(rng.gauss(0, 40)) for _ in range(3))
    message.orientation_covariance[0] = struct.unpack('<d', _COUNTER.pack(_MARK))[0]
    for index in (0, 4, 8):
        message.angular_velocity_covariance[index] = 4e-8
        message.linear_acceleration_covariance[index] = 1.7e-4
    return message


def _image(rng: random.Random, size: int) -> Any:
    from sensor_msgs.msg import Image

    message = Image()
    message.header.frame_id = 'camera'
    message.width = _WIDTH
    message.height = size // _WIDTH
    message.step = _WIDTH
    message.encoding = 'mono8'
    # A gradient with two bits of noise: compresses like a camera's picture, to about a third.
    noise = np.frombuffer(rng.randbytes(size), dtype=np.uint8).reshape(-1, _WIDTH) % 4
    rows, columns = np.indices(noise.shape)
    pixels = bytearray((rows + columns // 2 + noise).astype(np.uint8).tobytes())
    pixels[:8] = _COUNTER.pack(_MARK)
    message.data = bytes(pixels)
    return message
