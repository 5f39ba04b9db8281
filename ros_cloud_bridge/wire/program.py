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
Layout programs: how a message's CDR falls into columns, without its schema.

A program is a byte string that the encoder derives from a type's definition and sends in each
section that needs it; who decodes needs no schema. It is a list of operations:

====  ======================  =================================================================
0x00  end                     of a loop's body
0x01  text                    uint32 length, then that many bytes
0x02  stamp                   int32 seconds, uint32 nanoseconds below 10**9
0x03  loop                    uint32 count, then the body as often
0x04  array, varint n         the body n times
0x1t  words, varint n         n words of type t
0x2t  sequence                uint32 count, then as many words of type t
====  ======================  =================================================================

t: lowest two bits the word's size as a power of 2, then 0 unsigned, 4 signed, 8 floating point.
Words are aligned as in CDR, to their size, behind the four bytes of the encapsulation header.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
import re

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire.varint import read_varint, write_varint

MAX_PROGRAM = 4096
# Depth of nested loops, and words of one operation.
MAX_DEPTH = 8
MAX_WORDS = 1 << 20
# Words that stand side by side in each sample become a column each, up to so many.
WIDE = 64


class Op(IntEnum):
    """Kind of an operation."""

    END = 0x00
    TEXT = 0x01
    STAMP = 0x02
    LOOP = 0x03
    ARRAY = 0x04
    WORDS = 0x10
    SEQUENCE = 0x20


@dataclass(frozen=True, slots=True)
class Step:
    """
    One operation.

    :param op: its kind
    :param leaf: number of its first leaf; lengths and counts have a leaf before their values
    :param word: type of its words
    :param count: how many, of ``WORDS`` and ``ARRAY``
    :param body: of ``LOOP`` and ``ARRAY``
    """

    op: Op
    leaf: int
    word: int = 0
    count: int = 1
    body: tuple['Step', ...] = ()

    @property
    def width(self) -> int:
        """Bytes of a word."""
        return int(1 << (self.word & 3))


@dataclass(frozen=True, slots=True)
class Program:
    """
    A parsed program.

    :param code: its bytes
    :param steps: its operations
    :param leaves: how many streams it splits samples into
    """

    code: bytes
    steps: tuple[Step, ...]
    leaves: int

    def walk(self) -> Iterator[Step]:
        """
        Go through all operations.

        :returns: each before its body
        """
        todo = list(reversed(self.steps))
        while todo:
            step = todo.pop()
            yield step
            todo.extend(reversed(step.body))


_WORD_BIT = {0: 'u', 4: 'i', 8: 'f'}


def word_kind(word: int) -> str:
    """
    Say what a word holds.

    :param word: its type in a program
    :returns: ``u``, ``i`` or ``f``
    """
    return _WORD_BIT[word & 12]


def parse_program(code: bytes) -> Program:
    """
    Read a program.

    :param code: its bytes
    :returns: the program
    :raises ProtocolError: when it is malformed or over a limit
    """
    if len(code) > MAX_PROGRAM:
        raise ProtocolError(f'a layout program has at most {MAX_PROGRAM} bytes')
    position = 0
    leaf = 0
    bodies: list[list[Step]] = [[]]
    open_loops: list[tuple[Op, int, int]] = []
    while position < len(code):
        byte = code[position]
        position += 1
        op, word = Op.END, 0
        if byte & 0xF0 in (Op.WORDS, Op.SEQUENCE):
            op, word = Op(byte & 0xF0), byte & 0x0F
            if word & 12 == 12 or (word & 12 == 8 and word & 3 < 2):
                raise ProtocolError(f'no such word in a layout program: {byte}')
        elif byte <= Op.ARRAY:
            op = Op(byte)
        else:
            raise ProtocolError(f'no such operation in a layout program: {byte}')
        count = 1
        if op in (Op.WORDS, Op.ARRAY):
            count, position = read_varint(code, position)
            if not 1 <= count <= MAX_WORDS:
                raise ProtocolError('a layout program repeats nothing that often')
        if op is Op.END:
            if not open_loops or not bodies[-1]:
                raise ProtocolError('a layout program ends a loop that has not begun, or is empty')
            kind, first, repeats = open_loops.pop()
            body = tuple(bodies.pop())
            bodies[-1].append(Step(kind, first, 0, repeats, body))
        elif op in (Op.LOOP, Op.ARRAY):
            open_loops.append((op, leaf, count))
            bodies.append([])
            leaf += op is Op.LOOP
            if len(open_loops) > MAX_DEPTH:
                raise ProtocolError(f'a layout program nests at most {MAX_DEPTH} loops')
        else:
            bodies[-1].append(Step(op, leaf, word, count))
            leaf += 2 if op in (Op.TEXT, Op.SEQUENCE) else 1
    if open_loops or not bodies[0]:
        raise ProtocolError('a layout program is empty, or ends within a loop')
    return Program(code, tuple(bodies[0]), leaf)


_SEPARATOR = re.compile(r'^={80}\n', re.MULTILINE)
_LINE = re.compile(
    r'(?P<type>[A-Za-z][\w/]*)(?:<=\d+)?(?P<array>\[(?:<=)?\d*\])?\s+(?P<name>\w+)(?P<rest>.*)'
)
_PRIMITIVES = {
    'bool': 0x0,
    'byte': 0x0,
    'char': 0x0,
    'uint8': 0x0,
    'uint16': 0x1,
    'uint32': 0x2,
    'uint64': 0x3,
    'int8': 0x4,
    'int16': 0x5,
    'int32': 0x6,
    'int64': 0x7,
    'float32': 0xA,
    'float64': 0xB,
}
_STAMPS = ('builtin_interfaces/Time', 'builtin_interfaces/Duration')
_MAX_MEMBERS = 4096


