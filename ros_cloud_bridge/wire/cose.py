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
COSE_Sign1 (RFC 9052, section 4.2) as commands, answers and confirmations use it.

Untagged; the protected header holds ``alg`` and ``kid`` and nothing else, the unprotected one
nothing. No key and no signature is made or checked here: see ``ros_cloud_bridge.signing``.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire import cbor

KID_BYTES = 8
SIGNATURE_BYTES = 64
# RFC 9053's EdDSA, and Ed25519 alone (RFC 9864); both with an Ed25519 key.
EDDSA = -8
ED25519 = -19
ALGORITHMS = frozenset({EDDSA, ED25519})
_ALG, _KID = 1, 4
_PROTECTED_MOST = 64
# Four fields, of which one is an empty map: nothing larger is walked through.
_MAX_DEPTH, _MAX_ITEMS = 2, 16


class Context(Enum):
    """What is signed: a signature for the one is none for another."""

    COMMAND = 'rcb/1 command'
    ANSWER = 'rcb/1 answer'
    CONFIRMATION = 'rcb/1 confirmation'


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A message as it came: ``protected`` are the bytes that the signature covers."""

    protected: bytes
    algorithm: int
    kid: bytes
    payload: bytes
    signature: bytes


def protect(kid: bytes) -> bytes:
    """
    Make a protected header.

    :param kid: the key's id, 8 bytes
    :returns: its encoding
    """
    return cbor.dumps({_ALG: EDDSA, _KID: kid})


def external_aad(context: Context, robot_id: str, topic: str) -> bytes:
    """
    Bind a signature to what a message is for.

    :param context: what it is
    :param robot_id: the robot that it goes to or comes from
    :param topic: the MQTT topic that it is published to
    :returns: COSE's external_aad
    """
    return cbor.dumps([context.value, robot_id, topic])


def to_be_signed(protected: bytes, aad: bytes, payload: bytes) -> bytes:
    """
    Build the Sig_structure (RFC 9052, section 4.4).

    :param protected: encoded protected header
    :param aad: external_aad
    :param payload: what is signed
    :returns: the bytes that the signature is made of
    """
    return cbor.dumps(['Signature1', protected, aad, payload])


def encode_signed(protected: bytes, payload: bytes, signature: bytes) -> bytes:
    """
    Encode a message.

    :param protected: encoded protected header
    :param payload: what was signed
    :param signature: of :func:`to_be_signed`
    :returns: MQTT payload
    """
    return cbor.dumps([protected, {}, payload, signature])


def decode_signed(message: bytes, max_bytes: int) -> Signed:
    """
    Take a message apart; its signature is not checked.

    :param message: MQTT payload
    :param max_bytes: largest message that is looked at
    :returns: its parts
    :raises ProtocolError: when it is no COSE_Sign1, or one that this protocol does not use
    """
    fields = cbor.loads(message, max_bytes, max_depth=_MAX_DEPTH, max_items=_MAX_ITEMS)
    if not isinstance(fields, list) or len(fields) != 4:
        raise ProtocolError('not a COSE_Sign1 of four fields')
    protected, unprotected, payload, signature = fields
    if not isinstance(payload, bytes) or not isinstance(protected, bytes):
        raise ProtocolError('COSE_Sign1 without protected header or payload')
    if unprotected != {} or not isinstance(unprotected, dict):
        raise ProtocolError('COSE_Sign1 with an unprotected header')
    if not isinstance(signature, bytes) or len(signature) != SIGNATURE_BYTES:
        raise ProtocolError(f'a signature has {SIGNATURE_BYTES} bytes')
    algorithm, kid = _header(protected)
    return Signed(
        protected=protected, algorithm=algorithm, kid=kid, payload=payload, signature=signature
    )


def signer(message: bytes, max_bytes: int) -> bytes:
    """
    Read whose key a message says it is signed with; nothing is checked.

    :param message: MQTT payload
    :param max_bytes: largest message that is looked at
    :returns: the key's id
    :raises ProtocolError: as for :func:`decode_signed`
    """
    return decode_signed(message, max_bytes).kid


def _header(protected: bytes) -> tuple[int, bytes]:
    header: Any = cbor.loads(
        protected, _PROTECTED_MOST, max_depth=_MAX_DEPTH, max_items=_MAX_ITEMS
    )
    if not isinstance(header, dict) or [type(k) for k in header] != [int, int]:
        raise ProtocolError('a protected header has alg and kid, and nothing else')
    if set(header) != {_ALG, _KID}:
        raise ProtocolError('a protected header has alg and kid, and nothing else')
    algorithm, kid = header[_ALG], header[_KID]
    if type(algorithm) is not int or algorithm not in ALGORITHMS:
        raise ProtocolError('alg is none of EdDSA (-8) and Ed25519 (-19)')
    if not isinstance(kid, bytes) or len(kid) != KID_BYTES:
        raise ProtocolError(f'kid: not {KID_BYTES} bytes')
    return algorithm, kid
