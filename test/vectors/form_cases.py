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

"""Golden vectors of the reducers' compact forms: what was written, and the message that it is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
import math
from random import Random
import struct
from typing import Any
from unittest import mock

import numpy as np
from vectors.cases import batch, Case, expected, LIVE, lost, received, section

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers import cloud_forms, depth, grids, laser
from ros_cloud_bridge.reducers.clouds_message import read_cloud
from ros_cloud_bridge.reducers.interface import Level, RememberingKind, Restorer
from ros_cloud_bridge.reducers.registry import find, restore_with
from ros_cloud_bridge.wire.batch import Descriptor
from support import sensor_messages as make

_MIXED = (
    ('flag', 0, 2, 1),
    ('ring', 2, 4, 1),
    ('delta', 4, 3, 1),
    ('tag', 6, 1, 1),
    ('time', 8, 6, 1),
    ('level', 12, 5, 1),
    ('normal', 16, 7, 3),
    ('range', 32, 8, 1),
)
_MIXED_STEP = 40
_DOUBLES = (('x', 0, 8, 1), ('y', 8, 8, 1), ('z', 16, 8, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class FormCase:
    """What a reducer wrote for one route, in order, and what a restorer makes of each."""

    name: str
    about: str
    form: str
    data: Sequence[bytes]

    def document(self) -> dict[str, Any]:
        """
        Write the case as it stands in the file.

        :returns: JSON-able
        """
        restored = restored_each(self.form, self.data)
        samples = [
            {'data': data.hex(), **({'expect': 'error'} if cdr is None else {'cdr': cdr.hex()})}
            for data, cdr in zip(self.data, restored, strict=True)
        ]
        return {'name': self.name, 'about': self.about, 'form': self.form, 'samples': samples}


def restored_each(form: str, data: Iterable[bytes]) -> list[bytes | None]:
    """
    Restore what one route sent.

    :param form: of the route
    :param data: what its reducer wrote, in order
    :returns: a message for each; None where it is refused
    """
    kind = find(form.partition('/')[0])
    restorer: Restorer = kind.restorer() if isinstance(kind, RememberingKind) else kind
    messages: list[bytes | None] = []
    for sample in data:
        try:
            messages.append(restore_with(restorer, form, sample))
        except ProtocolError:
            messages.append(None)
    return messages


def forms() -> list[FormCase]:
    """
    Make all vectors of forms.

    :returns: cases
    """
    return [*_clouds(), *_scans(), *_depths(), *_grids(), *_refused()]


def _earlier_scan(cdr: bytes, options: dict[str, str] | None = None) -> bytes:
    """Write a scan as it was written before its ranges stood in steps."""

    def floats(writer: Any, ranges: Any, resolution_m: float, apart: Any) -> None:
        writer.floats(ranges, 0, 1.0 / resolution_m, apart)

    with mock.patch.object(laser, 'write_ranges', floats):
        return _reduced('laser_quantize', cdr, {'resolution': '0.005', **(options or {})})


def routed() -> list[Case]:
    """
    Make the vectors of routes whose samples are in a form.

    :returns: cases
    """
    scans = [
        _earlier_scan(make.scan([1.0 + 0.01 * index * step for index in range(9)]))
        for step in range(2)
    ]
    maps = [make.grid(_cells(8, 6, seen)) for seen in (4, 6)]
    reducer = grids.GridKind().make(make.GRID, '', {}, 1 << 26)
    written = [reducer.reduce(cdr, Level.FULL) for cdr in maps]
    foreign = [b'whatever their reducer writes']
    return [
        _routed(
            'route of a form',
            'samples are what the reducer wrote; each restores by itself',
            ('/scan', make.SCAN, laser.EARLIER_FORM),
            scans,
        ),
        _routed(
            'route of differences',
            'the second restores with the first',
            ('/map', make.GRID, grids.FORM),
            written,
        ),
        _routed(
            'unknown form',
            'is handed on as it came, and restored by nobody',
            ('/theirs', 'a/msg/A', 'theirs/3'),
            foreign,
        ),
    ]


def _routed(name: str, about: str, route: tuple[str, str, str], written: list[bytes]) -> Case:
    topic, type_name, form = route
    known = Descriptor(stream='all', topic=topic, type_name=type_name, schema_id='', form=form)
    samples = [received(data, index) for index, data in enumerate(written)]
    part = section(samples, described=known, totals={})
    try:
        restored = restored_each(form, written)
    except ValueError:
        restored = [None] * len(written)
    return Case(
        name,
        about,
        [(LIVE, batch(part))],
        expected(part, known),
        [lost(len(samples))],
        restored=[None if cdr is None else cdr.hex() for cdr in restored],
    )


def _reduced(
    name: str, cdr: bytes, options: dict[str, str] | None = None, level: Level = Level.FULL
) -> bytes:
    kind: Any = find(name)
    written = kind.make(kind.types[0], '', options or {}, 1 << 26).reduce(cdr, level)
    return bytes(written)


def _rings(count: int, random: Random, beams: int = 4) -> list[tuple[float, ...]]:
    """Look around with a few beams at a wall with corners; intensities are whole numbers."""
    points: list[tuple[float, ...]] = []
    for index in range(count):
        angle = 2 * math.pi * beams * index / count
        distance = 9.0 + 3.0 * math.sin(3 * angle) + 0.01 * random.random()
        rise = math.tan(math.radians(-9.0 + 3.0 * (index * beams // count)))
        points.append(
            (
                distance * math.cos(angle),
                distance * math.sin(angle),
                distance * rise,
                float(random.randrange(40)),
            )
        )
    return points


def _clouds() -> list[FormCase]:
    random = Random(11)
    spread: list[tuple[float, ...]] = [
        tuple(random.uniform(-40, 40) for _ in range(4)) for _ in range(300)
    ]
    rings = _rings(640, random)
    odd = [
        (math.nan, *point[1:])
        if index % 97 == 5
        else (3e38, -math.inf, *point[2:])
        if index % 97 == 6
        else point
        for index, point in enumerate(rings)
    ]
    picture = [
        (math.nan,) * 3 + (0.5,) if 20 < index % 48 < 26 else point
        for index, point in enumerate(_rings(384, random))
    ]
    # Of this resolution they take more than 32 bits.
    far = [(4e6 + 1e-6 * index, -4e6, 1e-9 * index) for index in range(40)]
    doubles = np.asarray(far, '<f8').tobytes()
    colours = [
        struct.pack(
            '<BxHhbxIi3f4xd',
            index & 1,
            random.choice((0, 900, 17_000, 65_535)),
            -300 + 7 * index,
            index % 100 - 50,
            1_000_000 * index,
            random.randrange(-(1 << 31), 1 << 31),
            *(random.random() for _ in range(3)),
            round(0.25 * index, 2),
        )
        for index in range(600)
    ]

    def case(name: str, about: str, *data: bytes) -> FormCase:
        return FormCase(name=name, about=about, form=cloud_forms.FORM, data=data)

    def written(cdr: bytes, turns: bool) -> bytes:
        return cloud_forms.write_form(read_cloud(cdr), 1000.0, {}, turns)

    mixed = make.cloud(b''.join(colours), 600, step=_MIXED_STEP, fields=_MIXED)
    return [
        case('cloud', 'points without order', written(make.xyzi(spread), False)),
        case('turned cloud', 'x, y and z as turned steps', written(make.xyzi(rings), True)),
        case(
            'turned cloud with holes',
            'turned steps, and points that do not fit: NaN, an infinity, too large a number',
            written(make.xyzi(odd), True),
        ),
        case(
            'organised cloud',
            'a picture of 8 rows with holes: three columns of one mask, filled',
            written(make.xyzi(picture, width=48, height=8), False),
        ),
        case(
            'cloud of doubles',
            'numbers of steps that take eight bytes, before and behind a resolution',
            _reduced('cloud_quantize', make.cloud(doubles, 40, step=24, fields=_DOUBLES),
                     {'resolution': '0.000001'}),
        ),
        case(
            'all kinds of fields',
            'whole numbers of every size, an array of three, a palette, padding between fields',
            _reduced('cloud_quantize', mixed),
        ),
        case(
            'cloud with a tolerance',
            'a field of floats that is made coarse, at the lowest level',
            _reduced('cloud_quantize', make.xyzi(spread), {'tolerance': 'intensity:0.5'},
                     Level.MINIMAL),
        ),
        case('small clouds', 'no point, one, and two that are alike', *(
            _reduced('cloud_quantize', make.xyzi(points))
            for points in ([], spread[:1], [spread[0], spread[0]])
        )),
    ]  # fmt: skip


def _scans() -> list[FormCase]:
    random = Random(12)
    ranges = [4.0 + 0.01 * index + 0.02 * random.random() for index in range(200)]
    special = {3: math.inf, 4: -math.inf, 5: math.nan, 6: 0.0, 7: 99.0, 60: -0.0}
    ranges = [special.get(index, metres) for index, metres in enumerate(ranges)]
    whole = [float(random.randrange(200, 260)) for _ in ranges]
    rough = [random.gauss(100.0, 20.0) for _ in ranges]

    def case(name: str, about: str, *data: bytes) -> FormCase:
        return FormCase(name=name, about=about, form=laser.EARLIER_FORM, data=data)

    def stepped(name: str, about: str, *data: bytes) -> FormCase:
        return FormCase(name=name, about=about, form=laser.FORM, data=data)

    def written(cdr: bytes, options: dict[str, str] | None = None) -> bytes:
        return _earlier_scan(cdr, options)

    def in_steps(cdr: bytes, options: dict[str, str] | None = None) -> bytes:
        return _reduced('laser_quantize', cdr, options)

    steep = [0.0] * 255 + [1.0] * 256 + [25.0, 3.0] * 4 + [math.inf, 3.001, 29.0]
    one = in_steps(make.scan([1.0, 1.0, 9.0, 0.0]))
    runs = one.index(b'\3\1')

    return [
        case('scan', 'ranges that are none stay as they are', written(make.scan(ranges))),
        case(
            'scan with intensities',
            'intensities bit for bit: whole numbers, and any numbers',
            written(make.scan(ranges, whole)),
            written(make.scan(ranges, rough), {'resolution': '0.02'}),
        ),
        case(
            'rounded intensities',
            'intensities of 8 bits, and none at all',
            written(make.scan(ranges, rough), {'intensity_bits': '8'}),
            written(make.scan(ranges, rough), {'intensity_bits': '0'}),
        ),
        case(
            'empty scans',
            'without ranges, and without one that is a distance',
            written(make.scan([])),
            written(make.scan([math.inf] * 9, [1.0] * 9)),
        ),
        stepped(
            'scan in steps', 'ranges that are none stay as they are', in_steps(make.scan(ranges))
        ),
        stepped(
            'scan in steps with intensities',
            'intensities bit for bit, rounded, and none at all',
            in_steps(make.scan(ranges, whole)),
            in_steps(make.scan(ranges, rough), {'intensity_bits': '8'}),
            in_steps(make.scan(ranges, rough), {'intensity_bits': '0'}),
        ),
        stepped(
            'steep scan in steps',
            'runs of 255 and more, and steps that take one byte more, and two',
            in_steps(make.scan(steep)),
            in_steps(make.scan(steep), {'resolution': '0.001'}),
        ),
        stepped(
            'empty scans in steps',
            'without ranges, and without one that is a distance',
            in_steps(make.scan([])),
            in_steps(make.scan([math.inf] * 9, [1.0] * 9)),
        ),
        stepped(
            'runs too long',
            'five ranges where there are four',
            one[:runs] + b'\5\1' + one[runs + 2 :],
        ),
        stepped(
            'runs too short', 'a range that no run has', one[:runs] + b'\2\1' + one[runs + 2 :]
        ),
        stepped(
            'a step cut off',
            'fewer large steps than bytes of 255',
            one[:runs] + b'\2\2\xff\xff' + one[runs + 4 :],
        ),
    ]


def _depths() -> list[FormCase]:
    random = Random(13)
    width, height = 32, 24
    surface = [
        1200 + 3 * (index % width) + 11 * (index // width) + random.randrange(4)
        for index in range(width * height)
    ]
    holed = [0 if index % width in (9, 10, 31) else mm for index, mm in enumerate(surface)]
    metres = [mm / 1000.0 if mm else math.nan for mm in holed]

    def case(
        name: str,
        about: str,
        encoding: str,
        numbers: Sequence[float],
        kind: str,
        resolutions: Sequence[str] = ('0',),
        level: Level = Level.FULL,
    ) -> FormCase:
        pixels = np.asarray(numbers).astype(kind).tobytes()
        cdr = make.image(pixels, width, height, encoding)
        data = [
            _reduced('depth', cdr, {'resolution': resolution}, level) for resolution in resolutions
        ]
        return FormCase(name=name, about=about, form=depth.FORM, data=data)

    both = ('0', '0.025')
    return [
        case('depth', 'whole millimetres without a hole', '16UC1', surface, '<u2', both),
        case('depth with holes', 'pixels of 0 stay 0', '16UC1', holed, '<u2', both),
        case(
            'depth to the end',
            'a step whose middle would be past the largest number',
            '16UC1',
            [65_535 - index % 3 for index in range(width * height)],
            '<u2',
            both,
        ),
        case(
            'signed depth',
            'steps of either sign',
            '16SC1',
            [mm - 1240 for mm in surface],
            '<i2',
            both,
        ),
        case('wide depth', 'pixels of four bytes', '32SC1', [9 * mm for mm in holed], '<i4', both),
        case('depth in metres', 'floats with holes of NaN', '32FC1', metres, '<f4', both),
        case(
            'minimal depth', 'doubles, at the lowest level', '64FC1', metres, '<f8', both,
            Level.MINIMAL,
        ),
    ]  # fmt: skip


def _cells(width: int, height: int, seen: int) -> list[list[int]]:
    random = Random(14)
    return [
        [
            -1 if column + row > seen else 100 if (column * row) % 17 == 3 else random.randrange(9)
            for column in range(width)
        ]
        for row in range(height)
    ]


def _grids() -> list[FormCase]:
    first = make.grid(_cells(40, 30, 25), sec=1)
    second = make.grid(_cells(40, 30, 27), sec=2)
    # Two columns more on the left, and a row below: there its origin is.
    grown = [[-1] * 42] + [[-1, -1, *row] for row in _cells(40, 30, 28)]
    third = make.grid(grown, origin=(-0.1, -0.05), sec=3)
    fewer = make.grid([row[5:30] for row in _cells(40, 30, 28)[3:]], origin=(0.25, 0.15), sec=4)
    fifth = make.grid(_cells(40, 30, 60), sec=5)
    sixth = make.grid(_cells(40, 30, 55), sec=6)
    reducer = grids.GridKind().make(make.GRID, '', {}, 1 << 26)
    run = [reducer.reduce(cdr, Level.FULL) for cdr in (first, second, third, fewer)]
    reducer.keyframe()
    later = [reducer.reduce(cdr, Level.FULL) for cdr in (fifth, sixth)]

    def case(name: str, about: str, *data: bytes) -> FormCase:
        return FormCase(name=name, about=about, form=grids.FORM, data=data)

    return [
        case('full grid', 'all cells', run[0]),
        case('grids', 'a full one and what differs from it: cells, a grown one, a part', *run),
        case('another full grid', 'each difference names its own', *run[:2], *later, run[2]),
        case(
            'lost full grid', 'a difference is refused until its full one came', later[1], *later
        ),
        case('no cells', 'a grid of no cells', _reduced('grid_diff', make.grid([[]]))),
    ]


def _form(restored: int, heads: bytes, *streams: bytes) -> bytes:
    """Write a form of uncompressed streams, each shorter than 128 bytes."""
    counts = b''.join(bytes((len(stream), 0)) for stream in (heads, *streams))
    return _varint(restored) + bytes((1 + len(streams),)) + counts + heads + b''.join(streams)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes((*out, number))


def _refused() -> list[FormCase]:
    """Build from one short scan; each is wrong in one thing."""
    about = make.scan([])[: 4 + 8 + 4 + 6 + 2 + 28]
    head = struct.pack('<I', len(about)) + about
    length = len(about) + 8 + 4 * 4
    four = struct.pack('<II', 4, 0)
    none = b'\x10\0'
    divisor = struct.pack('<d', 100.0)
    planes = [b'\1\2\3\4']
    scaled = b'\x30\0' + divisor + b'\x10\1'
    heads = head + four + scaled + none
    good = _form(length, heads, *planes)

    def bad(name: str, about_: str, data: bytes, form: str = laser.EARLIER_FORM) -> FormCase:
        return FormCase(name=name, about=about_, form=form, data=[data])

    def column(name: str, about_: str, raw: bytes, *streams: bytes) -> FormCase:
        return bad(name, about_, _form(length, head + four + raw + none, *streams))

    def words(raw: bytes) -> bytes:
        return b'\x30\0' + divisor + raw

    cloud = _reduced('cloud_quantize', make.xyzi([(1.0, 2.0, 3.0, 4.0)]))

    def framed_as(frame: bytes) -> bytes:
        return _varint(length) + bytes((2, len(heads), 0, 4, len(frame))) + heads + frame

    framed = framed_as(bytes.fromhex('28b52ffd2004210000') + planes[0])
    one_cell = _reduced('grid_diff', make.grid([[1]]))
    kind = one_cell.index(about[:4]) - 5
    return [
        FormCase(name='four ranges', about='what the refused ones are made from',
                 form=laser.EARLIER_FORM, data=[good, framed]),
        bad('nothing', 'a form of no bytes', b''),
        bad('half a form', 'cut off', good[: len(good) // 2]),
        bad('form and more', 'a byte behind it', good + b'\0'),
        bad('huge message', 'a message of 64 MiB and a byte', _varint((64 << 20) + 1) + good[1:]),
        bad('wrong message length', 'a message of another length than it says',
            _form(length + 4, heads, *planes)),
        bad('4097 streams', 'too many streams', _varint(length) + _varint(4097) + bytes(8194)),
        bad('huge stream', 'a stream of 64 MiB and a byte, of a frame of four',
            _varint(length) + b'\1' + _varint((64 << 20) + 1) + b'\4' + bytes(4)),
        bad('frame of another length', 'a frame of five bytes for a stream of four',
            framed_as(bytes.fromhex('28b52ffd2005290000') + b'\1\2\3\4\5')),
        bad('frame bomb', 'a frame that says four bytes and unfolds to 128 KiB',
            framed_as(bytes.fromhex('28b52ffd2004' + '030010' + '01'))),
        bad('a stream too many', 'a stream that no column calls for',
            _form(length, heads, *planes, b'\0')),
        bad('a stream too few', 'a column without its stream',
            _form(length, heads)),
        bad('more heads', 'heads that nothing reads',
            _form(length, heads + b'\0', *planes)),
        bad('huge scan', 'four billion ranges, all alike',
            _form(length, head + struct.pack('<II', 0xFFFFFFFF, 0) + bytes(5) + none)),
        bad('cut off message', 'a message that ends before its large arrays begin',
            _form(length, struct.pack('<I', 20) + about[:20] + four + scaled + none, *planes)),
        bad('version 2', 'a later version of the form', good, 'laser_quantize/2'),
        column('kind 4', 'an unknown kind of column', b'\x40\0'),
        column('predictor 5', 'an unknown predictor', words(b'\x15\1'), *planes),
        column('row above', 'a predictor of pictures for a line', words(b'\x13\1'), *planes),
        column('five planes', 'more planes than a word has bytes', words(b'\x10\5'), *planes * 5),
        column('short plane', 'a plane of too few bytes', words(b'\x10\1'), b'\1\2\3'),
        column('no resolution', 'a divisor of 0', b'\x30\0' + bytes(8) + b'\x10\1', *planes),
        column('NaN resolution', 'a divisor that is no number',
               b'\x30\0' + struct.pack('<d', math.nan) + b'\x10\1', *planes),
        column('no mask', 'the same mask as before, where none was',
               b'\x30\2' + divisor + b'\x10\1' + b'\x10\1', *planes, b'\1'),
        column('outside the palette', 'a colour that there is not',
               b'\x20\0' + bytes(4) + b'\x10\1', b'\0\0\1\0'),
        bad('field behind the point', 'a field of a cloud that ends behind its points',
            cloud.replace(b'\x0c\0\0\0\7\0\0\0', b'\x0d\0\0\0\7\0\0\0', 1), cloud_forms.FORM),
        bad('another encoding', 'depth of an encoding that is none',
            _reduced('depth', make.image(b'\1\0', 1, 1, '16UC1')).replace(b'16UC1', b'16UC2'),
            depth.FORM),
        bad('grid of kind 2', 'neither full nor a difference',
            one_cell[:kind] + b'\2' + one_cell[kind + 1 :], grids.FORM),
    ]  # fmt: skip