@dataclass(frozen=True, slots=True)
class _Member:
    type_name: str
    # None for one value, 0 for a sequence, else the length of an array.
    array: int | None
    name: str


class Definition:
    """
    A type's members, from ``ros2msg`` text.

    :param text: as a schema has it
    :param type_name: as in ``sensor_msgs/msg/Imu``
    :raises ValueError: when it cannot be read, or has more than a program can say
    """

    def __init__(self, text: str, type_name: str) -> None:
        self._types: dict[str, list[_Member]] = {}
        root, *rest = _SEPARATOR.split(text)
        self._root = _short(type_name)
        self._types[self._root] = _members(root)
        for part in rest:
            line, _, body = part.partition('\n')
            self._types[_short(line.removeprefix('MSG:').strip())] = _members(body)

    def program(self) -> tuple[bytes, list[str]]:
        """
        Derive the layout program.

        :returns: its code, and the name of each word and stream in the order of the program, as in
            ``header.frame_id``
        """
        code = self._written()
        return bytes(code.code), code.names

    def types(self) -> dict[str, str]:
        """
        Say which type each word and stream has, which a program does not tell all of.

        :returns: by name, as in ``bool``, ``string`` or ``builtin_interfaces/Time``
        """
        return self._written().types

    def _written(self) -> '_Writer':
        code = _Writer()
        self._write(code, self._root, '', 0)
        code.flush()
        return code

    def _write(self, code: '_Writer', type_name: str, prefix: str, depth: int) -> None:
        if depth > 32:
            raise ValueError(f'{type_name} is nested too deeply')
        members = self._types.get(type_name)
        if members is None:
            raise ValueError(f'no definition of {type_name}')
        if not members:
            code.words(0x0, 1, [f'{prefix}structure_needs_at_least_one_member'])
        for member in members:
            name = prefix + member.name
            word = _PRIMITIVES.get(member.type_name)
            code.member_type = member.type_name
            if member.array is None:
                if word is not None:
                    code.words(word, 1, [name])
                else:
                    self._single(code, member.type_name, name, depth)
            elif word is not None and member.array:
                names = [f'{name}[{index}]' for index in range(min(member.array, WIDE))]
                code.words(word, member.array, names if member.array <= WIDE else [name])
            elif word is not None:
                code.op(0x20 | word, [name])
            else:
                head = (
                    bytes([Op.ARRAY]) + write_varint(member.array)
                    if member.array
                    else bytes([Op.LOOP])
                )
                code.raw(head)
                self._single(code, member.type_name, name + '[]', depth)
                code.raw(bytes([Op.END]))

    def _single(self, code: '_Writer', type_name: str, name: str, depth: int) -> None:
        if type_name == 'string':
            code.op(Op.TEXT, [name])
        elif type_name == 'wstring':
            code.op(0x21, [name])
        elif _short(type_name) in _STAMPS:
            code.op(Op.STAMP, [name])
        else:
            self._write(code, _short(type_name), name + '.', depth + 1)


class _Writer:
    """Writes operations, and merges words that stand side by side."""

    def __init__(self) -> None:
        self.code = bytearray()
        self.names: list[str] = []
        self.types: dict[str, str] = {}
        self.member_type = 'uint8'
        self._word = -1
        self._count = 0

    def words(self, word: int, count: int, names: Sequence[str]) -> None:
        """Add words of one type."""
        if word != self._word or self._count + count > WIDE:
            self.flush()
        self._word = word
        self._count += count
        self._add(names)

    def op(self, op: int, names: Sequence[str]) -> None:
        """Add an operation of one byte."""
        self.raw(bytes([op]))
        self._add(names)

    def raw(self, code: bytes) -> None:
        """Add code."""
        self.flush()
        self.code += code
        if len(self.code) > MAX_PROGRAM:
            raise ValueError('the type has more members than a layout program can say')

    def flush(self) -> None:
        """Write the words that were collected."""
        if self._count:
            word, count = self._word, self._count
            self._word, self._count = -1, 0
            self.raw(bytes([0x10 | word]) + write_varint(count))

    def _add(self, names: Sequence[str]) -> None:
        self.names += names
        self.types.update(dict.fromkeys(names, self.member_type))
        if len(self.names) > MAX_PROGRAM:
            raise ValueError('the type has more members than a layout program can say')


def _members(text: str) -> list[_Member]:
    members = []
    for line in text.splitlines():
        content = line.partition('#')[0].strip()
        if not content:
            continue
        found = _LINE.fullmatch(content)
        if found is None:
            raise ValueError(f'not a line of a message definition: {content[:80]!r}')
        if found['rest'].lstrip().startswith('='):
            continue
        array = found['array']
        size = None
        if array is not None:
            size = int(array[1:-1]) if array[1:-1].isdigit() else 0
        members.append(_Member(found['type'], size, found['name']))
        if len(members) > _MAX_MEMBERS:
            raise ValueError('a definition with too many members')
    return members


def _short(name: str) -> str:
    return name.replace('/msg/', '/')


def plain_program(size: int) -> bytes:
    """
    Make a program for samples of which nothing is known but their common length.

    :param size: bytes of a sample with its encapsulation header, more than four
    :returns: code of a program of 32-bit words, then bytes
    """
    words, rest = divmod(size - 4, 4)
    code = bytearray()
    while words:
        count = min(words, WIDE) if words <= 4 * WIDE else words
        code += b'\x12' + write_varint(count)
        words -= count
    if rest:
        code += b'\x10' + write_varint(rest)
    return bytes(code)
