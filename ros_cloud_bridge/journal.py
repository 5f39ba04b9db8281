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

"""A file that proves what the bridge accepted, to hold against what arrives."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
import hashlib
import json
from pathlib import Path

from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.values import Received


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """One accepted sample; ``digest`` is that of its CDR."""

    route: int
    topic: str
    sequence: int
    size: int
    digest: str


def digest(cdr: bytes) -> str:
    """
    Give a sample's digest.

    :param cdr: serialized message
    :returns: BLAKE2b of 16 bytes, hexadecimal
    """
    return hashlib.blake2b(cdr, digest_size=16).hexdigest()


class Journal:
    """
    Writes a line per accepted sample; for tests and demonstrations, not for the field.

    :param path: file to write; an existing one is replaced
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open('w', encoding='utf-8')

    def accepted(self, route: Route, first: int, samples: Sequence[Received]) -> None:
        """
        Note samples as they are accepted.

        :param route: their route
        :param first: sequence number of the first one; the others follow
        :param samples: the samples
        """
        for sequence, sample in enumerate(samples, first):
            entry = [route.number, route.topic, sequence, len(sample.cdr), digest(sample.cdr)]
            self._file.write(json.dumps(entry) + '\n')

    def close(self) -> None:
        """Write out what is buffered."""
        self._file.close()


def read_journal(path: Path) -> Iterator[Accepted]:
    """
    Read a journal.

    :param path: file that a bridge has closed
    :returns: its entries in the order of acceptance
    """
    with path.open(encoding='utf-8') as file:
        for line in file:
            route, topic, sequence, size, text = json.loads(line)
            yield Accepted(route=route, topic=topic, sequence=sequence, size=size, digest=text)
