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

"""Golden vectors of layouts 2 and 3, whose blocks say their forms, and of dictionaries."""

from collections.abc import Callable, Sequence
from random import Random
import struct
from typing import Any

import numpy as np
from vectors.cases import (
    BOOT,
    Case,
    descriptor,
    EPOCH_NS,
    expected,
    LIVE,
    lost,
    received,
    ROBOT,
    section,
    string_cdr,
)
import zstandard

from ros_cloud_bridge.values import Received
from ros_cloud_bridge.wire import cbor
from ros_cloud_bridge.wire.batch import encode_descriptor
from ros_cloud_bridge.wire.dictionary import encode_dictionary, make_dictionary
from ros_cloud_bridge.wire.forms import Budget
from ros_cloud_bridge.wire.matrices import encode_matrix
from ros_cloud_bridge.wire.program import Definition, parse_program
from ros_cloud_bridge.wire.route_layout import RouteLayout
from ros_cloud_bridge.wire.streams import encode_streams
from ros_cloud_bridge.wire.times import Times

DICTIONARY = f'rcb/v1/{ROBOT}/dict/normal'
_TYPE = 'mine/msg/Reading'
_LINE = '=' * 80
_TEXT = (
    'builtin_interfaces/Time stamp\nstring name\nfloat64 depth\nfloat32[3] level\nint16 count\n'
    f'uint8 flag\nfloat32[] ranges\nmine/Part[] parts\n{_LINE}\nMSG: builtin_interfaces/Time\n'
    f'int32 sec\nuint32 nanosec\n{_LINE}\nMSG: mine/Part\nuint8 number\nstring label\n'
)
_KNOWN = descriptor('/reading', _TYPE)
Encode = Callable[[RouteLayout, Sequence[bytes], Times, Budget], tuple[bytes, bytes]]


def layouts() -> list[Case]:
    """
    Make the vectors that decode.

    :returns: cases
    """
    return [*_columns(), *_streams(), *_dictionaries()]


class _Cdr:
    """A message of the type above, word by word."""

    def __init__(self, little: bool, padding: Random | None = None) -> None:
        self.data = bytearray(b'\0\1\0\0' if little else b'\0\0\0\0')
        self._order = '<' if little else '>'
        self._padding = padding

    def word(self, form: str, *values: Any) -> None:
        """Add words."""
        for value in values:
            gap = -(len(self.data) - 4) % struct.calcsize(form)
            self.data += bytes(gap) if self._padding is None else self._padding.randbytes(gap)
            self.data += struct.pack(self._order + form, value)

    def text(self, text: str) -> None:
        """Add a text."""
        self.word('I', len(text) + 1)
        self.data += text.encode() + b'\0'


