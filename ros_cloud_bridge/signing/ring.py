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
Operators' public keys: a directory that is looked at again while the robot runs.

One PEM file per key, ``{operator}.pub`` or ``{operator}.{label}.pub``, and a file ``revoked`` with
key ids in hexadecimal, one a line, behind ``#`` comments. Whatever is in doubt is no key.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
import os
from pathlib import Path
import re
import stat
from types import MappingProxyType
from typing import Generic, TypeVar

from ros_cloud_bridge.signing.files import KeyFileError, read_file
from ros_cloud_bridge.signing.keys import PublicKey
from ros_cloud_bridge.wire.cose import KID_BYTES

MOST_KEYS = 256
REVOKED = 'revoked'
KEY_NAME = re.compile(r'(?P<operator>[A-Za-z0-9_-]{1,64})(\.[A-Za-z0-9_-]{1,64})?\.pub')
_PERIOD_S = 1.0
_MOST_ENTRIES = 4096
MOST_REVOKED_BYTES = 256 * 1024
_MOST_PROBLEMS = 64
_MOST_NAMES = 8
# A second change within one tick of the file system's clock shows no other time stamp: what has
# changed is read in the next looks as well (FAT has ticks of 2 s).
_LOOKS = 3
_NONE: Mapping[bytes, PublicKey] = MappingProxyType({})
_T = TypeVar('_T')
_Stamp = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Read(Generic[_T]):
    """What was read of a file, and of which file."""

    stamp: _Stamp
    value: _T | None
    problems: tuple[str, ...]
    looks: int


