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

"""The fields of one message by their path, read in place from its CDR."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.reducers.layout import HEADER, Kind, Layout, Leaf, LOOP, Place, TEXT, Walk

Value = bool | int | float | str

_NS = 1_000_000_000
_MEMO = 'dashboard'


class MessageType:
    """
    A type whose messages are read.

    :param type_name: as in ``sensor_msgs/msg/Imu``
    :param definition: complete ``ros2msg`` text
    :raises ValueError: when the definition cannot be read
    """

    def __init__(self, type_name: str, definition: str) -> None:
        self._layout = Layout(type_name, definition)
        self.leaves: Sequence[Leaf] = self._layout.leaves
        # An array of texts has two leaves of one path: the loop, and the text in it.
        self._by_path: dict[str, list[int]] = {}
        for number, leaf in enumerate(self.leaves):
            self._by_path.setdefault(leaf.path, []).append(number)

    def read(self, cdr: bytes) -> 'Reading':
        """
        Read a message.

        :param cdr: serialized message with its encapsulation header
        :returns: its fields
        :raises ProtocolError: when it does not fit the type
        """
        return Reading(self, cdr, self._layout.walk(cdr))

    def find(self, path: str) -> Sequence[int]:
        """
        Find the leaves of a path.

        :param path: as in ``pose.pose.position.x``
        :returns: their numbers; none where the type has no such field
        """
        return self._by_path.get(path, ())


@lru_cache(maxsize=256)
def message_type(type_name: str, definition: str) -> MessageType:
    """
    Give a type, made when new: the topics of a fleet share it.

    :param type_name: as in ``sensor_msgs/msg/Imu``
    :param definition: complete ``ros2msg`` text
    :returns: the type
    :raises ValueError: when the definition cannot be read
    """
    return MessageType(type_name, definition)


class Reading:
    """
    The fields of one message; what is not there is None, or empty.

    :param message_type: its type
    :param cdr: the message
    :param walk: where everything stands in it
    """

    def __init__(self, message_type: MessageType, cdr: bytes, walk: Walk) -> None:
        self._type = message_type
        self._cdr = cdr
        self._walk = walk
        places = walk.memo.get(_MEMO)
        if places is None:
            places = walk.memo[_MEMO] = _by_leaf(walk.places)
        self._places: dict[int, list[Place]] = places

    def number(self, path: str) -> bool | int | float | None:
        """
        Give a number.

        :param path: of the field
        :returns: the first of what stands there
        """
        return next(self.numbers(path, 1), None)

    def real(self, path: str) -> float:
        """
        Give a number to calculate with.

        :param path: of the field
        :returns: the first of what stands there; NaN when there is none
        """
        value = self.number(path)
        return float('nan') if value is None else float(value)

    def numbers(self, path: str, most: int) -> Iterator[bool | int | float]:
        """
        Give numbers one by one.

        :param path: of the field
        :param most: how many at most
        :returns: them, as the values that they are in Python
        """
        for number in self._type.find(path):
            leaf = self._type.leaves[number]
            for values in self._arrays(number):
                for value in values[:most]:
                    yield _python(value, leaf)
                most -= min(most, len(values))

    def array(self, path: str) -> NDArray[Any]:
        """
        Give all numbers, to calculate with.

        :param path: of the field
        :returns: them, as they stand in the message: a map is large, and not copied
        """
        found = [values for leaf in self._type.find(path) for values in self._arrays(leaf)]
        if len(found) == 1:
            return found[0]
        return np.concatenate(found) if found else np.zeros(0)

    def text(self, path: str) -> str | None:
        """
        Give a text.

        :param path: of the field
        :returns: the first that stands there
        """
        return next(self.texts(path, 1), None)

    def texts(self, path: str, most: int) -> Iterator[str]:
        """
        Give texts.

        :param path: of the field
        :param most: how many at most
        :returns: them; what is no UTF-8 is replaced
        """
        for leaf in self._type.find(path):
            if self._type.leaves[leaf].dtype == TEXT:
                for place in self._places.get(leaf, [])[:most]:
                    yield self._text(place)

    def count(self, path: str) -> int | None:
        """
        Say how many elements an array or a sequence has.

        :param path: of the field
        :returns: how many, of all that stand there together; None for what is none
        """
        found = None
        for leaf in self._type.find(path):
            kind = Kind.LOOP if self._type.leaves[leaf].dtype == LOOP else Kind.COUNT
            for place in self._places.get(leaf, ()):
                if place.kind is kind:
                    found = (found or 0) + place.count
        return found

    def many(self, path: str) -> int:
        """
        Say how many numbers stand in a field.

        :param path: of the field
        :returns: how many
        """
        return sum(
            place.count * place.groups
            for leaf in self._type.find(path)
            for place in self._places.get(leaf, ())
            if place.kind is Kind.NUMBERS
        )

    def seconds(self, path: str) -> float | None:
        """
        Give a point in time.

        :param path: of the message that has ``sec`` and ``nanosec``
        :returns: seconds since the Unix epoch
        """
        sec, nanosec = self.number(f'{path}.sec'), self.number(f'{path}.nanosec')
        return None if sec is None or nanosec is None else sec + nanosec / _NS

    def in_order(self) -> Iterator[tuple[str, Value]]:
        """
        Give single numbers and texts in the order of the message, whatever loops they stand in.

        :returns: path and value of each
        """
        for place in self._walk.places:
            if place.kind is Kind.TEXT:
                leaf = self._type.leaves[place.leaf]
                if leaf.dtype == TEXT:
                    yield leaf.path, self._text(place)
            elif place.kind is Kind.NUMBERS and place.count == place.groups == 1:
                leaf = self._type.leaves[place.leaf]
                yield leaf.path, _python(self._array(place, leaf)[0], leaf)

    def _arrays(self, number: int) -> Iterator[NDArray[Any]]:
        leaf = self._type.leaves[number]
        if leaf.dtype[0] in 'fiu':
            for place in self._places.get(number, ()):
                if place.kind is Kind.NUMBERS:
                    yield self._array(place, leaf)

    def _array(self, place: Place, leaf: Leaf) -> NDArray[Any]:
        shape, strides = (place.groups, place.count), (place.stride, leaf.size)
        values: NDArray[Any] = np.ndarray(
            shape,
            np.dtype(self._walk.order + leaf.dtype),
            self._cdr,
            HEADER + place.start,
            strides,
        ).reshape(-1)
        return values

    def _text(self, place: Place) -> str:
        # The place is that of the length before it.
        start = HEADER + place.start + 4
        return self._cdr[start : start + place.count].removesuffix(b'\0').decode(errors='replace')


def _python(value: np.generic, leaf: Leaf) -> bool | int | float:
    if leaf.truth:
        return bool(value)
    if leaf.dtype == 'f4':
        # The shortest decimal that means it: 0.1, not 0.10000000149.
        return float(str(value))
    plain: int | float = value.item()
    return plain


def _by_leaf(places: Sequence[Place]) -> dict[int, list[Place]]:
    found: dict[int, list[Place]] = {}
    for place in places:
        if place.leaf >= 0 and place.kind not in (Kind.END, Kind.BLOCK):
            found.setdefault(place.leaf, []).append(place)
    return found