def _reading(
    index: int, *, little: bool = True, parts: int = 1, ranges: int = 70, dirty: bool = False
) -> Received:
    random = Random(index)
    cdr = _Cdr(little, random if dirty else None)
    source = EPOCH_NS + index * 10_000_000
    cdr.word('i', source // 10**9)
    cdr.word('I', source % 10**9 - index % 3)
    cdr.text('sonar')
    cdr.word('d', -12.5 + index * 1e-7)
    cdr.word('f', random.gauss(0, 1), round(index * 0.013, 3), float('nan') if index == 3 else 4.5)
    cdr.word('h', -5 - index)
    cdr.word('B', index // 4)
    cdr.word('I', ranges)
    cdr.word('f', *(round(2 + 0.001 * (place % 9) + index, 3) for place in range(ranges)))
    cdr.word('I', parts)
    for part in range(parts):
        cdr.word('B', part)
        cdr.text(f'part {part}')
    return received(bytes(cdr.data), index, 200 + index % 5)


def _layout() -> RouteLayout:
    return RouteLayout(parse_program(Definition(_TEXT, _TYPE).program()[0]))


def _message(
    samples: Sequence[Received], layout: int, encode: Encode, program: RouteLayout
) -> bytes:
    source = np.array([sample.source_time_ns for sample in samples])
    latency = (np.array([sample.receive_time_ns for sample in samples]) - source) // 1000
    times = Times(np.arange(1, len(samples) + 1), source, latency)
    block, bits = encode(program, [sample.cdr for sample in samples], times, Budget())
    fields = [1, encode_descriptor(_KNOWN), len(samples), 1]
    fields += [EPOCH_NS + 10**9 - int(source[0]), [], {}, layout, block]
    body = cbor.dumps([fields])
    packed = zstandard.ZstdCompressor(level=15).compress(body)
    return cbor.dumps([1, 0, BOOT, 1, EPOCH_NS + 10**9, 1, len(body), packed, bits])


def _case(
    name: str,
    about: str,
    samples: Sequence[Received],
    layout: int,
    program: RouteLayout | None = None,
) -> Case:
    encode = encode_matrix if layout == 2 else encode_streams
    part = section(samples, described=_KNOWN, totals={})
    message = _message(samples, layout, encode, program or _layout())
    return Case(name, about, [(LIVE, message)], expected(part, _KNOWN), [lost(len(samples))])


def _columns() -> list[Case]:
    few = [_reading(index) for index in range(2)]
    many = [_reading(index) for index in range(60)]
    words = RouteLayout(parse_program(b'\x12\x02\x10\x05'))
    plain = [
        received(
            b'\0\1\0\0' + struct.pack('<II', 7, 1000 * index) + b'tail%d' % (index % 7), index
        )
        for index in range(9)
    ]
    return [
        _case('columns', 'layout 2: words at the same places', many, 2),
        _case('two rows', 'layout 2 with the fewest samples', few, 2),
        _case(
            'columns, big-endian',
            'layout 2 with words in the other order',
            [_reading(index, little=False) for index in range(20)],
            2,
        ),
        _case(
            'dirty padding',
            'layout 2 with padding that is not zero',
            [_reading(index, dirty=True) for index in range(20)],
            2,
        ),
        _case('guessed columns', 'layout 2 of a program that is not the type', plain, 2, words),
    ]


def _streams() -> list[Case]:
    def uneven(**options: Any) -> list[Received]:
        return [
            _reading(index, parts=index % 3, ranges=index % 4, **options) for index in range(30)
        ]

    text = RouteLayout(parse_program(b'\x01'))
    texts = [received(string_cdr('tick' * (index % 5)) + bytes(index % 2)) for index in range(8)]
    return [
        _case('streams', 'layout 3: lengths and counts that differ', uneven(), 3),
        _case('streams, big-endian', 'layout 3 in the other order', uneven(little=False), 3),
        _case('streams with padding', 'layout 3 with its flag 1', uneven(dirty=True), 3),
        _case('streams with tails', 'layout 3 with its flag 2', texts, 3, text),
        _case('one stream', 'layout 3 of one sample', [_reading(3)], 3),
    ]


def _dictionaries() -> list[Case]:
    known = descriptor()
    one = section([received(string_cdr('to be repeated, again and again'))], described=known)
    fields = [1, encode_descriptor(known), 1, 1, 10**9, [250, 0, 40, 0], {}, 0]
    body = cbor.dumps([[*fields, one.samples[0].cdr]])
    dictionary = make_dictionary(body[:-4])
    frame = dictionary.compress(body, 15)
    batch = cbor.dumps(
        [1, 0, BOOT, 1, EPOCH_NS + 10**9, 2, len(body), frame, b'', dictionary.name]
    )
    announced = (DICTIONARY, encode_dictionary(dictionary))
    unknown = cbor.dumps([1, 0, BOOT, 1, EPOCH_NS + 10**9, 2, len(body), frame, b'', b'none'])
    samples, losses = expected(one, known), [lost(1)]
    return [
        Case(
            'dictionary', 'a batch that refers to a dictionary', [announced, (LIVE, batch)],
            samples, losses,
        ),
        Case(
            'late dictionary', 'a batch that comes before its dictionary',
            [(LIVE, batch), announced], samples, losses,
        ),
        Case(
            'unknown dictionary', 'a batch whose dictionary does not come is kept',
            [announced, (LIVE, unknown)],
        ),
    ]  # fmt: skip


def bad_layouts() -> list[Case]:
    """
    Make the vectors whose last message is refused.

    :returns: cases
    """
    head = [1, 0, BOOT, 1, EPOCH_NS]

    def bad(name: str, about: str, layout: int, block: bytes, bits: bytes = b'') -> Case:
        section_fields: list[object] = [1, None, 2, 1, 10, [], None, layout, block]
        body = cbor.dumps([section_fields])
        message = cbor.dumps([*head, 0, len(body), body, bits])
        return Case(name, about, [(LIVE, message)], error=True)

    times = b'\0\2\0\2\0\2'
    matrix = b'\2\x12\1' + b'\x08' + times + b'\0\1\0\0' + bytes(4)
    streams = b'\0\2\x12\1' + b'\0\1\0\0' + times
    body = cbor.dumps([[1, None, 1, 1, 10, [0, 0, 4, 0], None, 0, b'abcd']])
    frame = zstandard.ZstdCompressor().compress(body)
    content = zstandard.ZstdCompressor().compress(bytes(100))
    return [
        bad('matrix without mask', 'a block that ends too early', 2, matrix),
        bad('matrix and more', 'a byte behind a block', 2, matrix + b'\0\0'),
        bad('left-over bits', 'packed numbers that nothing reads', 2, matrix + b'\0', b'\0'),
        bad('missing bits', 'packed numbers that are not there', 2, matrix + b'\1\0\x20'),
        bad('another program', 'a template that does not fit', 2,
            b'\2\x13\5' + matrix[3:] + b'\0'),
        bad('endless program', 'a loop without an end', 3, b'\0\1\3\0\1\0\0' + times),
        bad('deep program', 'nine loops in each other', 3,
            b'\0\x14' + b'\3' * 9 + b'\x10\1' + bytes(9) + b'\0\1\0\0' + times),
        bad('huge sequence', 'four billion words, all the same', 3,
            b'\0\1\x23\0\1\0\0' + times + b'\x80\x80\x80\x80\x10\0' + bytes(8)),
        bad('65 bits', 'numbers of more than 64 bits', 3, streams + b'\1' + bytes(4) + b'\0\x41'),
        bad('unknown form', 'a form that there is not', 3, streams + b'\1' + bytes(4) + b'\x80\0'),
        bad('unknown flag', 'a flag that there is not', 3, b'\4' + streams[1:] + b'\0' + bytes(4)),
        Case('nameless dictionary', 'codec 2 without a dictionary',
             [(LIVE, cbor.dumps([*head, 2, len(body), frame, b'']))], error=True),
        Case('needless dictionary', 'a dictionary that is not needed',
             [(LIVE, cbor.dumps([*head, 1, len(body), frame, b'', b'abcd']))], error=True),
        Case('renamed dictionary', 'a dictionary of another name than its content',
             [(DICTIONARY, cbor.dumps([1, b'abcd', 100, content]))], error=True),
        Case('huge dictionary', 'a dictionary of more than 64 KiB',
             [(DICTIONARY, cbor.dumps([1, b'abcd', 65537, content]))], error=True),
    ]  # fmt: skip