@dataclass(slots=True)
class _Look:
    """What one look finds."""

    files: dict[str, _Stamp] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class KeyRing:
    """
    The public keys of a robot's operators.

    :param directory: where they are; it need not be there yet
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._next_look: float | None = None
        self._read: dict[str, _Read[PublicKey]] = {}
        self._revoked: _Read[frozenset[bytes]] | None = None
        self._keys: Mapping[str, Mapping[bytes, PublicKey]] = {}
        self._problems: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the directory as it is now, one line each."""
        return self._problems

    @property
    def operators(self) -> tuple[str, ...]:
        """Who has a key that is good."""
        return tuple(sorted(self._keys))

    def keys_of(self, operator: str) -> Mapping[bytes, PublicKey]:
        """
        Give an operator's keys that are not revoked.

        :param operator: the operator
        :returns: keys by their ids
        """
        return self._keys.get(operator, _NONE)

    def look(self, now: float) -> tuple[str, ...]:
        """
        See what has changed; no more than once a second.

        :param now: monotonic seconds
        :returns: problems that the last look has not found, to be said once
        """
        if self._next_look is not None and now < self._next_look:
            return ()
        self._next_look = now + _PERIOD_S
        before = set(self._problems)
        self._load()
        return tuple(problem for problem in self._problems if problem not in before)

    def _load(self) -> None:
        found = self._scan()
        revoked = self._read_revoked(found)
        self._read = {name: self._read_key(name, found.files[name]) for name in found.files}
        keys: dict[str, dict[bytes, PublicKey]] = {}
        for name, read in self._read.items():
            found.problems += read.problems
            key = read.value
            if key is not None and revoked is not None and key.kid not in revoked:
                operator = name.partition('.')[0]
                keys.setdefault(operator, {})[key.kid] = key
        found.problems += self._shared(keys)
        self._keys = {name: MappingProxyType(own) for name, own in keys.items()}
        more = len(found.problems) - _MOST_PROBLEMS
        if more > 0:
            found.problems[_MOST_PROBLEMS:] = [f'{self.directory}: and {more} more problems']
        self._problems = tuple(found.problems)

    def _scan(self) -> _Look:
        found = _Look()
        try:
            names = self._names()
        except KeyFileError as error:
            found.problems.append(str(error))
            return found
        except OSError as error:
            found.problems.append(f'{self.directory}: {error.strerror or error}')
            return found
        for name in names:
            if not KEY_NAME.fullmatch(name):
                found.problems.extend(self._misplaced(name))
            elif len(found.files) == MOST_KEYS:
                found.problems.insert(
                    0,
                    f'{self.directory}: has more than {MOST_KEYS} keys; those from {name} on '
                    'are left out',
                )
                break
            elif stamp := _stamp(f'{self.directory}/{name}'):
                found.files[name] = stamp
        return found

    def _names(self) -> list[str]:
        if self.directory.stat().st_mode & stat.S_IWOTH:
            raise KeyFileError(
                self.directory, f'anybody may write there: chmod o-w {self.directory}'
            )
        with os.scandir(self.directory) as entries:
            names = [entry.name for entry in islice(entries, _MOST_ENTRIES + 1)]
        if len(names) > _MOST_ENTRIES:
            raise KeyFileError(self.directory, f'has more than {_MOST_ENTRIES} files')
        return sorted(names)

    def _misplaced(self, name: str) -> Iterator[str]:
        if name.startswith('.'):
            return
        if name.endswith('.pub'):
            yield (
                f'{self._shown(name)}: no name of a key: {{operator}}.pub or '
                '{operator}.{label}.pub, of A-Z a-z 0-9 _ -'
            )
        elif name.endswith(('.key', '.pem')):
            yield f'{self._shown(name)}: only public keys belong here, as {{operator}}.pub'

    def _shared(self, keys: Mapping[str, Mapping[bytes, PublicKey]]) -> Iterator[str]:
        """Say which keys several operators have: good for each, but rarely meant."""
        owners: dict[bytes, list[str]] = {}
        for operator, own in keys.items():
            for kid in own:
                owners.setdefault(kid, []).append(operator)
        for kid, names in owners.items():
            if len(names) > 1:
                more = ', …' if len(names) > _MOST_NAMES else ''
                yield (
                    f'{self.directory}: {", ".join(names[:_MOST_NAMES])}{more} have one key, '
                    f'{kid.hex()}: whoever holds it commands under each of these names'
                )

    def _shown(self, name: str) -> str:
        text = f'{self.directory}/{name}'
        return ''.join(c if c.isprintable() else '?' for c in text)

    def _read_key(self, name: str, stamp: _Stamp) -> _Read[PublicKey]:
        before = self._read.get(name)
        looks = _looks(before, stamp)
        if before is not None and looks >= _LOOKS:
            return before
        try:
            key = PublicKey.load(self.directory / name)
        except KeyFileError as error:
            return _Read(stamp, None, (str(error),), looks + 1)
        return _Read(stamp, key, (), looks + 1)

    def _read_revoked(self, found: _Look) -> frozenset[bytes] | None:
        """Read the revoked key ids; None when they can't be known, and so no key is good."""
        path = self.directory / REVOKED
        stamp = _stamp(str(path))
        if stamp is None:
            self._revoked = None
            return frozenset()
        read, looks = self._revoked, _looks(self._revoked, stamp)
        if read is None or looks < _LOOKS:
            read = self._revoked = _read_revoked(path, stamp, looks + 1)
        found.problems[:0] = read.problems
        return read.value


def parse_revoked(text: str) -> tuple[frozenset[bytes], list[int]]:
    """
    Read a file of revoked key ids.

    :param text: hexadecimal, one a line; ``#`` begins a comment
    :returns: key ids, and the numbers of lines that hold something else
    """
    kids, wrong = set(), []
    for number, line in enumerate(text.splitlines(), 1):
        word = line.partition('#')[0].strip()
        if re.fullmatch(f'[0-9A-Fa-f]{{{2 * KID_BYTES}}}', word):
            kids.add(bytes.fromhex(word))
        elif word:
            wrong.append(number)
    return frozenset(kids), wrong


def _read_revoked(path: Path, stamp: _Stamp, looks: int) -> _Read[frozenset[bytes]]:
    try:
        text = read_file(path, most_bytes=MOST_REVOKED_BYTES).decode('utf-8', 'replace')
    except KeyFileError as error:
        return _Read(stamp, None, (f'{error}; until then no key is good',), looks)
    kids, wrong = parse_revoked(text)
    return _Read(stamp, kids, tuple(f'{path}: line {n} is no key id' for n in wrong), looks)


def _looks(read: _Read[_T] | None, stamp: _Stamp) -> int:
    """Count how often a file has been read since it was seen to change."""
    return read.looks if read is not None and read.stamp == stamp else 0


def _stamp(path: str) -> _Stamp | None:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError:
        return (0,)  # reading it says why
    return (
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_size,
        status.st_ino,
        status.st_mode,
    )
