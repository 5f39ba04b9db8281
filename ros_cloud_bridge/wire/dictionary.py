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
Dictionaries: what batches of a class have in common, said once (docs/protocol.md, "Dictionaries").

::

    dictionary = [version, name, length, zstd of the content]

A dictionary is raw content: parts of earlier batches, as they were before compression. Its name is
the beginning of the content's SHA-256, so that one name never means two things.
"""

import hashlib

import zstandard

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire import cbor
from ros_cloud_bridge.wire.batch import DICTIONARY_BYTES, VERSION
from ros_cloud_bridge.wire.codecs import decompress, Dictionary
from ros_cloud_bridge.wire.limits import MAX_DICTIONARY


def make_dictionary(content: bytes) -> Dictionary:
    """
    Make a dictionary.

    :param content: at least 8 bytes, for zstd takes no shorter one
    :returns: it
    """
    return Dictionary(content, hashlib.sha256(content).digest()[:DICTIONARY_BYTES])


def encode_dictionary(dictionary: Dictionary) -> bytes:
    """
    Encode a dictionary.

    :param dictionary: at most ``MAX_DICTIONARY`` bytes
    :returns: CBOR payload
    """
    content = dictionary.content
    compressed = zstandard.ZstdCompressor(level=19).compress(content)
    return cbor.dumps([VERSION, dictionary.name, len(content), compressed])


def decode_dictionary(payload: bytes) -> Dictionary:
    """
    Decode a dictionary.

    :param payload: MQTT payload
    :returns: the dictionary
    :raises ProtocolError: when it is malformed, too long or not what its name says
    """
    fields = cbor.loads(payload, 2 * MAX_DICTIONARY)
    if not isinstance(fields, list) or len(fields) != 4:
        raise ProtocolError('a dictionary has four fields')
    version, name, length, compressed = fields
    if type(version) is not int or version != VERSION:
        raise ProtocolError(f'dictionary of another protocol version than {VERSION}')
    if type(length) is not int or not 8 <= length <= MAX_DICTIONARY:
        raise ProtocolError(f'a dictionary has 8 to {MAX_DICTIONARY} bytes')
    if type(compressed) is not bytes:
        raise ProtocolError('the content of a dictionary is one zstd frame')
    dictionary = make_dictionary(decompress(compressed, length))
    if dictionary.name != name:
        raise ProtocolError('a dictionary has another name than its content')
    return dictionary
