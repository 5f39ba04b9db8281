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
Where the fields of a message stand in its CDR.

A type's definition is compiled once; a message is walked once per layout, for messages whose
strings and sequences have the same lengths as before are recognised by those lengths. Positions
are relative to the byte behind the encapsulation header, as CDR's alignment is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from fnmatch import fnmatchcase
import re
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.errors import ProtocolError

HEADER = 4
MAX_EVENTS = 1 << 18
_MAX_CACHED_COUNTS = 4096
_CACHED = 8
_MAX_MEMBERS = 4096
_SEPARATOR = re.compile(r'^={80}\n', re.MULTILINE)
_MEMBER = re.compile(
    r'(?P<type>[A-Za-z][\w/]*)(?:<=\d+)?(?P<array>\[(?:<=)?\d*\])?\s+(?P<name>\w+)(?P<rest>.*)'
)
_NUMBERS = {
    'bool': 'u1',
    'byte': 'u1',
    'char': 'u1',
    **{f'uint{8 * size}': f'u{size}' for size in (1, 2, 4, 8)},
    **{f'int{8 * size}': f'i{size}' for size in (1, 2, 4, 8)},
    'float32': 'f4',
    'float64': 'f8',
}
TEXT = 'text'
WIDE_TEXT = 'wide text'
LOOP = 'loop'
# Bytes of a wide character: Fast DDS writes four, Cyclone DDS two.
_WIDE = (4, 2)
# A message with wide text must end here, or it was read with the wrong width.
_MOST_PADDING = 8


class Kind(IntEnum):
    """Kind of a place in a message."""

    NUMBERS = 0
    COUNT = 1
    TEXT = 2
    LOOP = 3
    END = 4
    BLOCK = 5


@dataclass(frozen=True, slots=True)
class Leaf:
    """
    A field that holds values itself, or a sequence of messages.

    :param path: as in ``pose.pose.position.x``; the same for all members of an array
    :param dtype: numpy's of its numbers, ``text``, ``wide text``, or ``loop`` for an array or a
        sequence of anything else
    :param stamp: whether it is a part of a point in time
    :param truth: whether its numbers are true or false
    """

    path: str
    dtype: str
    stamp: bool = False
    truth: bool = False

    @property
    def size(self) -> int:
        """Bytes of one value."""
        return int(self.dtype[1]) if self.dtype[0] in 'fiu' else 1

    @property
    def is_float(self) -> bool:
        """Whether it holds floating-point numbers."""
        return self.dtype[0] == 'f'

    def matches(self, pattern: str) -> bool:
        """
        Tell whether a pattern means this field, or one that it is a part of.

        :param pattern: a glob over whole paths, as in ``pose.*`` or ``*covariance``
        :returns: whether it does
        """
        names = self.path.split('.')
        return any(
            fnmatchcase('.'.join(names[:count]), pattern) for count in range(1, len(names) + 1)
        )


@dataclass(frozen=True, slots=True)
class Place:
    """
    Something in a message, in its order.

    :param kind: NUMBERS, and the count of a sequence, a string or a loop before what it counts;
        END closes a loop; BLOCK comes before the numbers of a loop whose members have one extent,
        with its bytes as ``count`` and its alignment as ``stride``
    :param leaf: number of the field
    :param start: position of the first byte
    :param count: how many numbers, what the count says, or how many bytes the text has
    :param stride: bytes from one group of numbers to the next; 0 when they stand side by side
    :param groups: how many groups of ``count`` numbers
    """

    kind: Kind
    leaf: int = -1
    start: int = 0
    count: int = 0
    stride: int = 0
    groups: int = 1


@dataclass(slots=True, eq=False)
class Walk:
    """
    One layout of a type's messages.

    :param little: whether numbers are little-endian
    :param size: bytes of a message, its encapsulation header included
    :param places: what stands where
    :param end: position behind the last value
    """

    little: bool
    size: int
    places: list[Place]
    end: int
    # Where the counts stand, as one format, and what they are.
    _reader: struct.Struct | None
    _counts: tuple[int, ...]
    # What reducers have worked out for this layout.
    memo: dict[object, Any] = field(default_factory=dict)

    @property
    def order(self) -> str:
        """Byte order, as numpy and struct write it."""
        return '<' if self.little else '>'

    def fits(self, cdr: bytes) -> bool:
        """
        Tell whether another message has this layout.

        :param cdr: a message of the same type
        :returns: whether all its counts are the same
        """
        reader = self._reader
        return (
            reader is not None
            and len(cdr) == self.size
            and (cdr[1] & 1) == self.little
            and reader.unpack_from(cdr, HEADER) == self._counts
        )

    def positions(self, leaf: int, size: int) -> NDArray[np.int64]:
        """
        Find a field's numbers.

        :param leaf: number of the field
        :param size: bytes of one number
        :returns: where each stands, bytes
        """
        found = [
            _positions(place, size)
            for place in self.places
            if place.kind is Kind.NUMBERS and place.leaf == leaf
        ]
        return np.concatenate(found) if found else np.zeros(0, np.int64)


