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
Child of a soak: publishes live and latched topics, and topics that come and go.

Run with FILE SEED TOPIC:HZ:BYTES ...; lines on standard input as in support.fault_publisher.
Topics named ``visit_…`` are published for some seconds, one after the other, by a publisher that
is made for it; ``map`` is latched; all others are published all the time.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
import random
import sys
import threading
import time
from typing import Any

from support.fault_publisher import Load, make_text, Tally

_NAME = 'load'
_VISIT_S = (2.0, 8.0)
_PAUSE_S = (1.0, 6.0)


class Switch:
    """Whether to publish, as the parent says."""

    def __init__(self) -> None:
        self.running = threading.Event()
        self.ended = False

    def listen(self) -> None:
        """Follow standard input until it ends."""
        for line in sys.stdin:
            if line.strip() == 'go':
                self.running.set()
            else:
                self.running.clear()
            print(line.strip(), flush=True)
        self.ended = True
        self.running.set()


class Voice:
    """
    Publishes the numbered texts of one topic at an even rate.

    :param node: publishes
    :param tally: counts
    :param slot: of the tally
    :param seed: of the texts
    :param load: the topic
    """

    def __init__(self, node: Any, tally: Tally, slot: int, seed: int, load: Load) -> None:
        self._node = node
        self._tally = tally
        self._slot = slot
        self._seed = seed
        self._load = load
        self._number = 0
        self._publisher: Any = None
        self.due_s = 0.0

    def open(self) -> None:
        """Make the publisher."""
        from std_msgs.msg import String

        from support.graph import qos

        latched = self._load.topic.endswith('/map')
        profile = qos(depth=1 if latched else 100, latched=latched)
        self._publisher = self._node.create_publisher(String, self._load.topic, profile)

    def close(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_publisher(self._publisher)
        self._publisher = None

    def speak(self, now: float) -> None:
        """
        Publish what is due.

        :param now: monotonic seconds
        """
        if self._publisher is None or now < self.due_s:
            return
        from std_msgs.msg import String

        # Late ones are left out: a rate is kept, not a count.
        self.due_s = max(self.due_s + 1 / self._load.hz, now)
        text = make_text(self._seed, _NAME, self._load, self._number)
        self._tally.note(self._slot, self._number + 1, self._number)
        self._publisher.publish(String(data=text))
        self._number += 1
        self._tally.note(self._slot, self._number, self._number)


class Visits:
    """
    Lets one visitor after the other come and go.

    :param voices: the visitors
    :param drawn: says when
    """

    def __init__(self, voices: Sequence[Voice], drawn: random.Random) -> None:
        self._voices = voices
        self._drawn = drawn
        self._present: Voice | None = None
        self._change_s = 0.0

    def turn(self, now: float) -> None:
        """
        Open and close what is due.

        :param now: monotonic seconds
        """
        if now < self._change_s or not self._voices:
            return
        if self._present is None:
            self._present = self._drawn.choice(self._voices)
            self._present.open()
            self._change_s = now + self._drawn.uniform(*_VISIT_S)
        else:
            self._present.close()
            self._present = None
            self._change_s = now + self._drawn.uniform(*_PAUSE_S)


def _run(switch: Switch, voices: Mapping[Load, Voice], drawn: random.Random) -> None:
    staying = [voice for load, voice in voices.items() if '/visit_' not in load.topic]
    visits = Visits([voice for voice in voices.values() if voice not in staying], drawn)
    for voice in staying:
        voice.open()
    tick = threading.Event()
    while True:
        switch.running.wait()
        if switch.ended:
            return
        now = time.monotonic()
        visits.turn(now)
        for voice in voices.values():
            voice.speak(now)
        tick.wait(0.01)


def main() -> None:
    """Publish."""
    import rclpy

    record, seed, *arguments = sys.argv[1:]
    tally = Tally(Path(record))
    rclpy.init()
    node = rclpy.create_node('soak_load')
    loads = [Load.parse(argument) for argument in arguments]
    voices = {load: Voice(node, tally, slot, int(seed), load) for slot, load in enumerate(loads)}
    switch = Switch()
    threading.Thread(target=switch.listen, daemon=True).start()
    print('ready', flush=True)
    _run(switch, voices, random.Random(f'{seed}:visits'))
    tally.close()
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == '__main__':
    main()
