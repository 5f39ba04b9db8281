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
Publishes numbered texts of random length at random times, all drawn from a seed.

Run as a process of its own, with FILE SEED NAME TOPIC:HZ:BYTES ...; whoever knows seed and name
can make every text again. Lines on standard input: ``pause``, ``go`` (it begins paused), and the
end of the input ends it; each line is answered by one. How many it has published stands in FILE
at any time, also after it was killed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
import hashlib
import mmap
from pathlib import Path
import random
import struct
import sys
import threading
import time
from typing import Any

_SLOTS = 16


@dataclass(frozen=True, slots=True)
class Load:
    """A topic, its mean rate and the longest text on it."""

    topic: str
    hz: float
    bytes: int

    @classmethod
    def parse(cls, text: str) -> 'Load':
        """
        Read an argument.

        :param text: ``TOPIC:HZ:BYTES``
        :returns: the load
        """
        topic, hz, size = text.split(':')
        return cls(topic, float(hz), int(size))

    def __str__(self) -> str:
        return f'{self.topic}:{self.hz:g}:{self.bytes}'


def make_text(seed: int, name: str, load: Load, number: int) -> str:
    """
    Make a sample's text.

    :param seed: of the round
    :param name: of the publisher, without colons
    :param load: its topic
    :param number: 0 for the first
    :returns: the text, of between half of ``load.bytes`` and all of them, little compressible
    """
    # The first part of the topic's name is this run's alone, and the rest that of the seed.
    last = load.topic.rpartition('/')[2]
    source = hashlib.shake_256(f'{seed}:{name}:{last}:{number}'.encode())
    head = f'{name}:{number}:'
    drawn = source.digest(2)
    size = load.bytes - load.bytes * int.from_bytes(drawn, 'big') // (2 * 65536)
    return head + source.hexdigest(max(2, (size - len(head)) // 2))


def text_digest(text: bytes) -> str:
    """
    Sum a text up.

    :param text: UTF-8
    :returns: BLAKE2b of 8 bytes, hexadecimal
    """
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def moments(seed: int, name: str, load: Load) -> Iterator[float]:
    """
    Draw when the samples are published: most of them by themselves, some in bursts of 10.

    :param seed: of the round
    :param name: of the publisher
    :param load: topic and mean rate
    :returns: seconds since its start, rising for ever
    """
    drawn = random.Random(f'{seed}:{name}:{load.topic.rpartition("/")[2]}')
    now = 0.0
    while True:
        burst = 10 if drawn.random() < 0.05 else 1
        now += drawn.expovariate(load.hz) * burst
        for _ in range(burst):
            yield now


class Tally:
    """
    How many samples of each topic were published, in a file that survives the publisher.

    :param path: file, made when missing
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(16 * _SLOTS))
        with path.open('r+b') as file:
            self._map = mmap.mmap(file.fileno(), 16 * _SLOTS)

    def note(self, slot: int, begun: int, done: int) -> None:
        """
        Write a topic's counts.

        :param slot: which topic
        :param begun: calls of ``publish`` begun
        :param done: of these, returned
        """
        struct.pack_into('<QQ', self._map, 16 * slot, begun, done)

    def counts(self, slot: int) -> tuple[int, int]:
        """
        Read a topic's counts.

        :param slot: which topic
        :returns: calls of ``publish`` begun, and returned
        """
        begun, done = struct.unpack_from('<QQ', self._map, 16 * slot)
        return begun, done

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()


class _Paused:
    """Time that stands still while paused."""

    def __init__(self) -> None:
        self.running = threading.Event()
        self.ended = False
        self._begin = self._paused_at = time.monotonic()

    def now(self) -> float:
        return time.monotonic() - self._begin

    def switch(self, run: bool) -> None:
        if run and not self.running.is_set():
            self._begin += time.monotonic() - self._paused_at
            self.running.set()
        elif not run and self.running.is_set():
            self.running.clear()
            self._paused_at = time.monotonic()

    def listen(self) -> None:
        for line in sys.stdin:
            self.switch(line.strip() == 'go')
            print(line.strip(), flush=True)
        self.ended = True
        self.running.set()


def _publish(
    clock: _Paused, tally: Tally, seed: int, name: str, publishers: Mapping[Load, Any]
) -> None:
    from std_msgs.msg import String

    schedule = [
        [next(due := moments(seed, name, load)), slot, 0, due, load]
        for slot, load in enumerate(publishers)
    ]
    while True:
        entry: Any = min(schedule, key=lambda entry: (entry[0], entry[1]))
        while True:
            clock.running.wait()
            if clock.ended:
                return
            wait_s = entry[0] - clock.now()
            if wait_s <= 0:
                break
            threading.Event().wait(min(wait_s, 0.05))
        _, slot, number, due, load = entry
        text = make_text(seed, name, load, number)
        tally.note(slot, number + 1, number)
        publishers[load].publish(String(data=text))
        tally.note(slot, number + 1, number + 1)
        entry[0], entry[2] = next(due), number + 1


def main() -> None:
    """Publish."""
    import rclpy
    from std_msgs.msg import String

    from support.graph import qos

    record, seed, name, *loads = sys.argv[1:]
    tally = Tally(Path(record))
    rclpy.init()
    node = rclpy.create_node(f'faults_{name}')
    publishers = {
        load: node.create_publisher(String, load.topic, qos(depth=1000))
        for load in map(Load.parse, loads)
    }
    clock = _Paused()
    threading.Thread(target=clock.listen, daemon=True).start()
    print('ready', flush=True)
    _publish(clock, tally, int(seed), name, publishers)
    tally.close()
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == '__main__':
    main()
