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

"""Golden vectors: the decoder reads the committed ones, and the encoder still means the same."""

from typing import Any

import pytest

from ros_cloud_bridge.cloud import Decoder, ProtocolError, Sample
from ros_cloud_bridge.errors import UnknownForm
from ros_cloud_bridge.wire.announce import decode_ask
from ros_cloud_bridge.wire.confirm import decode_confirmation

pytest.importorskip('rosbags')
from vectors.ask_cases import written_ask  # noqa: E402
from vectors.cases import Case  # noqa: E402
from vectors.generate import build, load  # noqa: E402

VALID, INVALID = load('valid.json'), load('invalid.json')


def feed(decoder: Decoder, messages: list[dict[str, str]]) -> list[Sample]:
    return [
        sample
        for message in messages
        for sample in decoder.feed(message['topic'], bytes.fromhex(message['payload']))
    ]


def written(sample: Sample) -> dict[str, Any]:
    return {
        'robot_id': sample.robot_id,
        'boot_id': sample.boot_id,
        'route': sample.route,
        'stream': sample.stream,
        'topic': sample.topic,
        'type_name': sample.type_name,
        'schema_id': sample.schema_id,
        'sequence': sample.sequence,
        'source_time_ns': str(sample.source_time_ns),
        'receive_time_ns': str(sample.receive_time_ns),
        'sent_time_ns': str(sample.sent_time_ns),
        'latched': sample.latched,
        'historical': sample.historical,
        'cdr': sample.cdr.hex(),
        **({'form': sample.form} if sample.form else {}),
    }


def written_confirmation(payload: bytes) -> dict[str, Any]:
    confirmation = decode_confirmation(payload)
    return {
        'instance': confirmation.instance.hex(),
        'held': [
            {
                'boot': entry.boot.hex(),
                'route': entry.route,
                'ranges': [[str(number) for number in part] for part in entry.ranges],
            }
            for entry in confirmation.held
        ],
    }


def restored(sample: Sample) -> str | None:
    try:
        return sample.plain().hex()
    except UnknownForm:
        return None


def check(case: dict[str, Any], messages: list[dict[str, str]]) -> None:
    if 'ask' in case:
        (message,) = messages
        assert written_ask(decode_ask(bytes.fromhex(message['payload']))) == case['ask']
        return
    if 'confirmation' in case:
        (message,) = messages
        assert written_confirmation(bytes.fromhex(message['payload'])) == case['confirmation']
        return
    decoder = Decoder()
    samples = feed(decoder, messages)
    assert [written(sample) for sample in samples] == case['samples']
    assert [
        {
            'boot_id': entry.boot_id,
            'route': entry.route,
            'received': entry.received,
            'duplicates': entry.duplicates,
            'reported': dict(entry.reported),
            'missing': entry.missing,
            'unexplained': entry.unexplained,
            'durable': entry.durable,
            'committed': entry.committed,
            'closed': entry.closed,
            'complete': entry.complete,
            'outstanding': entry.outstanding,
        }
        for entry in decoder.losses()
    ] == case['losses']
    for sample, fields in zip(samples, case.get('fields', []), strict=False):
        assert plain(sample.message()) == fields
    if 'restored' in case:
        assert [restored(sample) for sample in samples] == case['restored']


def plain(value: Any) -> Any:
    names = getattr(value, '__dataclass_fields__', None)
    if names is None:
        return value
    return {name: plain(getattr(value, name)) for name in names if not name.startswith('__')}


@pytest.mark.parametrize('case', VALID, ids=lambda case: str(case['name']))
def test_committed_vectors_decode(case: dict[str, Any]) -> None:
    check(case, case['messages'])


@pytest.mark.parametrize('case', INVALID, ids=lambda case: str(case['name']))
def test_committed_invalid_vectors_are_refused(case: dict[str, Any]) -> None:
    for kind, read in (('/confirm/', decode_confirmation), ('/ask/', decode_ask)):
        if kind in case['messages'][-1]['topic']:
            with pytest.raises(ProtocolError):
                read(bytes.fromhex(case['messages'][-1]['payload']))
            return
    decoder = Decoder()
    assert feed(decoder, case['messages'][:-1]) == []
    with pytest.raises(ProtocolError):
        feed(decoder, case['messages'][-1:])


@pytest.mark.parametrize('name', ['valid.json', 'invalid.json'])
def test_generator_covers_the_committed_cases(name: str) -> None:
    committed = [case['name'] for case in load(name)]
    assert [case.name for case in build()[name]] == committed
    assert len(set(committed)) == len(committed)


@pytest.mark.parametrize('made', build()['valid.json'], ids=lambda case: str(case.name))
def test_encoder_still_means_the_same(made: Case) -> None:
    (committed,) = [case for case in VALID if case['name'] == made.name]
    fresh = made.document()
    assert {**fresh, 'messages': []} == {**committed, 'messages': []}
    check(committed, fresh['messages'])