def _positions(place: Place, size: int) -> NDArray[np.int64]:
    row = place.start + size * np.arange(place.count, dtype=np.int64)
    if place.groups == 1:
        return row
    groups = place.stride * np.arange(place.groups, dtype=np.int64)
    return (groups[:, None] + row[None, :]).ravel()


def check_plain(cdr: bytes) -> None:
    """
    Check a message's encapsulation header.

    :param cdr: the message
    :raises ProtocolError: unless it is plain CDR, of either byte order
    """
    if len(cdr) < HEADER or cdr[0] != 0 or cdr[1] not in (0, 1):
        raise ProtocolError('not a message in plain CDR')


@dataclass(frozen=True, slots=True)
class _Node:
    """
    A step of the walk.

    A loop with a ``stride`` has parts of fixed size: (leaf, offset, count) each, that repeat.
    """

    kind: Kind
    leaf: int
    align: int = 1
    size: int = 1
    # Of an array; 0 for what has a count of its own.
    count: int = 0
    body: tuple['_Node', ...] = ()
    stride: int = 0
    extent: int = 0
    parts: tuple[tuple[int, int, int], ...] = ()


class Layout:
    """
    The layout of one type.

    :param type_name: as in ``sensor_msgs/msg/Imu``
    :param definition: complete ``ros2msg`` text
    :raises ValueError: when the definition cannot be read
    """

    def __init__(self, type_name: str, definition: str) -> None:
        self.leaves: list[Leaf] = []
        self._types = _parse(definition, type_name)
        self._has_wide_text = False
        self._nodes = tuple(self._compile(_short(type_name), '', 0))
        self._walks: list[Walk] = []

    def find(self, pattern: str) -> list[int]:
        """
        Find fields.

        :param pattern: see :meth:`Leaf.matches`
        :returns: their numbers
        """
        return [number for number, leaf in enumerate(self.leaves) if leaf.matches(pattern)]

    def walk(self, cdr: bytes) -> Walk:
        """
        Find out where everything stands in a message.

        :param cdr: serialized message
        :returns: its layout; the same object for messages of the same layout, in a row
        :raises ProtocolError: when it does not fit the type
        """
        check_plain(cdr)
        walks = self._walks
        for index, walk in enumerate(walks):
            if walk.fits(cdr):
                if index:
                    walks.insert(0, walks.pop(index))
                return walk
        walk = self._walk_anew(cdr)
        walks.insert(0, walk)
        del walks[_CACHED:]
        return walk

    def _walk_anew(self, cdr: bytes) -> Walk:
        if not self._has_wide_text:
            return _Walker(cdr).walk(self._nodes)
        for wide in _WIDE:
            try:
                walk = _Walker(cdr, wide).walk(self._nodes)
            except ProtocolError:
                continue
            if len(cdr) - HEADER - walk.end < _MOST_PADDING:
                return walk
        raise ProtocolError('a message with wide text that does not fit its type')

    def _leaf(self, path: str, dtype: str, stamp: bool = False, truth: bool = False) -> int:
        self.leaves.append(Leaf(path, dtype, stamp, truth))
        if len(self.leaves) > _MAX_MEMBERS:
            raise ValueError(f'has more than {_MAX_MEMBERS} members')
        return len(self.leaves) - 1

    def _compile(self, type_name: str, prefix: str, depth: int) -> list[_Node]:
        members = self._types.get(type_name)
        if members is None:
            raise ValueError(f'no definition of {type_name}')
        if depth > 32:
            raise ValueError(f'{type_name} is nested too deeply')
        stamp = type_name == 'builtin_interfaces/Time'
        nodes: list[_Node] = []
        for kind, array, name in members or [
            ('uint8', None, 'structure_needs_at_least_one_member')
        ]:
            nodes += self._member(kind, array, prefix + name, stamp, depth)
        return nodes

    def _member(
        self, kind: str, array: int | None, path: str, stamp: bool, depth: int
    ) -> list[_Node]:
        dtype = _NUMBERS.get(kind)
        if dtype is not None:
            leaf = self._leaf(path, dtype, stamp, kind == 'bool')
            size = int(dtype[1])
            if array == 0:
                return [_Node(Kind.COUNT, leaf, size, size)]
            return [_Node(Kind.NUMBERS, leaf, size, size, array or 1)]
        if array is None:
            return self._single(kind, path, depth)
        leaf = self._leaf(path, LOOP)
        body = tuple(self._single(kind, path, depth))
        return [_loop(leaf, array, body)]

    def _single(self, kind: str, path: str, depth: int) -> list[_Node]:
        if kind == 'string':
            return [_Node(Kind.TEXT, self._leaf(path, TEXT))]
        if kind == 'wstring':
            self._has_wide_text = True
            return [_Node(Kind.TEXT, self._leaf(path, WIDE_TEXT), size=0)]
        return self._compile(_short(kind), f'{path}.', depth + 1)


