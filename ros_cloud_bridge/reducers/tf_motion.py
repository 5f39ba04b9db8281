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
Transforms thinned by motion: one goes out when its frame has moved, or after a time.

Of a ``tf2_msgs/TFMessage`` those transforms are left out that have not moved since they went out
last; a message of which nothing is left does not go out at all.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
import math
import struct

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers.interface import Level, Output
from ros_cloud_bridge.reducers.layout import check_plain, HEADER
from ros_cloud_bridge.reducers.levels import FACTORS, SAID
from ros_cloud_bridge.reducers.plain import PlainKind, read_max_s, TimedReducer
from ros_cloud_bridge.reducers.sensor_options import check_names, check_type, number

TF_MESSAGE = 'tf2_msgs/msg/TFMessage'
TRANSFORM = 'geometry_msgs/msg/TransformStamped'
_MAX_FRAMES = 4096
_DOUBLES = 7


@dataclass(frozen=True, slots=True)
class _Transform:
    """
    One transform of a message.

    ``first`` and ``end`` are positions of its bytes before the numbers, relative to the body.
    """

    stamp: bytes
    parent: bytes
    child: bytes
    numbers: tuple[float, ...]


class _Reader:
    """Reads transforms out of a message's body."""

    def __init__(self, cdr: bytes) -> None:
        order = '<' if cdr[1] == 1 else '>'
        self._body = memoryview(cdr)[HEADER:]
        self._count = struct.Struct(f'{order}I')
        self._doubles = struct.Struct(f'{order}{_DOUBLES}d')
        self._position = 0

    def count(self) -> int:
        """Read a count."""
        self._position += -self._position % 4
        (value,) = self._count.unpack(self._take(4))
        return int(value)

    def transform(self) -> _Transform:
        """Read a transform."""
        self._position += -self._position % 4
        stamp = bytes(self._take(8))
        parent = bytes(self._take(self.count()))
        child = bytes(self._take(self.count()))
        self._position += -self._position % 8
        numbers = self._doubles.unpack(self._take(8 * _DOUBLES))
        return _Transform(stamp, parent, child, numbers)

    def _take(self, count: int) -> memoryview:
        part = self._body[self._position : self._position + count]
        if len(part) < count:
            raise ProtocolError('a transform that ends within a field')
        self._position += count
        return part


def _write(cdr: bytes, kept: list[_Transform]) -> bytes:
    order = '<' if cdr[1] == 1 else '>'
    count = struct.Struct(f'{order}I')
    made = bytearray(count.pack(len(kept)))

    def align(size: int) -> None:
        made.extend(bytes(-len(made) % size))

    for one in kept:
        align(4)
        made += one.stamp
        for name in (one.parent, one.child):
            align(4)
            made += count.pack(len(name)) + name
        align(8)
        made += struct.pack(f'{order}{_DOUBLES}d', *one.numbers)
    return cdr[:HEADER] + bytes(made)


class TfMotion(TimedReducer):
    """
    Leaves out transforms that have not moved.

    :param single: whether messages are single transforms
    :param metres: how far an origin may move
    :param radians: how far a frame may turn
    :param max_s: a transform goes out after so long in any case
    :param output: what comes out
    """

    def __init__(
        self, *, single: bool, metres: float, radians: float, max_s: float, output: Output
    ) -> None:
        super().__init__(max_s, output)
        self._single = single
        self._metres = metres
        self._radians = radians
        # By child frame: what went out last, and when.
        self._sent: OrderedDict[bytes, tuple[_Transform, float]] = OrderedDict()

    def reduce(self, cdr: bytes, level: Level) -> bytes | None:
        """
        Decide on a message's transforms.

        :param cdr: serialized message
        :param level: how much is given up now
        :returns: a message with those that have moved; None when none has
        :raises ProtocolError: when it does not fit its type
        """
        check_plain(cdr)
        reader = _Reader(cdr)
        if self._single:
            return cdr if self._news(reader.transform(), FACTORS[level]) else None
        count = reader.count()
        if count > len(cdr):
            raise ProtocolError('more transforms than bytes')
        # All of them are read before one counts as sent.
        all_of_them = [reader.transform() for _ in range(count)]
        kept = [one for one in all_of_them if self._news(one, FACTORS[level])]
        if len(kept) == count:
            return cdr if count else None
        return _write(cdr, kept) if kept else None

    def _news(self, transform: _Transform, factor: float) -> bool:
        known = self._sent.get(transform.child)
        if known is not None:
            last, at = known
            fresh = 0.0 <= self._now - at < self._max_s
            if fresh and last.parent == transform.parent and self._still(last, transform, factor):
                return False
        self._sent[transform.child] = (transform, self._now)
        self._sent.move_to_end(transform.child)
        if len(self._sent) > _MAX_FRAMES:
            self._sent.popitem(last=False)
        return True

    def _still(self, last: _Transform, new: _Transform, factor: float) -> bool:
        if last.numbers == new.numbers:
            return True
        moved = math.dist(last.numbers[:3], new.numbers[:3])
        # A comparison with NaN is false: that goes out.
        if not moved <= factor * self._metres:
            return False
        return turn(last.numbers[3:], new.numbers[3:]) <= factor * self._radians


def turn(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """
    Measure the angle between two orientations.

    :param one: quaternion, of any length
    :param other: quaternion
    :returns: radians from 0 to pi; NaN when one is no orientation
    """
    scale = math.hypot(*one) * math.hypot(*other)
    if not 0.0 < scale < math.inf:
        return math.nan
    (x, y, z, w), (a, b, c, d) = one, other
    # The relative rotation: the angle of small turns is lost in the cosine, not in the sine.
    real = w * d + x * a + y * b + z * c
    sine = math.hypot(
        w * a - d * x - (y * c - z * b),
        w * b - d * y - (z * a - x * c),
        w * c - d * z - (x * b - y * a),
    )
    return 2.0 * math.atan2(sine, abs(real))


class TfMotionKind(PlainKind):
    """Thinning of transforms by motion."""

    name = 'tf_motion'
    types = (TF_MESSAGE, TRANSFORM)
    options = ('metres', 'radians', 'max_s')

    def check(self, options: Mapping[str, str]) -> None:
        """
        Judge options.

        :param options: ``metres=0.01``, ``radians=0.01``, ``max_s=1``
        :raises ValueError: says what is wrong
        """
        _parse(options)

    def make(
        self, type_name: str, definition: str, options: Mapping[str, str], max_bytes: int
    ) -> TfMotion:
        """
        Make the reducer of a route.

        :param type_name: ``tf2_msgs/msg/TFMessage`` or ``geometry_msgs/msg/TransformStamped``
        :param definition: has no effect
        :param options: as for :meth:`check`
        :param max_bytes: has no effect
        :returns: the reducer
        :raises ValueError: says what is wrong with the options, or with the type
        """
        metres, radians, max_s = _parse(options)
        check_type(type_name, *self.types)
        error = (
            f'each frame within {metres:g} m and {radians:g} rad {SAID}, sent at least every '
            f'{max_s:g} s'
        )
        return TfMotion(
            single=type_name == TRANSFORM,
            metres=metres,
            radians=radians,
            max_s=max_s,
            output=Output(type_name=type_name, error=error),
        )


def _parse(options: Mapping[str, str]) -> tuple[float, float, float]:
    check_names(options, TfMotionKind.options)
    return (
        number(options, 'metres', 0.01, 0.0, 1e6),
        number(options, 'radians', 0.01, 0.0, math.pi),
        read_max_s(options, 1.0),
    )
