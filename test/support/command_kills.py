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
Kill the bridge around commands that must not run twice, and reckon what became of each.

The operator repeats a command until it is answered, over restarts. Three witnesses: what it was
told, what the servers have noted, and that no two last answers to one command differ.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
import random
import threading
import time

from ros_cloud_bridge.command_values import State

from .bridge_process import BridgeProcess
from .broker import Broker
from .command_counter import CounterProcess, DDS
from .commander import Commander, Keys
from .robots import parameters
from .signer import Message
from .waiting import wait_until

ROBOT = 'killed'
_NODE = 'tally'
_AGAIN_S = 0.2
_END_S = 60.0
_READY_S = 30.0


@dataclass(slots=True)
class Reckoning:
    """
    What became of all commands.

    ``contradicted`` had two different last answers; ``wrong`` say that they succeeded and did not
    run, or that they were rejected and ran.
    """

    rounds: int = 0
    commands: int = 0
    once: int = 0
    never: int = 0
    twice: int = 0
    unanswered: int = 0
    contradicted: int = 0
    wrong: int = 0
    # Killed before there was an answer, but after the command had come.
    unknown_ran: int = 0
    unknown_did_not: int = 0
    ends: Counter[str] = field(default_factory=Counter)

    @property
    def good(self) -> bool:
        """Whether every promise was kept."""
        return not (self.twice or self.unanswered or self.contradicted or self.wrong)


class Kills:
    """
    A broker, servers, an operator, and a bridge that is killed; ends with the ``with`` block.

    :param folder: for keys and log; empty
    :param seed: of the times at which it is killed
    """

    def __init__(self, folder: Path, seed: int = 1) -> None:
        self._rng = random.Random(seed)
        self._keys = Keys.make(folder, ROBOT, 'alice')
        self._broker = Broker(['max_queued_messages 0'])
        self._servers = CounterProcess(_NODE, folder / 'executed')
        self._operator: Commander
        self._sent: list[tuple[str, Message]] = []
        self._open: list[Message] = []
        self._lock = threading.Lock()
        self._goals = 0
        self._rounds = 0
        self._ended = threading.Event()
        self._repeating = threading.Thread(target=self._repeat)
        self._parameters = parameters(
            self._broker,
            ROBOT,
            {'pose': {'topics': ['/odom']}},
            state_dir=str(folder),
            operator_keys=str(self._keys.directory),
            commands=['count', 'go'],
            command={
                'count': {
                    'kind': 'service',
                    'ros_name': f'/{_NODE}/count',
                    'type': 'test_msgs/srv/BasicTypes',
                    'operators': ['alice'],
                    'max_hz': 1000.0,
                    'max_running': 64,
                },
                'go': {
                    'kind': 'action',
                    'ros_name': f'/{_NODE}/fibonacci',
                    'type': 'test_msgs/action/Fibonacci',
                    'operators': ['alice'],
                    'max_hz': 1000.0,
                    'max_running': 64,
                },
            },
        )

    def __enter__(self) -> 'Kills':
        self._servers.__enter__()
        self._operator = self._keys.commander(self._broker, ROBOT, 'alice')
        self._repeating.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._repeating.join()
        self._operator.__exit__(None, None, None)
        self._servers.__exit__()
        self._broker.close()

    def run(self, rounds: int, told: Callable[[int], None] = lambda done: None) -> Reckoning:
        """
        Kill a bridge so many times, then let one live until everything is answered.

        :param rounds: how many
        :param told: is told after each
        :returns: what became of the commands
        """
        for done in range(rounds):
            with BridgeProcess(self._parameters, environment=DDS) as bridge:
                self._get_ready()
                self._round(bridge)
            self._rounds += 1
            told(done + 1)
        with BridgeProcess(self._parameters, environment=DDS) as bridge:
            self._get_ready()
            try:
                wait_until(lambda: not self._left(), _END_S)
            except AssertionError:
                print(bridge.log())
            # An answer that contradicts another one would come now.
            time.sleep(0.5)
            assert bridge.stop() == 0, bridge.log()
        return self._reckon()

    def _get_ready(self) -> None:
        operator = self._operator
        operator.learn(epoch_not=operator.epoch)
        # The servers must be found, else nothing would ever be under way when it is killed.
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline:
            message = self._send('count')
            answer = operator.final(message, 5.0, needed=False)
            if answer is not None and answer.state is State.SUCCEEDED:
                return
        raise AssertionError('the bridge does not carry anything out')

    def _round(self, bridge: BridgeProcess) -> None:
        rng = self._rng
        # Sooner than a command takes, as long, or when some of them are through.
        kill_at = time.monotonic() + rng.uniform(0.0, rng.choice((0.01, 0.03, 0.1)))
        killing = threading.Timer(kill_at - time.monotonic(), bridge.kill)
        killing.start()
        for _ in range(rng.randint(3, 8)):
            self._send(rng.choice(('count', 'count', 'go')))
            time.sleep(rng.uniform(0.0, 0.01))
        killing.join()

    def _send(self, channel: str) -> Message:
        operator = self._operator
        if channel == 'go':
            self._goals += 1
            name = f'goal-{self._goals}'
            message = operator.make(channel, 'goal', {'order': self._goals}, ttl_ms=8000)
        else:
            name = f'call-{len(self._sent)}'
            message = operator.make(channel, 'call', {'string_value': name}, ttl_ms=8000)
        with self._lock:
            self._sent.append((name, message))
            self._open.append(message)
        operator.post(message)
        return message

    def _left(self) -> list[Message]:
        with self._lock:
            self._open = [message for message in self._open if not self._ends(message)]
            return list(self._open)

    def _ends(self, message: Message) -> set[State]:
        return {answer.state for answer in self._operator.of(message) if answer.state.final}

    def _repeat(self) -> None:
        while not self._ended.wait(_AGAIN_S):
            for message in self._left()[:200]:
                self._operator.post(message)

    def _reckon(self) -> Reckoning:
        executed = self._servers.executed()
        reckoning = Reckoning(rounds=self._rounds, commands=len(self._sent))
        for name, message in self._sent:
            count = executed[name]
            reckoning.once += count == 1
            reckoning.never += count == 0
            reckoning.twice += count > 1
            ends = self._ends(message)
            reckoning.unanswered += not ends
            reckoning.contradicted += len(ends) > 1
            for answer in self._operator.of(message):
                if answer.state.final:
                    word = answer.reason.partition(':')[0]
                    reckoning.ends[' '.join((answer.state.name.lower(), word)).strip()] += 1
                    break
            reckoning.wrong += State.SUCCEEDED in ends and count != 1
            reckoning.wrong += State.REJECTED in ends and count != 0
            if State.UNKNOWN_AFTER_RESTART in ends:
                reckoning.unknown_ran += count == 1
                reckoning.unknown_did_not += count == 0
        # Nothing ran that nobody has sent.
        reckoning.wrong += len(set(executed) - {name for name, _ in self._sent})
        return reckoning
