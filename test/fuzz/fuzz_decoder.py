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
Fuzz the decoder with coverage guidance (atheris): any exception but ProtocolError is a finding.

``scripts/fuzz`` runs it. The input's first byte chooses the kind of MQTT topic and whether samples
are put in order; the rest are one or more payloads, parted by a marker, fed to one decoder.
"""

from importlib import import_module
import sys
from typing import Any

from fuzz.corpus import KINDS, MARKER

# Not everywhere to be had: only where one wants to fuzz.
atheris: Any = import_module('atheris')

with atheris.instrument_imports(include=['ros_cloud_bridge', 'cbor2', 'rosbags']):
    from ros_cloud_bridge.cloud import (
        Decoder,
        dump_seen,
        load_seen,
        ProtocolError,
        Sample,
        UnknownSchema,
    )
    from ros_cloud_bridge.errors import UnknownForm
    from ros_cloud_bridge.wire.confirm import decode_confirmation, encode_confirmation

# A dictionary, or a batch that was abandoned.
FOUR_FIELDS = b'\x84'
REST = {'b': '/normal', 'latched': '/t/0', 'schema': '/{id}'}


def test_one_input(data: bytes) -> None:
    """
    Feed one input.

    :param data: as described above
    """
    if len(data) < 2:
        return
    decoder = Decoder(ordered=bool(data[0] & 0x80), quota=1 << 22)
    kind = KINDS[(data[0] & 0x7F) % len(KINDS)]
    kind += REST.get(kind, '')
    samples: list[Sample] = []
    for payload in data[1:].split(MARKER):
        if kind == 'confirm':
            _confirm(payload)
            continue
        topics = ['rcb/v1/fuzzed/' + kind.format(id=_schema_id(payload))]
        if kind == 'b/normal' and payload[:1] == FOUR_FIELDS:
            topics.append('rcb/v1/fuzzed/dict/normal')
        for topic in topics:
            try:
                samples += decoder.feed(topic, payload)
            except ProtocolError:
                pass
    samples += decoder.flush()
    for sample in samples[:4]:
        try:
            sample.message()
        except (ProtocolError, UnknownForm, UnknownSchema):
            pass
    decoder.losses()
    decoder.wanted()
    kept = load_seen(dump_seen(decoder.seen()))
    restored = Decoder(quota=1 << 22)
    restored.restore(kept)
    assert restored.seen() == kept


def _confirm(payload: bytes) -> None:
    try:
        confirmation = decode_confirmation(payload)
    except ProtocolError:
        return
    assert decode_confirmation(encode_confirmation(confirmation)) == confirmation


def _schema_id(payload: bytes) -> str:
    # A schema stands under its own id: found in the payload, else the fuzzer would hunt for it.
    place = payload.find(b'RIHS01_')
    found = payload[place + 7 : place + 23]
    return found.decode('ascii', 'replace') if place >= 0 else '0' * 16


if __name__ == '__main__':
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
