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

"""A few seconds of what scripts/fuzz does for longer: mutated vectors, and one error type."""

import zlib

from hypothesis import given, settings
from hypothesis import strategies as st
from vectors.generate import load

from ros_cloud_bridge.cloud import (
    Decoder,
    dump_seen,
    load_seen,
    ProtocolError,
    Sample,
    UnknownSchema,
)
from ros_cloud_bridge.errors import UnknownForm
from ros_cloud_bridge.wire import cbor

MESSAGES = [
    (message['topic'], bytes.fromhex(message['payload']))
    for name in ('valid.json', 'invalid.json')
    for case in load(name)
    for message in case['messages']
    if message['payload']
]
PAYLOADS = [payload for _, payload in MESSAGES]


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, bytes]:
    topic, payload = draw(st.sampled_from(MESSAGES))
    data = bytearray(payload)
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, len(data)))
        match draw(st.integers(0, 5)):
            case 0:
                del data[place : place + draw(st.integers(1, 16))]
            case 1:
                data[place:place] = draw(st.binary(min_size=1, max_size=16))
            case 2 if place < len(data):
                data[place] ^= 1 << draw(st.integers(0, 7))
            case 3:
                other = draw(st.sampled_from(PAYLOADS))
                data[place:] = other[draw(st.integers(0, len(other))) :]
            case 4:
                size = draw(st.integers(1, 8))
                data[place : place + size] = draw(
                    st.sampled_from([b'\xff' * size, bytes(size), b'\x7f' + b'\xff' * (size - 1)])
                )
            case _:
                data[place:place] = data[place : place + draw(st.integers(1, 64))]
    return topic, bytes(data)


@st.composite
def rebuilt(draw: st.DrawFn) -> tuple[str, bytes]:
    """Change fields inside a batch's body, where plain mutations break its compression first."""
    live = 'rcb/v1/amr-07/b/normal'
    section = [1, None, 2, 1, 10, [1, 0, 7, 0, 3, 0, 4, 0], None, 0, b'abcdefgh']
    values = st.one_of(
        st.integers(-(1 << 64), (1 << 64) - 1),
        st.integers(-3, 70_000),
        st.binary(max_size=12),
        st.none(),
        st.booleans(),
        st.floats(),
        st.lists(st.integers(-2, 1 << 63), max_size=9),
        st.dictionaries(st.integers(0, 99), st.integers(-1, 99), max_size=3),
        st.just(['s', '/t', 'a/msg/A', b'']),
    )
    sections = []
    for _ in range(draw(st.integers(1, 3))):
        fields: list[object] = list(section)
        for place in draw(st.lists(st.integers(0, 8), max_size=3)):
            fields[place] = draw(values)
        sections.append(fields)
    body = cbor.dumps(sections)
    return live, cbor.dumps([1, 0, bytes(8), 1, 10**18, 0, len(body), body])


@st.composite
def pieces(draw: st.DrawFn) -> tuple[str, bytes]:
    """Cut a batch anywhere, with a wrong field at times."""
    section = [1, None, 2, 1, 10, [1, 0, 7, 0, 3, 0, 4, 0], None, 0, b'abcdefgh']
    body = cbor.dumps([section])
    whole = cbor.dumps([1, 0, bytes(8), 1, 10**18, 0, len(body), body])
    begin, end = sorted(draw(st.tuples(*[st.integers(0, len(whole))] * 2)))
    fields: list[object] = [1, 1, bytes(8), 1, begin, len(whole), zlib.crc32(whole)]
    fields.append(whole[begin:end])
    if draw(st.integers(0, 3)) == 0:
        values = st.integers(-1, 1 << 64) | st.integers(-1, len(whole)) | st.binary(max_size=9)
        fields[draw(st.integers(3, 7))] = draw(values)
    return 'rcb/v1/amr-07/b/normal', cbor.dumps(fields)


