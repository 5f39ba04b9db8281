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

"""The golden vectors that a decoder refuses: each is wrong in one thing."""

import hashlib
import json
from typing import Any
import zlib

from vectors.cases import BACKLOG, BOOT, Case, EPOCH_NS, HIGHEST, LIVE, OWN, OWN_TEXT, ROBOT

from ros_cloud_bridge.wire import cbor
from ros_cloud_bridge.wire.announce import encode_json, encode_schema
from ros_cloud_bridge.wire.schema import Schema


def invalid(own_hash: str) -> list[Case]:
    """
    Make the vectors whose last message is refused.

    :param own_hash: RIHS01 of the type that no consumer knows
    :returns: cases
    """
    return [
        *_bad_frames(),
        *_bad_sections(),
        *_bad_fragments(),
        *_bad_announcements(own_hash),
        *_bad_accounts(),
        *_bad_confirmations(),
    ]


def refused(name: str, about: str, payload: bytes, topic: str = LIVE) -> Case:
    """
    Make a vector of one message that is refused.

    :param name: of the case
    :param about: what is wrong
    :param payload: the message
    :param topic: it stands on
    :returns: the case
    """
    return Case(name, about, [(topic, payload)], error=True)


def _plain(sections: object) -> bytes:
    body = cbor.dumps(sections)
    return cbor.dumps([1, 0, BOOT, 1, EPOCH_NS, 0, len(body), body])


_SECTION: list[Any] = [1, None, 2, 1, 10, [1, 0, 7, 0, 3, 0, 4, 0], None, 0, b'abcdefgh']


