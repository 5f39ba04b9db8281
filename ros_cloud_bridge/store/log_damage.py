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
Damage in SQLite's write-ahead log, which SQLite itself passes over without a word.

SQLite reads a log up to the first frame whose checksum is wrong, and takes what follows for
leftovers. That is right for the torn end of a power cut. But where whole transactions follow, it
is damage, and they are gone: that must be said. Format: https://www.sqlite.org/fileformat.html, 4.
"""

from array import array
from collections.abc import Iterator
from pathlib import Path
import struct
import sys
from typing import BinaryIO, NamedTuple

_HEADER = struct.Struct('>8I')
_FRAME = struct.Struct('>6I')
_MAGIC = 0x377F0682
_MASK = 0xFFFFFFFF
# A commit is synced before the next begins: after a power cut one transaction at most is torn.
_TORN_TRANSACTIONS = 1


class LogDamage(NamedTuple):
    """How many transactions of a log cannot be read any more, and at which frame that begins."""

    frame: int
    transactions: int


def find_damage(path: Path) -> LogDamage | None:
    """
    Look for damage in a log that no process has open.

    :param path: the ``-wal`` file
    :returns: what is lost, or None when there is no log or no damage in it
    :raises OSError: when it cannot be read
    """
    try:
        with path.open('rb') as file:
            return _find(file)
    except FileNotFoundError:
        return None


def _find(file: BinaryIO) -> LogDamage | None:
    raw = file.read(_HEADER.size)
    if len(raw) < _HEADER.size:
        return None
    magic, _, page_bytes, _, salt_1, salt_2, sum_1, sum_2 = _HEADER.unpack(raw)
    big = bool(magic & 1)
    sums = _checksum(raw[:24], (0, 0), big)
    if magic & ~1 != _MAGIC or not 512 <= page_bytes <= 65536:
        return _headless(file, raw)
    if sums != (sum_1, sum_2):
        return _headless(file, raw)
    intact, lost = True, 0
    first = -1
    for number, (frame, page) in enumerate(_frames(file, page_bytes)):
        _, size, frame_1, frame_2, *stored = _FRAME.unpack(frame)
        own = (frame_1, frame_2) == (salt_1, salt_2)
        if intact:
            sums = _checksum(page, _checksum(frame[:8], sums, big), big) if own else sums
            if own and sums == tuple(stored):
                continue
            intact, first = False, number
        lost += own and size != 0
    return LogDamage(first, lost) if lost > _TORN_TRANSACTIONS else None


def _headless(file: BinaryIO, raw: bytes) -> LogDamage | None:
    """Count the transactions of a log whose header is damaged, by the salts of most frames."""
    salts: dict[bytes, int] = {}
    for frame, _ in _frames(file, 4096):
        salts[frame[8:16]] = salts.get(frame[8:16], 0) + (frame[4:8] != bytes(4))
    # A header torn by a power cut belongs to a log that had just been written back.
    most = salts.get(raw[16:24], 0)
    return LogDamage(0, most) if most else None


def _frames(file: BinaryIO, page_bytes: int) -> Iterator[tuple[bytes, bytes]]:
    while True:
        frame, page = file.read(_FRAME.size), file.read(page_bytes)
        if len(page) < page_bytes:
            return
        yield frame, page


def _checksum(data: bytes, sums: tuple[int, int], big: bool) -> tuple[int, int]:
    words = array('I')
    assert words.itemsize == 4
    words.frombytes(data)
    if big is not (sys.byteorder == 'big'):
        words.byteswap()
    first, second = sums
    pairs = iter(words)
    for one, two in zip(pairs, pairs, strict=True):
        first = (first + one + second) & _MASK
        second = (second + two + first) & _MASK
    return first, second
