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
Times rounded: stamps in messages, and when these were published and received.

A clock's nanoseconds are mostly noise, and noise cannot be compressed: of a small message they are
often the larger half.
"""

from collections.abc import Mapping
import struct

from ros_cloud_bridge.reducers.interface import Level, Output
from ros_cloud_bridge.reducers.layout import HEADER, Layout, Walk
from ros_cloud_bridge.reducers.plain import PlainKind, PlainReducer
from ros_cloud_bridge.reducers.sensor_options import check_names, number

_NS = 1_000_000_000
_LAST_SECOND = (1 << 31) - 1
_TOLERANCE_S = 0.0005


class Stamps(PlainReducer):
    """
    Rounds every stamp of a message.

    :param layout: of the type
    :param step_ns: between two times, nanoseconds; it divides a second
    :param output: what comes out
    """

    def __init__(self, layout: Layout, step_ns: int, output: Output) -> None:
        super().__init__(output)
        self._layout = layout
        self._step_ns = step_ns
        # Of each stamp the first number; nanoseconds stand behind the seconds.
        self._leaves = [
            number
            for number, leaf in enumerate(layout.leaves)
            if leaf.stamp and leaf.dtype == 'i4'
        ]

    def reduce(self, cdr: bytes, level: Level) -> bytes:
        """
        Round a message's stamps; those that are out of range stay.

        :param cdr: serialized message
        :param level: has no effect
        :returns: a message of the same size
        :raises ProtocolError: when it does not fit its type
        """
        walk = self._layout.walk(cdr)
        places = walk.memo.get('stamps')
        if places is None:
            places = walk.memo['stamps'] = self._places(walk)
        if not places:
            return cdr
        step_ns = self._step_ns
        words = struct.Struct(f'{walk.order}iI')
        changed = bytearray(cdr)
        for place in places:
            seconds, rest = words.unpack_from(cdr, place)
            rounded = (rest + step_ns // 2) // step_ns * step_ns
            if rest >= _NS or (rounded == _NS and seconds == _LAST_SECOND):
                continue
            words.pack_into(changed, place, seconds + rounded // _NS, rounded % _NS)
        return bytes(changed)

    def _places(self, walk: Walk) -> list[int]:
        return sorted(
            HEADER + place for leaf in self._leaves for place in walk.positions(leaf, 4).tolist()
        )


class StampsKind(PlainKind):
    """Rounding of times, for any message."""

    name = 'stamps'
    options = ('tolerance',)

    def check(self, options: Mapping[str, str]) -> None:
        """
        Judge options.

        :param options: ``tolerance=0.0005``, seconds
        :raises ValueError: says what is wrong
        """
        _read_step(options)

    def make(
        self, type_name: str, definition: str, options: Mapping[str, str], max_bytes: int
    ) -> Stamps:
        """
        Make the reducer of a route.

        :param type_name: any; one without stamps has times of publication at least
        :param definition: the type's complete ros2msg definition
        :param options: as for :meth:`check`
        :param max_bytes: has no effect
        :returns: the reducer
        :raises ValueError: says what is wrong with the options, or with the type
        """
        step_ns = _read_step(options)
        error = f'stamps, times of publication and of reception within {step_ns / 2e9:g} s'
        output = Output(type_name=type_name, error=error, times_step_ns=step_ns)
        return Stamps(Layout(type_name, definition), step_ns, output)


def _read_step(options: Mapping[str, str]) -> int:
    check_names(options, StampsKind.options)
    tolerance_s = number(options, 'tolerance', _TOLERANCE_S, 5e-9, 0.5)
    # A power of ten: such steps share a unit whatever their distance.
    step_ns = _NS
    while step_ns > 2.0 * tolerance_s * _NS * (1.0 + 1e-9):
        step_ns //= 10
    return step_ns
