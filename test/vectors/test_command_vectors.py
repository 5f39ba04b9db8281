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

"""Golden vectors of commands: the committed ones are read, made again, and checked by hand."""

import hashlib
import json
from pathlib import Path
from typing import Any

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519
import pytest
from vectors.command_cases import commands, fields_of

from ros_cloud_bridge.command.reader import CommandReader, UnsignedReader
from ros_cloud_bridge.core.commands.effects import Reader
from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.signing.keys import PrivateKey, PublicKey
from ros_cloud_bridge.signing.messages import open_answer, sign
from ros_cloud_bridge.signing.ring import KeyRing
from ros_cloud_bridge.wire.cose import Context

CASES = json.loads((Path(__file__).parent / 'commands.json').read_text())['cases']
GOOD = [case for case in CASES if 'expect' not in case]
BAD = [case for case in CASES if 'expect' in case]


def name_of(case: dict[str, Any]) -> str:
    return str(case['name'])


def reader_of(case: dict[str, Any], folder: Path) -> Reader:
    if 'public_key' not in case:
        return UnsignedReader()
    PublicKey(bytes.fromhex(case['public_key'])).save(folder / 'alice.pub')
    ring = KeyRing(folder)
    ring.look(0.0)
    return CommandReader(ring, case['robot'])


def fate_of(case: dict[str, Any], folder: Path) -> tuple[str, Any]:
    """Say what becomes of a case's message: why it is refused, or what is in it."""
    (message,) = case['messages']
    topic, payload = message['topic'], bytes.fromhex(message['payload'])
    if case['kind'] == 'answer':
        try:
            key = PublicKey(bytes.fromhex(case['public_key']))
            return '', fields_of(open_answer(key, case['robot'], topic, payload))
        except ProtocolError as error:
            return 'bad_signature' if 'signature with' in str(error) else 'malformed', None
    reader = reader_of(case, folder)
    try:
        sealed = reader.unwrap('alice', payload)
        if not reader.knows('alice', sealed.kid):
            return 'unknown_key', None
        if not reader.verifies('alice', topic, sealed):
            return 'bad_signature', None
        return '', fields_of(reader.open(sealed).command)
    except ProtocolError:
        return 'malformed', None


@pytest.mark.parametrize('case', GOOD, ids=name_of)
def test_good_ones_are_read(case: dict[str, Any], tmp_path: Path) -> None:
    assert fate_of(case, tmp_path) == ('', case['fields'])


@pytest.mark.parametrize('case', BAD, ids=name_of)
def test_bad_ones_are_refused_for_their_reason(case: dict[str, Any], tmp_path: Path) -> None:
    assert fate_of(case, tmp_path) == (case['reason'], None)


def test_the_generator_makes_the_committed_bytes() -> None:
    made = [case.document() for case in commands()]
    assert json.loads(json.dumps(made)) == CASES
    assert len({case['name'] for case in CASES}) == len(CASES)


@pytest.mark.parametrize('case', [case for case in GOOD if 'private_key' in case], ids=name_of)
def test_good_ones_hold_together_without_our_code(case: dict[str, Any]) -> None:
    (message,) = case['messages']
    protected, unprotected, payload, signature = cbor2.loads(bytes.fromhex(message['payload']))
    assert (protected.hex(), unprotected) == (case['protected'], {})
    assert payload.hex() == case['encoded']
    use = {'command': 'rcb/1 command', 'answer': 'rcb/1 answer'}[case['kind']]
    aad = cbor2.dumps([use, case['robot'], message['topic']])
    covered = cbor2.dumps(['Signature1', protected, aad, payload])
    assert covered.hex() == case['to_be_signed']
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(case['private_key']))
    assert key.sign(covered) == signature
    public = bytes.fromhex(case['public_key'])
    assert hashlib.sha256(public).hexdigest()[:16] == case['kid']
    assert cbor2.loads(protected)[4].hex() == case['kid']
    ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, covered)
    with pytest.raises(InvalidSignature):
        key.public_key().verify(signature, covered + b'\0')


def test_signing_makes_the_committed_message() -> None:
    (case,) = [case for case in GOOD if case['name'] == 'publish']
    (message,) = case['messages']
    key = PrivateKey.from_seed(bytes.fromhex(case['private_key']))
    made = sign(
        key, Context.COMMAND, case['robot'], message['topic'], bytes.fromhex(case['encoded'])
    )
    assert made.hex() == message['payload']
