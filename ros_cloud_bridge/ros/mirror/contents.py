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

"""What is looked at in a message before it is published: that it fits its type, and its stamps."""

import struct

from ros_cloud_bridge.errors import BridgeError, SchemaMismatch
from ros_cloud_bridge.reducers.layout import HEADER, Layout, Walk
from ros_cloud_bridge.ros.interfaces import MessageClass, schema_of, type_name_of
from ros_cloud_bridge.wire.schema import RIHS01_PREFIX, Schema

_STAMPS = '*header.stamp.sec'
_NS = 1_000_000_000
_MEMO = 'mirror stamps'


class Contents:
    """
    Looks at the messages of one type.

    A subscription that cannot read a message fails in the subscriber's own process, so nothing is
    published that does not fit its type.

    :param message_class: the type as it is installed here
    """

    def __init__(self, message_class: MessageClass) -> None:
        self._schema: Schema | None = None
        self._layout: Layout | None = None
        self._seconds: list[int] = []
        # Why messages are neither checked nor shifted, if so.
        self.problem = ''
        name = type_name_of(message_class)
        try:
            self._schema = schema_of(message_class)
            self._layout = Layout(name, self._schema.definition)
        except (BridgeError, ValueError) as error:
            self.problem = f'{name}: messages are not checked: {error}'
            return
        self._seconds = [
            leaf for leaf in self._layout.find(_STAMPS) if self._layout.leaves[leaf].stamp
        ]

    def check_schema(self, schema_id: str) -> None:
        """
        Check that a robot's type is the one that is installed here.

        :param schema_id: first digits of the hash of the robot's definition, or empty
        :raises SchemaMismatch: if it is not
        """
        schema = self._schema
        if schema is not None and schema_id and schema.id != schema_id:
            raise SchemaMismatch(schema.type_name, schema.rihs01, f'{RIHS01_PREFIX}{schema_id}…')

    def checked(self, cdr: bytes, offset_ns: int) -> bytes:
        """
        Check a message, and shift the stamps of its headers.

        :param cdr: serialized message
        :param offset_ns: added to ``stamp`` of each header, but for those that are 0
        :returns: the same bytes, or with other stamps in their places
        :raises ProtocolError: when it does not fit the type
        """
        if self._layout is None:
            return cdr
        walk = self._layout.walk(cdr)
        if not offset_ns or not self._seconds:
            return cdr
        places = walk.memo.get(_MEMO)
        if places is None:
            places = walk.memo[_MEMO] = self._places(walk)
        return _shifted(cdr, walk.order, places, offset_ns)

    def _places(self, walk: Walk) -> list[int]:
        return [
            HEADER + int(position)
            for leaf in self._seconds
            for position in walk.positions(leaf, 4)
        ]


def _shifted(cdr: bytes, order: str, places: list[int], offset_ns: int) -> bytes:
    stamp = struct.Struct(f'{order}iI')
    shifted = bytearray(cdr)
    for place in places:
        seconds, nanoseconds = stamp.unpack_from(cdr, place)
        if not seconds and not nanoseconds:
            continue  # "the newest", or never set
        total = seconds * _NS + nanoseconds + offset_ns
        seconds, nanoseconds = divmod(total, _NS)
        # Before 1901 or after 2038 there is no such stamp.
        if -(2**31) <= seconds < 2**31:
            stamp.pack_into(shifted, place, seconds, nanoseconds)
    return bytes(shifted)
