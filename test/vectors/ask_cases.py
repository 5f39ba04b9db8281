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

"""Golden vectors of what consumers ask of a bridge."""

from vectors.bad_cases import refused
from vectors.cases import Case, ROBOT

from ros_cloud_bridge.values import Lease
from ros_cloud_bridge.wire import cbor
from ros_cloud_bridge.wire.announce import Ask, encode_ask

TOPIC = f'rcb/v1/{ROBOT}/ask/console'


def asks() -> list[Case]:
    """
    Make the requests that a bridge reads.

    :returns: cases
    """
    return [
        _case('ask for all', 'what is said again', Ask(info=True, routes=True, latched=True)),
        _case(
            'ask for schemas',
            'definitions by id, dictionaries by name',
            Ask(schemas=('df668c740482bbd4', '0011223344556677'), dictionaries=('c0ffee00',)),
        ),
        _case(
            'ask for leases',
            'a stream for a minute, another one as fast as it may flow, a third given back',
            Ask(
                leases=(
                    Lease(stream='camera', hz=5.0, seconds=60.0),
                    Lease(stream='lidar', hz=0.0, seconds=2.5),
                    Lease(stream='map', hz=1.0, seconds=0.0),
                )
            ),
        ),
        Case(
            'ask of later',
            'another version and unknown keys are ignored; integers are rates, too',
            [(TOPIC, cbor.dumps([2, {'info': True, 'mood': [1], 'lease': [['map', 2, 9]]}]))],
            ask=written_ask(Ask(info=True, leases=(Lease(stream='map', hz=2.0, seconds=9.0),))),
        ),
    ]


def bad_asks() -> list[Case]:
    """
    Make the requests that a bridge refuses.

    :returns: cases
    """
    return [
        refused(name, about, cbor.dumps([1, wanted]), TOPIC)
        for name, about, wanted in (
            ('ask for a list', 'what is wanted is no map', []),
            ('short schema id', 'a schema id of seven bytes', {'schema': [bytes(7)]}),
            ('257 schemas', 'too many of them', {'schema': [bytes(8)] * 257}),
            ('long dictionary name', 'a name of five bytes', {'dict': [bytes(5)]}),
            ('nameless lease', 'a lease of no stream', {'lease': [['', 1.0, 1.0]]}),
            ('endless lease', 'seconds without an end', {'lease': [['map', 1.0, float('inf')]]}),
            ('negative lease', 'a rate below zero', {'lease': [['map', -1.0, 1.0]]}),
        )
    ]


def written_ask(ask: Ask) -> dict[str, object]:
    """
    Write a request as it stands in the file.

    :param ask: the request
    :returns: JSON-able
    """
    return {
        'info': ask.info,
        'routes': ask.routes,
        'latched': ask.latched,
        'schema': list(ask.schemas),
        'dict': list(ask.dictionaries),
        'lease': [
            {'stream': lease.stream, 'hz': lease.hz, 'seconds': lease.seconds}
            for lease in ask.leases
        ],
    }


def _case(name: str, about: str, ask: Ask) -> Case:
    return Case(name, about, [(TOPIC, encode_ask(ask))], ask=written_ask(ask))
