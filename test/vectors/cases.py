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

"""The golden vectors' contents: MQTT messages made from fixed seeds, and what is in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from ros_cloud_bridge.values import Received
from ros_cloud_bridge.wire.announce import encode_json, encode_schema
from ros_cloud_bridge.wire.batch import Batch, Descriptor, encode_batch, Section
from ros_cloud_bridge.wire.blocks import BlockEncoder
from ros_cloud_bridge.wire.fragments import abandoned, Cutter, split
from ros_cloud_bridge.wire.schema import Schema

ROBOT = 'amr-07'
BOOT = bytes.fromhex('c0ffee0012345678')
OTHER_BOOT = bytes.fromhex('c0ffee0087654321')
EPOCH_NS = 1_700_000_000_123_456_789
HIGHEST = (1 << 63) - 1
LIVE = f'rcb/v1/{ROBOT}/b/normal'
BACKLOG = f'rcb/v1/{ROBOT}/b/backlog'

STRING = 'std_msgs/msg/String'
STRING_HASH = 'RIHS01_df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18'
OWN = 'mine/msg/Level'
_LINE = '=' * 80
OWN_TEXT = (
    f'float32 level\nmine/Tank tank\n{_LINE}\nMSG: mine/Tank\nuint8 number\nstring<=9 name\n'
)


@dataclass
class Case:
    """One vector: messages in the order of their arrival, and what a decoder makes of them."""

    name: str
    about: str
    messages: list[tuple[str, bytes]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    losses: list[dict[str, Any]] = field(default_factory=list)
    fields: list[Any] = field(default_factory=list)
    confirmation: dict[str, Any] | None = None
    ask: dict[str, Any] | None = None
    restored: list[str | None] = field(default_factory=list)
    error: bool = False

    def document(self) -> dict[str, Any]:
        """
        Write the case as it stands in the files.

        :returns: JSON-able
        """
        written: dict[str, Any] = {
            'name': self.name,
            'about': self.about,
            'messages': [
                {'topic': topic, 'payload': payload.hex()} for topic, payload in self.messages
            ],
        }
        if self.error:
            return {**written, 'expect': 'error'}
        if self.confirmation is not None:
            return {**written, 'confirmation': self.confirmation}
        if self.ask is not None:
            return {**written, 'ask': self.ask}
        written['samples'] = self.samples
        written['losses'] = self.losses
        if self.fields:
            written['fields'] = self.fields
        if self.restored:
            written['restored'] = self.restored
        return written


def descriptor(topic: str = '/chatter', type_name: str = STRING, schema: str = '') -> Descriptor:
    """
    Describe a route.

    :param topic: ROS topic
    :param type_name: its type
    :param schema: RIHS01 of its type
    :returns: the descriptor
    """
    schema_id = schema.removeprefix('RIHS01_')[:16]
    return Descriptor(stream='all', topic=topic, type_name=type_name, schema_id=schema_id)


def section(
    samples: Sequence[Received],
    route: int = 1,
    sequences: Sequence[int] = (),
    described: Descriptor | None = None,
    totals: Mapping[int, int] | None = None,
) -> Section:
    """
    Make a section.

    :param samples: its samples
    :param route: route number
    :param sequences: from 1 on when left out
    :param described: its descriptor
    :param totals: its drops
    :returns: the section
    """
    return Section(
        route=route,
        descriptor=described,
        sequences=sequences or range(1, len(samples) + 1),
        samples=samples,
        totals=totals,
    )


def batch(*sections: Section, number: int = 1, boot: bytes = BOOT) -> bytes:
    """
    Encode a batch.

    :param sections: its sections
    :param number: its number
    :param boot: its boot id
    :returns: the payload
    """
    made = Batch(boot=boot, number=number, sent_time_ns=EPOCH_NS + 10**9, sections=sections)
    return encode_batch(made, {part.route: BlockEncoder() for part in sections})


def received(cdr: bytes, index: int = 0, latency_us: int = 250) -> Received:
    """
    Make a sample.

    :param cdr: its bytes
    :param index: its place in a regular stream of 100 Hz
    :param latency_us: from publishing to receiving
    :returns: the sample
    """
    source = EPOCH_NS + index * 10_000_000
    return Received(cdr, source, source + 1000 * latency_us)


def expected(
    part: Section,
    known: Descriptor,
    boot: bytes = BOOT,
    latched: bool = False,
    historical: bool = False,
) -> list[dict[str, Any]]:
    """
    Say what a decoder makes of a section.

    :param part: the section
    :param known: its route's descriptor
    :param boot: its boot id
    :param latched: whether it stood under ``latched/``
    :param historical: whether it came on ``b/backlog``
    :returns: one entry per sample
    """
    return [
        {
            'robot_id': ROBOT,
            'boot_id': boot.hex(),
            'route': part.route,
            'stream': known.stream,
            'topic': known.topic,
            'type_name': known.type_name,
            'schema_id': known.schema_id,
            'sequence': sequence,
            # As text: JavaScript's numbers are exact up to 2**53 only.
            'source_time_ns': str(sample.source_time_ns),
            'receive_time_ns': str(sample.receive_time_ns),
            'sent_time_ns': str(EPOCH_NS + 10**9),
            'latched': latched,
            'historical': historical,
            'cdr': sample.cdr.hex(),
            **({'form': known.form} if known.form else {}),
        }
        for sequence, sample in zip(part.sequences, part.samples, strict=True)
    ]


def lost(
    received_count: int,
    missing: int = 0,
    unexplained: int = 0,
    route: int = 1,
    boot: bytes = BOOT,
    duplicates: int = 0,
    durable: Mapping[str, object] | None = None,
    **reported: int,
) -> dict[str, Any]:
    """
    Say what a decoder counts of a route.

    :param received_count: distinct samples
    :param missing: missing sequence numbers
    :param unexplained: those without an explanation
    :param route: route number
    :param boot: boot id
    :param duplicates: samples that came again
    :param durable: what a durable route says beyond that; None for others
    :param reported: drops by reason
    :returns: the entry
    """
    return {
        'boot_id': boot.hex(),
        'route': route,
        'received': received_count,
        'duplicates': duplicates,
        'reported': reported,
        'missing': missing,
        'unexplained': unexplained,
        'durable': durable is not None,
        **(durable or {'committed': None, 'closed': False, 'complete': False, 'outstanding': 0}),
    }


def string_cdr(text: str) -> bytes:
    """
    Serialize a std_msgs/String.

    :param text: its content
    :returns: CDR
    """
    data = text.encode() + b'\0'
    return b'\0\1\0\0' + len(data).to_bytes(4, 'little') + data


def noise(size: int, seed: int) -> bytes:
    """
    Make bytes that nothing compresses.

    :param size: how many
    :param seed: which
    :returns: CDR by its first four bytes
    """
    return b'\0\1\0\0' + Random(seed).randbytes(size)


def valid(own_hash: str) -> list[Case]:
    """
    Make the vectors that decode.

    :param own_hash: RIHS01 of the type that no consumer knows
    :returns: cases
    """
    return [*_samples(), *_routes(), *_gaps(), *_fragments(), *_schemas(own_hash), *_documents()]


def _simple(name: str, about: str, samples: Sequence[Received], **more: Any) -> Case:
    known = descriptor(schema=STRING_HASH)
    part = section(samples, described=known, totals={}, **more)
    return Case(
        name,
        about,
        [(LIVE, batch(part))],
        expected(part, known),
        [lost(len(samples))],
    )


def _samples() -> list[Case]:
    random = Random(1)
    state = [random.randbytes(4) * 4 for _ in range(8)]
    alike = [
        received(b'\0\1\0\0' + b''.join(state) + index.to_bytes(4, 'little'), index, 200 + index)
        for index in range(40)
    ]
    extremes = [
        Received(b'\0\1\0\0a', 0, 0),
        Received(b'\0\1\0\0b', HIGHEST, HIGHEST),
        Received(b'\0\1\0\0c', 10**18, 10**18 - 5_000_000_000_000),
        Received(b'\0\1\0\0d', 1_000, 1_000 + 3_600_000_000_000_000),
    ]
    sizes = [0, 1, 255, 256, 1000]
    return [
        _simple(
            'one sample', 'a section of one sample has no step columns', [received(b'\0\1\0\0x')]
        ),
        _simple('alike', 'many samples of one length: layout 1, body compressed', alike),
        _simple(
            'texts',
            'lengths that differ: layout 0',
            [received(string_cdr('tick' * index), index) for index in range(12)],
        ),
        _simple('noise', 'a body that does not compress: codec 0', [received(noise(5000, 3))]),
        _simple(
            'sizes',
            'lengths from zero to more than one byte holds',
            [received(noise(size, size)[:size], index) for index, size in enumerate(sizes)],
        ),
        _simple('extremes', 'times at the ends of their range, and a negative latency', extremes),
        Case(
            'nothing in it',
            'an empty payload clears a retained message and says nothing',
            [(LIVE, b''), (f'rcb/v1/{ROBOT}/latched/map/0', b'')],
        ),
    ]


def _routes() -> list[Case]:
    known, other = descriptor(schema=STRING_HASH), descriptor('/other', 'a/msg/A')
    one = section(
        [received(string_cdr('a')), received(string_cdr('b'), 1)], described=known, totals={}
    )
    two = section([received(noise(9, 1))], route=2, described=other, totals={})
    later = section([received(string_cdr('c'), 2)], sequences=[3])
    two_routes = Case(
        'two routes',
        'sections of two routes in one batch, one without a schema id',
        [(LIVE, batch(one, two))],
        [*expected(one, known), *expected(two, other)],
        [lost(2), lost(1, route=2)],
    )
    info = {
        'version': 1,
        'robot_id': ROBOT,
        'boot_id': BOOT.hex(),
        'routes': [
            {
                'route': 1,
                'stream': 'all',
                'topic': '/chatter',
                'type': STRING,
                'schema': known.schema_id,
                'latched': False,
            }
        ],
    }
    undescribed = section(one.samples, sequences=[1, 2])
    by_batch = Case(
        'described later',
        'samples wait for their route until a later section describes it',
        [
            (LIVE, batch(undescribed)),
            (
                LIVE,
                batch(section(later.samples, sequences=[3], described=known, totals={}), number=2),
            ),
        ],
        [*expected(undescribed, known), *expected(later, known)],
        [lost(3)],
    )
    by_info = Case(
        'described by info',
        'samples wait for their route until info describes it',
        [(LIVE, batch(undescribed)), (f'rcb/v1/{ROBOT}/info', encode_json(info))],
        expected(undescribed, known),
        [lost(2, 0)],
    )
    boots = Case(
        'two boots',
        'another boot has routes and sequences of its own',
        [(LIVE, batch(one)), (LIVE, batch(one, boot=OTHER_BOOT))],
        [*expected(one, known), *expected(one, known, OTHER_BOOT)],
        [lost(2), lost(2, boot=OTHER_BOOT)],
    )
    latched_part = section(
        [received(string_cdr('map'))], sequences=[1], described=known, totals={16: 2}
    )
    live = section(
        [received(string_cdr('x'), 50), received(string_cdr('y'), 51)],
        sequences=[50, 51],
        described=known,
        totals={16: 40},
    )
    latched = Case(
        'latched',
        'a retained sample from long before opens no gap; it does not come twice',
        [
            (f'rcb/v1/{ROBOT}/latched/chatter/0', batch(latched_part)),
            (LIVE, batch(live, number=2)),
            (f'rcb/v1/{ROBOT}/latched/chatter/0', batch(latched_part)),
        ],
        [*expected(latched_part, known, latched=True), *expected(live, known)],
        [lost(3, duplicates=1, superseded=40)],
    )
    return [two_routes, by_batch, by_info, boots, latched]


def _gaps() -> list[Case]:
    known = descriptor(schema=STRING_HASH)

    def part(sequences: list[int], totals: dict[int, int] | None, first: bool = False) -> Section:
        samples = [received(string_cdr(str(number)), number) for number in sequences]
        return section(
            samples, sequences=sequences, described=known if first else None, totals=totals
        )

    def case(name: str, about: str, parts: list[Section], losses: dict[str, Any]) -> Case:
        messages = [(LIVE, batch(entry, number=i)) for i, entry in enumerate(parts, start=1)]
        return Case(
            name,
            about,
            messages,
            [sample for entry in parts for sample in expected(entry, known)],
            [losses],
        )

    return [
        case(
            'explained gap',
            'three superseded samples, and drops that took no sequence number',
            [part([1, 2], {}, True), part([6], {16: 3, 2: 900, 1: 7})],
            lost(3, 3, 0, superseded=3, rate=900, lost_before_bridge=7),
        ),
        case(
            'vanished batch',
            'a gap that no report explains',
            [part([1, 2], {}, True), part([6, 7], None)],
            lost(4, 3, 3),
        ),
        case(
            'joined late',
            'what was dropped before the first sample explains nothing behind it',
            [part([1001, 1003], {16: 500}, True), part([1007], {16: 501})],
            lost(3, 4, 2, superseded=501),
        ),
        case(
            'later reasons',
            'reasons of later versions count by number, from 16 on as numbered samples',
            [part([1], {}, True), part([4], {77: 2, 9: 5})],
            lost(2, 2, 0, reason_77=2, reason_9=5),
        ),
    ]


def _fragments() -> list[Case]:
    known = descriptor(schema=STRING_HASH)
    part = section(
        [received(noise(700, 5)), received(noise(300, 6), 1)], described=known, totals={}
    )
    pieces = split(batch(part, number=7), BOOT, 7, 400)
    coarse = split(batch(part, number=7), BOOT, 7, 700)
    cutter = Cutter(batch(part, number=7), BOOT, 7)
    uneven = [cutter.next(size) for size in (500, 60, 90, 1500)]
    small = section([received(string_cdr('z'), 9)], sequences=[3], totals={20: 2})
    described = section(
        [received(string_cdr('z'), 9)], sequences=[3], described=known, totals={20: 2}
    )
    return [
        Case(
            'fragments',
            'out of order and repeated',
            [(LIVE, piece) for piece in (*pieces[::-1], *pieces[:2])],
            expected(part, known),
            [lost(2)],
        ),
        Case(
            'uneven fragments',
            'of a size that changed twice on the way',
            [(LIVE, piece) for piece in uneven],
            expected(part, known),
            [lost(2)],
        ),
        Case(
            'fragments cut again',
            'parts that overlap with the same bytes, as after a resend in other sizes',
            [(LIVE, piece) for piece in (pieces[1], pieces[-1], *coarse)],
            expected(part, known),
            [lost(2)],
        ),
        Case(
            'abandoned',
            'the rest of a batch does not come; the next section reports it',
            [
                *((LIVE, piece) for piece in pieces[:-1]),
                (LIVE, abandoned(BOOT, 7)),
                (LIVE, batch(described, number=8)),
            ],
            expected(small, known),
            [lost(1, abandoned=2)],
        ),
    ]


def _schemas(own_hash: str) -> list[Case]:
    known = descriptor('/level', OWN, own_hash)
    cdr = b'\0\1\0\0' + bytes.fromhex('0000c03f 05 000000 04000000') + b'oil\0'
    part = section([received(cdr)], described=known, totals={})
    schema = Schema(type_name=OWN, definition=OWN_TEXT, rihs01=own_hash)
    return [
        Case(
            'schema',
            'a type that only its schema tells; fields are those of the sample',
            [(f'rcb/v1/{ROBOT}/schema/{schema.id}', encode_schema(schema)), (LIVE, batch(part))],
            expected(part, known),
            [lost(1)],
            [{'level': 1.5, 'tank': {'number': 5, 'name': 'oil'}}],
        )
    ]


def _documents() -> list[Case]:
    head = {'version': 1, 'robot_id': ROBOT, 'boot_id': BOOT.hex()}
    state = {**head, 'state': 'online', 'reason': 'birth', 'connection': 1}
    return [
        Case(
            'documents',
            'JSON documents give no samples; keys of later versions are ignored',
            [
                (f'rcb/v1/{ROBOT}/state', encode_json({**state, 'mood': ['new', 1.5]})),
                (f'rcb/v1/{ROBOT}/health', encode_json({**head, 'uptime_s': 1.5, 'routes': []})),
                (f'rcb/v1/{ROBOT}/info', encode_json({**head, 'routes': [], 'streams': []})),
                (f'rcb/v1/{ROBOT}/ask/console', b'\xff'),
                ('other/v9/topic', b'\xff'),
            ],
        )
    ]
