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
A flood of bad commands beside good ones and telemetry; run as a process it is the attacker.

::

    python -m support.command_flood HOST PORT FILE RATE

publishes what the file holds (a topic and a payload in hexadecimal per line) at a rate, and prints
how many seconds that took.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
import os
from pathlib import Path
import random
import subprocess
import sys
import threading
import time
from typing import Any

import paho.mqtt.client as mqtt

from ros_cloud_bridge.command_values import Answer

from .commander import Commander
from .robots import Place
from .signer import ROOT, Signer

_TESTS = Path(__file__).resolve().parents[1]
_CONNECT_S = 20.0


def bad_commands(signer: Signer, count: int, seed: int = 1) -> list[tuple[str, bytes]]:
    """
    Make commands that no robot carries out.

    :param signer: in whose name some of them are; none of them has a good signature
    :param count: how many
    :param seed: of what is random
    :returns: topics and payloads
    """
    rng = random.Random(seed)
    base = f'{ROOT}/{signer.robot_id}/cmd'
    whole = signer.make('set', 'call', {'data': True})
    made = []
    for number in range(count):
        broken = bytearray(whole.payload)
        broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        made.append(
            rng.choice(
                (
                    (whole.topic, bytes(broken)),
                    (f'{base}/stranger-{number}/set', bytes(broken)),
                    (f'{base}/{signer.operator}/drive', whole.payload),
                    (whole.topic, rng.randbytes(rng.randint(0, 300))),
                    (whole.topic, b'\x81' * rng.randint(100, 30_000)),
                    (f'{base}/{signer.operator}/none-{number}', whole.payload),
                )
            )
        )
    return made


class Flood:
    """
    The attacker in a process of its own; starts at once.

    :param place: where the broker is
    :param messages: what is published
    :param rate_hz: how fast
    :param folder: for a file
    """

    def __init__(
        self, place: Place, messages: Sequence[tuple[str, bytes]], rate_hz: float, folder: Path
    ) -> None:
        path = folder / 'flood'
        path.write_text(''.join(f'{topic} {payload.hex()}\n' for topic, payload in messages))
        self._process = subprocess.Popen(
            [
                sys.executable,
                '-m',
                'support.command_flood',
                place.host,
                str(place.port),
                str(path),
                str(rate_hz),
            ],
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                'PYTHONPATH': f'{_TESTS}:{_TESTS.parent}:{os.environ.get("PYTHONPATH", "")}',
            },
        )

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self._process.poll() is None

    def seconds(self) -> float:
        """
        Wait until all is published.

        :returns: how long it took
        """
        said, _ = self._process.communicate(timeout=300.0)
        assert self._process.returncode == 0
        return float(said)


@dataclass(slots=True)
class Driven:
    """Good commands beside a flood, with the seconds until each was answered."""

    answers: list[Answer | None] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def good_commands(
    commander: Commander, stopped: threading.Event, hz: float, kind: tuple[str, str, Any]
) -> Driven:
    """
    Send good commands until told to stop, each until it is answered.

    :param commander: knows the time
    :param stopped: ends it
    :param hz: how many a second, at most
    :param kind: channel, type and arguments
    :returns: what became of them
    """
    driven = Driven()
    while not stopped.wait(1.0 / hz):
        began = time.monotonic()
        message = commander.make(*kind)
        driven.answers.append(commander.insist(message, 20.0))
        driven.seconds.append(time.monotonic() - began)
    return driven


def main() -> None:
    """Publish."""
    host, port, path, rate_hz = sys.argv[1:]
    kind: Any = getattr(mqtt, 'CallbackAPIVersion', None)
    client = mqtt.Client(*((kind.VERSION2,) if kind else ()), protocol=mqtt.MQTTv5)
    client.max_queued_messages_set(0)
    client.connect(host, int(port))
    client.loop_start()
    deadline = time.monotonic() + _CONNECT_S
    while not client.is_connected() and time.monotonic() < deadline:
        time.sleep(0.01)
    began = time.monotonic()
    for number, line in enumerate(Path(path).read_text().splitlines()):
        topic, payload = line.partition(' ')[::2]
        time.sleep(max(0.0, began + number / float(rate_hz) - time.monotonic()))
        client.publish(topic, bytes.fromhex(payload), qos=0)
    done = client.publish(f'{ROOT}/flood', b'-', qos=1)
    done.wait_for_publish()
    print(f'{time.monotonic() - began:.3f}', flush=True)
    client.disconnect()
    client.loop_stop()


if __name__ == '__main__':
    main()