def _bad_frames() -> list[Case]:
    good = _plain([_SECTION])
    body = cbor.dumps([_SECTION])
    head = [1, 0, BOOT, 1, EPOCH_NS]
    return [
        refused('truncated', 'half a payload', good[: len(good) // 2]),
        refused('trailing', 'a byte behind the CBOR value', good + b'\0'),
        refused('version 2', 'a later version', cbor.dumps([2, *head[1:], 0, len(body), body])),
        refused('kind 9', 'an unknown kind', cbor.dumps([1, 9, BOOT, 1])),
        refused('short boot', 'a boot id of seven bytes', cbor.dumps([1, 2, BOOT[:7], 1])),
        refused(
            'indefinite',
            'CBOR of indefinite length',
            b'\x9f' + cbor.dumps([1, 2, BOOT, 1])[1:] + b'\xff',
        ),
        refused('tag', 'a CBOR tag', b'\xc1' + good),
        refused('deep', 'CBOR nested deeper than 6', b'\x81' * 50 + b'\0'),
        refused('not CBOR', 'a reserved head', b'\x1c'),
        refused('codec 3', 'an unknown codec', cbor.dumps([*head, 3, len(body), body])),
        refused(
            'wrong length',
            'a body shorter than announced',
            cbor.dumps([*head, 0, len(body) + 1, body]),
        ),
        refused(
            'not zstd', 'a body that is no zstd frame', cbor.dumps([*head, 1, len(body), body])
        ),
        refused('bomb', 'a body of 16 EiB', cbor.dumps([*head, 1, HIGHEST, body])),
        refused('no sections', 'a batch without sections', _plain([])),
    ]


def _bad_sections() -> list[Case]:
    def changed(place: int, value: object) -> bytes:
        fields = list(_SECTION)
        fields[place] = value
        return _plain([fields])

    return [
        refused('negative route', 'a route below zero', changed(0, -1)),
        refused(
            'short descriptor', 'a descriptor of three fields', changed(1, ['s', '/t', 'a/msg/A'])
        ),
        refused('no samples', 'a section without samples', changed(2, 0)),
        refused(
            'too many samples',
            'more than 65536 samples, without a byte',
            _plain([[1, None, 65537, 1, 10, [1, 0, 0, 0, 0, 0, 0, 0], None, 0, b'']]),
        ),
        refused(
            'still sequence',
            'sequence numbers that do not rise',
            changed(5, [0, 0, 7, 0, 3, 0, 4, 0]),
        ),
        refused('time before 1970', 'a source time below zero', changed(4, HIGHEST)),
        refused('sequence too large', 'a sequence number of 2**63', changed(3, HIGHEST)),
        refused('three columns', 'a column is missing', changed(5, [1, 0, 7, 0, 3, 0])),
        refused('wide column', 'a column of nine bytes', changed(5, [1, 9, 7, 0, 3, 0, 4, 0])),
        refused('lengths', 'lengths that do not add up', changed(5, [1, 0, 7, 0, 3, 0, 5, 0])),
        refused('layout 4', 'an unknown layout', changed(7, 4)),
        refused('negative total', 'a drop count below zero', changed(6, {16: -1})),
        refused('key twice', 'a map with a key twice', _key_twice()),
    ]


def _key_twice() -> bytes:
    fields = list(_SECTION)
    fields[6] = {16: 1, 17: 1}
    body = cbor.dumps([fields]).replace(b'\xa2\x10\x01\x11\x01', b'\xa2\x10\x01\x10\x01')
    return cbor.dumps([1, 0, BOOT, 1, EPOCH_NS, 0, len(body), body])


def _bad_fragments() -> list[Case]:
    whole = _plain([_SECTION])
    half = len(whole) // 2
    crc = zlib.crc32(whole)

    def piece(begin: int, end: int | None = None, **changes: Any) -> bytes:
        facts = {
            'number': 1,
            'offset': begin,
            'length': len(whole),
            'crc32': crc,
            'data': whole[begin:end],
            **changes,
        }
        return cbor.dumps([1, 1, BOOT, *facts.values()])

    def both(name: str, about: str, first: bytes, second: bytes) -> Case:
        return Case(name, about, [(LIVE, first), (LIVE, second)], error=True)

    wrong = crc ^ 1
    return [
        both(
            'checksum',
            'fragments with a wrong checksum',
            piece(0, half, crc32=wrong),
            piece(half, crc32=wrong),
        ),
        both(
            'disagree',
            'fragments that disagree on the length',
            piece(0, half),
            piece(half, length=len(whole) + 1),
        ),
        both(
            'another batch',
            'fragments of a batch that says another number',
            piece(0, half, number=4),
            piece(half, number=4),
        ),
        both(
            'overlap',
            'fragments that overlap with other bytes',
            piece(0, half),
            piece(half - 1, data=bytes([whole[half - 1] ^ 1]) + whole[half:]),
        ),
        refused('offset', 'a fragment behind the end', piece(0, half, offset=len(whole))),
        refused('over the end', 'a fragment across the end', piece(0, half, offset=half + 2)),
        refused('negative offset', 'an offset below zero', piece(0, half, offset=-1)),
        refused('no data', 'a fragment without data', piece(half, half)),
        refused('huge length', 'a batch of 64 MiB and a byte', piece(0, length=(1 << 26) + 1)),
        refused('long checksum', 'a checksum of 33 bits', piece(0, half, crc32=1 << 32)),
        refused('one of one', 'a single fragment', piece(0)),
    ]


def _bad_announcements(own_hash: str) -> list[Case]:
    honest = Schema(type_name=OWN, definition=OWN_TEXT, rihs01=own_hash)
    forged = Schema(type_name=OWN, definition='float64 level\n', rihs01=own_hash)
    loop_hash = 'RIHS01_' + hashlib.sha256(b'loop').hexdigest()
    loop = Schema(type_name=OWN, definition='mine/Level again\n', rihs01=loop_hash)
    base = f'rcb/v1/{ROBOT}'
    return [
        refused(
            'forged schema',
            'a text that does not hash to its id',
            encode_schema(forged),
            f'{base}/schema/{forged.id}',
        ),
        refused(
            'misplaced schema',
            'a schema under another id',
            encode_schema(honest),
            f'{base}/schema/{"0" * 16}',
        ),
        refused(
            'endless schema',
            'a type that contains itself',
            encode_schema(loop),
            f'{base}/schema/{loop.id}',
        ),
        refused('no object', 'a document that is no JSON object', b'[1]', f'{base}/info'),
        refused('no JSON', 'a document that is no JSON', b'{"boot_id":', f'{base}/state'),
        refused(
            'no boot',
            'a document without a boot id',
            json.dumps({'version': 1}).encode(),
            f'{base}/health',
        ),
        refused(
            'bad route',
            'a route in info without a topic',
            encode_json({'boot_id': BOOT.hex(), 'routes': [{'route': 1}]}),
            f'{base}/info',
        ),
        refused(
            'long topic', 'an MQTT topic of more than 256 bytes', b'{}', f'{base}/{"x" * 300}'
        ),
    ]


def _bad_accounts() -> list[Case]:
    good: list[Any] = [1, None, 9, False, [[24, 2, 3], [19, 4, 4]]]

    def made(routes: object) -> bytes:
        return cbor.dumps([1, 3, BOOT, 1, routes])

    def bad(name: str, about: str, place: int, value: object) -> Case:
        return refused(name, about, made([[*good[:place], value, *good[place + 1 :]]]), BACKLOG)

    return [
        refused('account without routes', 'an account without routes', made([]), BACKLOG),
        refused('account of six fields', 'a field too many', made([[*good, 0]]), BACKLOG),
        refused('route twice', 'an account with a route twice', made([good, good]), BACKLOG),
        refused('live account', 'an account on another topic than b/backlog', made([good])),
        bad('closed by number', 'a flag that is no boolean', 3, 1),
        bad('committed too large', 'a committed number of 2**63', 2, 1 << 63),
        bad('gap from 0', 'numbers begin with 1', 4, [[24, 0, 3]]),
        bad('gap backwards', 'a gap that ends before it begins', 4, [[24, 3, 2]]),
        bad('gaps overlap', 'gaps that are not disjoint', 4, [[24, 2, 3], [19, 3, 4]]),
        bad('gaps fall', 'gaps that do not rise', 4, [[24, 7, 8], [19, 3, 4]]),
        bad('gap without number', 'a reason that takes no number', 4, [[2, 2, 3]]),
        bad('reason 256', 'a reason above 255', 4, [[256, 2, 3]]),
    ]


def _bad_confirmations() -> list[Case]:
    def bad(name: str, about: str, fields: object) -> Case:
        return refused(name, about, cbor.dumps(fields), f'rcb/v1/{ROBOT}/confirm/archive')

    def of(numbers: object) -> list[object]:
        return [1, BOOT, [[BOOT, 1, numbers]]]

    single = [number for first in range(1, 8195, 2) for number in (first, first)]
    return [
        bad('confirmation of version 2', 'a later version', [2, BOOT, []]),
        bad('short instance', 'an instance of seven bytes', [1, BOOT[:7], []]),
        bad('odd ranges', 'a range without an end', of([1, 3, 5])),
        bad('no ranges', 'an entry without ranges', of([])),
        bad('range from 0', 'numbers begin with 1', of([0, 3])),
        bad('ranges overlap', 'ranges that are not disjoint', of([1, 3, 3, 4])),
        bad('ranges fall', 'ranges that do not rise', of([5, 6, 1, 2])),
        bad('too many ranges', 'more than 4096 ranges', of(single)),
    ]
