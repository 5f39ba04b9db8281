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
Header fields read in place from CDR (OMG DDSI-RTPS 10.5), for keys and latched transforms.

Positions are relative to the byte behind the 4-byte encapsulation header; integers of four bytes
are aligned to four, doubles to eight. A message that does not have the expected shape gives no
key: it is the robot's own data and must never stop the bridge.
"""

import struct

from ros_cloud_bridge.values import Key, Received

_HEADER_BYTES = 4
_STAMP_BYTES = 8
_TRANSFORM_DOUBLES = 7


class _Reader:
    def __init__(self, cdr: bytes) -> None:
        if len(cdr) < _HEADER_BYTES or cdr[0] != 0 or cdr[1] not in (0, 1):
            raise ValueError('not plain CDR')
        self._data = cdr
        self._order = '<' if cdr[1] == 1 else '>'
        self.position = 0

    def uint32(self) -> int:
        self.align(4)
        (value,) = struct.unpack_from(self._order + 'I', self._data, _HEADER_BYTES + self.position)
        self.position += 4
        return int(value)

    def string(self) -> str:
        length = self.uint32()
        start = _HEADER_BYTES + self.position
        if start + length > len(self._data):
            raise ValueError('string beyond the message')
        self.position += length
        return self._data[start : start + length].rstrip(b'\0').decode('utf-8', 'replace')

    def align(self, size: int) -> None:
        self.position += -self.position % size


def frame_id(cdr: bytes) -> str | None:
    """
    Read ``header.frame_id`` of a message that begins with std_msgs/Header.

    :param cdr: serialized message
    :returns: the frame id, or None when the message is too short or not plain CDR
    """
    try:
        reader = _Reader(cdr)
        reader.position = _STAMP_BYTES
        return reader.string()
    except (ValueError, struct.error):
        return None


def status_name(cdr: bytes) -> str | None:
    """
    Read ``status[0].name`` of a diagnostic_msgs/DiagnosticArray.

    :param cdr: serialized message
    :returns: the name, or None when there is no status or the message is malformed
    """
    try:
        reader = _Reader(cdr)
        reader.position = _STAMP_BYTES
        reader.string()
        if reader.uint32() == 0:
            return None
        reader.position += 1
        return reader.string()
    except (ValueError, struct.error):
        return None


def child_frames(cdr: bytes) -> frozenset[str] | None:
    """
    Read the child frames of a tf2_msgs/TFMessage.

    :param cdr: serialized message
    :returns: every ``transforms[i].child_frame_id``, or None when the message is malformed
    """
    try:
        reader = _Reader(cdr)
        count = reader.uint32()
        if count > len(cdr):
            return None
        frames = set()
        for _ in range(count):
            reader.align(4)
            reader.position += _STAMP_BYTES
            reader.string()
            frames.add(reader.string())
            reader.align(8)
            reader.position += 8 * _TRANSFORM_DOUBLES
        if _HEADER_BYTES + reader.position > len(cdr):
            return None
        return frozenset(frames)
    except (ValueError, struct.error):
        return None


def key_of(sample: Received, key: Key) -> object:
    """
    Say which slot of a ``keep: latest`` route a sample belongs to.

    :param sample: the sample
    :param key: what the stream keeps one of
    :returns: hashable key; None is a slot too
    """
    if key is Key.PUBLISHER:
        return sample.publisher
    if key is Key.FRAME_ID:
        return frame_id(sample.cdr)
    if key is Key.STATUS_NAME:
        return status_name(sample.cdr)
    return None
