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
What is fuzzed of commands, and from where: ``python test/fuzz/command_target.py FOLDER``.

The input's first byte chooses who reads the rest: the robot's gate, an operator, or the decoders
of what signatures cover, which an owner of a key can reach.
"""

import json
from pathlib import Path
import sys
import tempfile

from ros_cloud_bridge.command.reader import CommandReader
from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.signing.keys import PrivateKey
from ros_cloud_bridge.signing.messages import open_answer
from ros_cloud_bridge.signing.ring import KeyRing
from ros_cloud_bridge.wire.command import (
    decode_answer,
    decode_command,
    encode_answer,
    encode_command,
)
from ros_cloud_bridge.wire.cose import decode_signed, encode_signed
from ros_cloud_bridge.wire.limits import MAX_ANSWER

VECTORS = Path(__file__).parents[1] / 'vectors' / 'commands.json'
GATE, OPERATOR, COMMAND, ANSWER = range(4)
ROBOT = 'amr-07'
COMMANDS, ANSWERS = f'rcb/v1/{ROBOT}/cmd/alice/drive', f'rcb/v1/{ROBOT}/ack/alice'
# As in the vectors.
ALICE, OWN = PrivateKey.from_seed(b'a' * 32), PrivateKey.from_seed(b'r' * 32)
Parts = tuple[bytes, bytes, bytes]


def vectors() -> list[tuple[int, bytes]]:
    """
    Give each vector's message, and what its signature covers.

    :returns: who reads it, and the message
    """
    found = []
    for case in json.loads(VECTORS.read_text())['cases']:
        whole = bytes.fromhex(case['messages'][0]['payload'])
        command = case['kind'] == 'command'
        found.append((GATE if command else OPERATOR, whole))
        try:
            inner = decode_signed(whole, MAX_ANSWER).payload
        except ProtocolError:
            inner = bytes.fromhex(case.get('encoded', ''))
        found.append((COMMAND if command else ANSWER, inner))
    return found


class Target:
    """Reads anything, and fails where what it reads breaks a promise."""

    def __init__(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            ALICE.public.save(Path(folder) / 'alice.pub')
            ring = KeyRing(Path(folder))
            ring.look(0.0)
        self._reader = CommandReader(ring, ROBOT)
        self._genuine: set[Parts] = set()
        for who, message in vectors():
            if who in (GATE, OPERATOR) and self._accepted(who, message):
                self._genuine.add(_parts(message))
        assert len(self._genuine) > 10, 'the vectors hold no good messages'

    def read(self, who: int, message: bytes) -> bool:
        """
        Read a message.

        :param who: who reads it
        :param message: anything
        :returns: whether it is taken
        """
        if who in (GATE, OPERATOR):
            accepted = self._accepted(who, message)
            # Nobody has signed anything else.
            assert not accepted or _parts(message) in self._genuine, 'a forgery is accepted'
            return accepted
        return _decodes(who, message)

    def _accepted(self, who: int, message: bytes) -> bool:
        try:
            if who == OPERATOR:
                open_answer(OWN.public, ROBOT, ANSWERS, message)
                return True
            sealed = self._reader.unwrap('alice', message)
            self._reader.open(sealed)
        except ProtocolError:
            return False
        signed = decode_signed(message, MAX_ANSWER)
        again = encode_signed(signed.protected, signed.payload, signed.signature)
        assert decode_signed(again, MAX_ANSWER) == signed
        known = self._reader.knows('alice', sealed.kid)
        return known and self._reader.verifies('alice', COMMANDS, sealed)


def _decodes(who: int, message: bytes) -> bool:
    try:
        # Compared as bytes, for no NaN is equal to itself.
        if who == COMMAND:
            made = encode_command(decode_command(message))
            assert encode_command(decode_command(made)) == made
        else:
            made = encode_answer(decode_answer(message))
            assert encode_answer(decode_answer(made)) == made
    except ProtocolError:
        return False
    return True


def _parts(message: bytes) -> Parts:
    signed = decode_signed(message, MAX_ANSWER)
    return signed.protected, signed.payload, signed.signature


def main() -> None:
    """Write one file per input."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for number, (who, message) in enumerate(vectors()):
        (folder / f'command-{number:03}').write_bytes(bytes([who]) + message)


if __name__ == '__main__':
    main()
