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
A child that commands: an operator's process in the cloud.

``command_operator.py HOST PORT ROBOT KEYS``, where KEYS is the robot's folder of keys; the
operator's own key lies there as ``alice.key``.
"""

import os
from pathlib import Path
import sys
import threading
import time
from typing import Any

from children import Answer, serve
from command_echo import ANSWER, ASK, client_of

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / 'test'), str(ROOT)]

from ros_cloud_bridge.command_values import State  # noqa: E402
from ros_cloud_bridge.mqtt.events import Outgoing, SessionFull  # noqa: E402
from ros_cloud_bridge.signing.keys import PrivateKey  # noqa: E402
from support.commander import Commander  # noqa: E402

OPERATOR = 'alice'
_WAIT_S = 10.0
_TELEOP_TTL_MS = 1000
_KINDS: dict[str, tuple[str, str, Any]] = {
    'topic': ('say', 'publish', {'data': 'go'}),
    'service': ('set', 'call', {'data': True}),
    'parameter': ('gain', 'get', {'names': ['gain']}),
}


class _Place:
    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port


class _Operator:
    def __init__(self, host: str, port: int, robot_id: str, keys: Path) -> None:
        self._commander = Commander(
            _Place(host, port),
            robot_id,
            OPERATOR,
            PrivateKey.load(keys / f'{OPERATOR}.key'),
            PrivateKey.load(keys / f'robot-{robot_id}.key').public,
        )
        self._echoed = threading.Event()
        self._echo_at = 0.0
        self._echo = client_of(host, port, ANSWER, self._on_echo)
        self._driving: threading.Thread | None = None
        self._stopped = threading.Event()
        self._log: list[tuple[int, float]] = []

    def learn(self) -> Answer:
        self._commander.learn(60.0)
        for _ in range(10):
            answer = self._commander.call('set', 'call', {'data': True})
            if answer.state is State.SUCCEEDED:
                return {'ready': True}
        return {'ready': False}

    def rounds(self, kinds: list[str], count: int, gap_s: float) -> Answer:
        """Send one of each kind in turn, each when the one before is answered."""
        seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
        failed: dict[str, int] = {}
        for _ in range(count):
            for kind in kinds:
                time.sleep(gap_s)
                taken = self._echo_once() if kind == 'echo' else self._command(kind)
                if isinstance(taken, str):
                    failed[taken] = failed.get(taken, 0) + 1
                else:
                    seconds[kind].append(taken)
        return {'seconds': seconds, 'failed': failed}

    def drive(self, hz: float) -> Answer:
        commander = self._commander
        answer = commander.call('drive', 'acquire')
        if answer.state is not State.SUCCEEDED:
            return {'driving': False, 'reason': answer.reason}
        self._stopped.clear()
        self._driving = threading.Thread(target=self._drive, args=(hz,), daemon=True)
        self._driving.start()
        return {'driving': True}

    def halt(self) -> Answer:
        self._stopped.set()
        if self._driving is not None:
            self._driving.join()
        refused: dict[str, int] = {}
        for answer in self._commander.answers:
            if answer.state is State.REJECTED:
                word = answer.reason.partition(':')[0]
                refused[word] = refused.get(word, 0) + 1
        return {'sent': self._log, 'refused': refused}

    def _drive(self, hz: float) -> None:
        commander = self._commander
        due = time.monotonic()
        number = 0
        while not self._stopped.wait(max(0.0, due - time.monotonic())):
            due += 1.0 / hz
            number += 1
            arguments = {'linear': {'x': 0.5}, 'angular': {'z': float(number)}}
            self._log.append((number, time.monotonic()))
            made = commander.make('drive', 'publish', arguments, _TELEOP_TTL_MS)
            # What is not through at once is of no use later.
            outgoing = Outgoing(
                topic=made.topic, payload=made.payload, qos=0, expiry_s=1.0, again=False
            )
            try:
                commander.session.publish(outgoing)
            except SessionFull:
                continue

    def _command(self, kind: str) -> float | str:
        began = time.monotonic()
        message = self._commander.make(*_KINDS[kind])
        self._commander.post(message)
        answer = self._commander.final(message, _WAIT_S, needed=False)
        if answer is None:
            return f'{kind}: no answer'
        if answer.state is not State.SUCCEEDED:
            return f'{kind}: {answer.state.name.lower()} {answer.reason}'
        return self._commander.arrived_at(message) - began

    def _echo_once(self) -> float | str:
        self._echoed.clear()
        began = time.monotonic()
        # About as many bytes as a signed command has.
        self._echo.publish(ASK, os.urandom(200), qos=1)
        return self._echo_at - began if self._echoed.wait(_WAIT_S) else 'echo: no answer'

    def _on_echo(self, *_: object) -> None:
        self._echo_at = time.monotonic()
        self._echoed.set()


def main() -> None:
    """Serve the parent."""
    host, port, robot_id, keys = sys.argv[1:]
    operator = _Operator(host, int(port), robot_id, Path(keys))
    serve(
        {
            'learn': operator.learn,
            'rounds': operator.rounds,
            'drive': operator.drive,
            'halt': operator.halt,
        }
    )


if __name__ == '__main__':
    main()