def _loop(leaf: int, array: int, body: tuple[_Node, ...]) -> _Node:
    """Make a loop; one whose body has the same extent each time needs no walk of its own."""
    plain = _Node(Kind.LOOP, leaf, count=array, body=body)
    if any(node.kind is not Kind.NUMBERS for node in body):
        return plain
    align = max(node.align for node in body)
    if body[0].align != align:
        return plain
    parts = []
    position = 0
    for node in body:
        position += -position % node.align
        parts.append((node.leaf, position, node.count))
        position += node.count * node.size
    return _Node(
        Kind.LOOP,
        leaf,
        align,
        1,
        array,
        body,
        position + -position % align,
        position,
        tuple(parts),
    )


class _Walker:
    """Walks one message."""

    def __init__(self, cdr: bytes, wide: int = 1) -> None:
        self._wide = wide
        self._body = memoryview(cdr)[HEADER:]
        self._little = cdr[1] == 1
        self._count = struct.Struct('<I' if self._little else '>I')
        self._size = len(cdr)
        self._places: list[Place] = []
        self._counts: list[tuple[int, int]] = []

    def walk(self, nodes: Sequence[_Node]) -> Walk:
        """
        Walk it.

        :param nodes: the type's
        :returns: its layout
        :raises ProtocolError: when it does not fit
        """
        end = self._steps(nodes, 0)
        return Walk(
            self._little,
            self._size,
            self._places,
            end,
            self._reader(),
            tuple(value for _, value in self._counts),
        )

    def _reader(self) -> struct.Struct | None:
        if len(self._counts) > _MAX_CACHED_COUNTS:
            return None
        parts = ['<' if self._little else '>']
        behind = 0
        for position, _ in self._counts:
            parts.append(f'{position - behind}xI' if position > behind else 'I')
            behind = position + 4
        return struct.Struct(''.join(parts))

    def _steps(self, nodes: Sequence[_Node], position: int) -> int:
        for node in nodes:
            if node.kind is Kind.NUMBERS:
                position += -position % node.align
                self._add(Place(Kind.NUMBERS, node.leaf, position, node.count))
                position += node.count * node.size
            elif node.kind is Kind.TEXT:
                length, position = self._read_count(position, node.leaf, Kind.TEXT, node.size)
                position += length
            elif node.kind is Kind.COUNT:
                count, position = self._read_count(position, node.leaf, Kind.COUNT)
                if count:
                    position += -position % node.align
                    self._add(Place(Kind.NUMBERS, node.leaf, position, count))
                    position += count * node.size
            else:
                position = self._repeat(node, position)
            if position > len(self._body):
                raise ProtocolError('a message that ends within a field')
        return position

    def _repeat(self, node: _Node, position: int) -> int:
        count = node.count
        if count:
            # An array has no count on the wire.
            self._add(Place(Kind.LOOP, node.leaf, -1, count))
        else:
            count, position = self._read_count(position, node.leaf, Kind.LOOP)
        if count > len(self._body):
            raise ProtocolError('a sequence longer than its message')
        if count and node.stride:
            position += -position % node.align
            extent = (count - 1) * node.stride + node.extent
            self._add(Place(Kind.BLOCK, node.leaf, position, extent, node.align))
            for leaf, offset, numbers in node.parts:
                start = position + offset
                self._add(Place(Kind.NUMBERS, leaf, start, numbers, node.stride, count))
            position += extent
        else:
            for _ in range(count):
                position = self._steps(node.body, position)
        self._add(Place(Kind.END, node.leaf, position, count))
        return position

    def _read_count(self, position: int, leaf: int, kind: Kind, size: int = 1) -> tuple[int, int]:
        """Read a count; of wide text (``size`` 0) give the bytes that it counts."""
        position += -position % 4
        if position + 4 > len(self._body):
            raise ProtocolError('a message that ends within a count')
        (count,) = self._count.unpack_from(self._body, position)
        self._counts.append((position, count))
        count *= size or self._wide
        self._add(Place(kind, leaf, position, count))
        return count, position + 4

    def _add(self, place: Place) -> None:
        self._places.append(place)
        if len(self._places) > MAX_EVENTS:
            raise ProtocolError('a message of too many parts')


def _parse(text: str, type_name: str) -> dict[str, list[tuple[str, int | None, str]]]:
    root, *rest = _SEPARATOR.split(text)
    types = {_short(type_name): _members(root)}
    for part in rest:
        line, _, body = part.partition('\n')
        types[_short(line.removeprefix('MSG:').strip())] = _members(body)
    return types


def _members(text: str) -> list[tuple[str, int | None, str]]:
    members: list[tuple[str, int | None, str]] = []
    for line in text.splitlines():
        content = line.partition('#')[0].strip()
        if not content:
            continue
        found = _MEMBER.fullmatch(content)
        if found is None:
            raise ValueError(f'not a line of a message definition: {content[:80]!r}')
        if found['rest'].lstrip().startswith('='):
            continue
        array = found['array']
        size = None
        if array is not None:
            size = int(array[1:-1]) if array[1:-1].isdigit() else 0
        members.append((found['type'], size, found['name']))
    return members


def _short(name: str) -> str:
    for word in ('/msg/', '/srv/', '/action/'):
        name = name.replace(word, '/')
    return name