@st.composite
def accounts(draw: st.DrawFn) -> tuple[str, bytes]:
    """Account for routes, with a wrong field at times."""
    number = st.integers(0, 60) | st.sampled_from([1 << 62, (1 << 63) - 1])
    routes: list[list[object]] = []
    for route in draw(st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True)):
        bounds = sorted(draw(st.sets(number.filter(bool), max_size=6)))
        gaps = [
            [draw(st.integers(16, 40)), first, last]
            for first, last in zip(bounds[::2], bounds[1::2], strict=False)
        ]
        described = draw(st.sampled_from([None, ['s', '/t', 'a/msg/A', b'']]))
        routes.append([route, described, draw(number), draw(st.booleans()), gaps])
    if draw(st.integers(0, 5)) == 0:
        wrong = st.integers(-1, 1 << 64) | st.binary(max_size=9) | st.none()
        draw(st.sampled_from(routes))[draw(st.integers(0, 4))] = draw(wrong)
    return 'rcb/v1/amr-07/b/backlog', cbor.dumps([1, 3, bytes(8), 1, routes])


@st.composite
def backlogs(draw: st.DrawFn) -> tuple[str, bytes]:
    """Send samples of the same routes."""
    first, count = draw(st.integers(1, 60)), draw(st.integers(2, 9))
    columns = [draw(st.integers(1, 3)), 0, 7, 0, 3, 0, 1, 0]
    described = draw(st.sampled_from([None, ['s', '/t', 'a/msg/A', b'']]))
    route = draw(st.integers(0, 3))
    section = [route, described, count, first, 10, columns, None, 0, bytes(count)]
    body = cbor.dumps([section])
    topic = 'rcb/v1/amr-07/b/' + draw(st.sampled_from(['backlog', 'low']))
    return topic, cbor.dumps([1, 0, bytes(8), 1, 10**18, 0, len(body), body])


def survive(decoder: Decoder, messages: list[tuple[str, bytes]]) -> None:
    samples: list[Sample] = []
    for topic, payload in messages:
        try:
            samples += decoder.feed(topic, payload)
        except ProtocolError:
            pass
    for sample in samples + decoder.flush():
        try:
            sample.message()
        except (ProtocolError, UnknownForm, UnknownSchema):
            pass
    for entry in decoder.losses():
        assert 0 <= entry.unexplained <= entry.missing
        assert entry.complete == (entry.committed is not None and entry.outstanding == 0)
    decoder.wanted()
    kept = load_seen(dump_seen(decoder.seen()))
    restored = Decoder()
    restored.restore(kept)
    assert restored.seen() == kept


@settings(max_examples=300, deadline=None)
@given(st.lists(mutated() | st.sampled_from(MESSAGES), min_size=1, max_size=4), st.booleans())
def test_mutated_vectors_are_survived(messages: list[tuple[str, bytes]], ordered: bool) -> None:
    survive(Decoder(ordered=ordered, quota=1 << 20), messages)


@settings(max_examples=300, deadline=None)
@given(st.lists(rebuilt(), min_size=1, max_size=3), st.booleans())
def test_any_fields_are_survived(messages: list[tuple[str, bytes]], ordered: bool) -> None:
    survive(Decoder(ordered=ordered, quota=1 << 20), messages)


@settings(max_examples=300, deadline=None)
@given(st.lists(accounts() | backlogs(), min_size=1, max_size=9), st.booleans())
def test_any_accounts_are_survived(messages: list[tuple[str, bytes]], ordered: bool) -> None:
    survive(Decoder(ordered=ordered, quota=1 << 20), messages)


@settings(max_examples=300, deadline=None)
@given(st.lists(pieces(), min_size=1, max_size=9))
def test_any_fragments_are_survived(messages: list[tuple[str, bytes]]) -> None:
    decoder = Decoder(quota=1000)
    survive(decoder, messages)
    for robot in decoder.robots.values():
        assert 0 <= robot.reassembler.held_bytes <= 1000
