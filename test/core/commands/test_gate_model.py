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
The gate against a plain account of what was carried out and what was told.

Commands come late, twice, in any order, from several operators, and the process dies between any
two effects. Nothing may be carried out twice, and no answer may contradict one of before.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
import shutil
import tempfile

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, RuleBasedStateMachine

from ros_cloud_bridge.command_values import Command, Reason, State
from ros_cloud_bridge.core.commands.effects import Arrival, Dispatch, Effect, Reply
from ros_cloud_bridge.store.executed import ExecutedStore
from support.gates import answers, CHANNELS, Log, MemoryLog, Rig, Signer

_KINDS = {
    'call': ('call', {'x': 0.5}),
    'go': ('goal', None),
    'tune': ('list', None),
    'drive': ('publish', {'linear': {'x': 0.5}}),
}
_ENDS = (State.SUCCEEDED, State.FAILED, State.CANCELLED, State.TIMED_OUT)
_CHANNELS = [replace(config, operators=('ann', 'bob')) for config in CHANNELS]
_PICK = st.integers(0, 1_000_000)


class Died(Exception):
    """The process is gone."""


class MortalRig(Rig):
    """A rig that dies before one of its next effects, when it is told to."""

    dies_in = -1

    def tick(self) -> None:
        """See :meth:`Rig.tick`."""
        if self.dies_in == 0:
            raise Died
        self.dies_in -= 1


# Functions, for older releases of hypothesis read the source of a lambda each time.
def _has_sent(life: 'Life') -> bool:
    return bool(life.sent)


def _has_open(life: 'Life') -> bool:
    return bool(life.open)


class Life(RuleBasedStateMachine):
    """Several runs on one log."""

    def __init__(self) -> None:
        super().__init__()
        self.reopen = self.make_log()
        self.signers = (Signer('ann'), Signer('bob'), Signer('ann', instance=b'instanc2'))
        self.sent: list[tuple[Signer, Command, Arrival]] = []
        self.delivered: set[int] = set()
        self.told: dict[bytes, State] = {}
        self.carried_out = Counter[bytes]()
        self.logged: set[bytes] = set()
        self.runs = 0
        self.begin()

    def make_log(self) -> Callable[[], Log]:
        """Make what gives each run the same log."""
        log = MemoryLog()
        return lambda: log

    def begin(self) -> None:
        """Begin a run."""
        self.runs += 1
        epoch = self.runs.to_bytes(8, 'big')
        self.log = self.reopen()
        self.rig = MortalRig(*self.signers[:2], channels=_CHANNELS, log=self.log, epoch=epoch)
        self.open: list[Dispatch] = []
        for signer in self.signers:
            signer.epoch = epoch
            signer.sequences.clear()

    def act(self, action: Callable[[], list[Effect]]) -> list[Effect]:
        """Do something, and note what was really done; the process may die of it."""
        before = len(self.rig.effects)
        effects: list[Effect] = []
        try:
            effects = action()
        except Died:
            self.note(self.rig.effects[before:])
            self.begin()
            left = self.log.left_over()
            effects = self.rig.do(self.rig.gate.left_over(left, self.rig.now))
            self.note(effects)
            return effects
        self.note(self.rig.effects[before:])
        return effects

    def note(self, effects: list[Effect]) -> None:
        """Hold what was done against what was done before."""
        for effect in effects:
            if isinstance(effect, Dispatch):
                identity = self.find(effect)
                self.carried_out[identity] += 1
                assert self.carried_out[identity] == 1
                assert identity not in self.told
                self.open.append(effect)
            elif isinstance(effect, Reply) and effect.answer.state.final:
                answer = effect.answer
                if answer.id not in self.logged:
                    continue  # a later run refuses it, whatever an earlier one said
                assert self.told.setdefault(answer.id, answer.state) is answer.state
                assert answer.state is not State.REJECTED or not self.carried_out[answer.id]

    def find(self, dispatch: Dispatch) -> bytes:
        """Tell which command a dispatch is; arguments are made so that they name it."""
        name = (dispatch.arguments or {}).get('name')
        assert isinstance(name, int)
        return self.sent[name][1].id

    @rule(who=st.integers(0, 2), channel=st.sampled_from(sorted(_KINDS)), at_once=st.booleans())
    def send(self, who: int, channel: str, at_once: bool) -> None:
        """Sign a command, which arrives now or later."""
        signer = self.signers[who]
        kind, arguments = _KINDS[channel]
        named = {**(arguments or {}), 'name': len(self.sent)}
        command = signer.command(channel, kind, named, at=self.rig.now)
        self.sent.append((signer, command, signer.sign(channel, command)))
        if channel in ('call', 'go'):
            self.logged.add(command.id)
        if at_once:
            self.deliver(len(self.sent) - 1)

    @rule(who=st.integers(0, 2), kind=st.sampled_from(('acquire', 'release')))
    def lease(self, who: int, kind: str) -> None:
        """Take or give back the lease."""
        arrival = self.signers[who].send('drive', kind, at=self.rig.now)
        self.act(lambda: self.rig.take(arrival))

    @precondition(_has_sent)
    @rule(pick=_PICK, dies_in=st.integers(-8, 8))
    def arrive(self, pick: int, dies_in: int) -> None:
        """Let any command arrive, for the first time or once more."""
        self.rig.dies_in = max(-1, dies_in)
        self.deliver(pick % len(self.sent))
        self.rig.dies_in = -1

    def deliver(self, number: int) -> list[Effect]:
        """Let a command arrive."""
        arrival = self.sent[number][2]
        self.delivered.add(number)
        return self.act(lambda: self.rig.take(arrival))

    @precondition(_has_open)
    @rule(pick=_PICK, state=st.sampled_from(_ENDS), dies_in=st.integers(-4, 4))
    def end(self, pick: int, state: State, dies_in: int) -> None:
        """End what was carried out."""
        dispatch = self.open.pop(pick % len(self.open))
        self.rig.dies_in = max(-1, dies_in)
        self.act(lambda: self.rig.end(dispatch, state))
        self.rig.dies_in = -1

    @precondition(_has_open)
    @rule(pick=_PICK)
    def go_on(self, pick: int) -> None:
        """Make progress."""
        dispatch = self.open[pick % len(self.open)]
        self.act(lambda: self.rig.progress(dispatch, {'feedback': pick}))

    @rule(seconds=st.floats(0, 8), dies_in=st.integers(-8, 4))
    def wait(self, seconds: float, dies_in: int) -> None:
        """Let time pass."""
        self.rig.now += seconds
        self.rig.dies_in = max(-1, dies_in)
        self.act(self.rig.look)
        self.rig.dies_in = -1
        due = self.rig.gate.next_at(self.rig.now)
        assert due is None or due > self.rig.now

    @rule()
    def lose_connection(self) -> None:
        """Lose the connection."""
        self.act(lambda: self.rig.do(self.rig.gate.lost(self.rig.now)))

    @rule()
    def die(self) -> None:
        """Die between two events."""
        self.rig.dies_in = 0
        self.act(lambda: self.rig.do(self.rig.gate.close(self.rig.now)))
        if self.rig.dies_in == 0:
            self.act(self._die)

    @staticmethod
    def _die() -> list[Effect]:
        raise Died

    def teardown(self) -> None:
        """See that whoever asks once more is told how it ended."""
        self.act(self._die)
        for number in sorted(self.delivered):
            self.rig.now += 1.0
            _, command, _ = self.sent[number]
            effects = self.deliver(number)
            logged = command.id in self.logged
            replies = [answer for answer in answers(effects) if answer.id == command.id]
            # Refusals of messages that drive are withheld for a tenth of a second.
            assert len(replies) == 1
            (answer,) = replies
            assert answer.state.final
            if logged and self.carried_out[command.id]:
                assert answer.state is not State.REJECTED
            elif not self.carried_out[command.id]:
                assert answer.state in (State.REJECTED, State.UNKNOWN_AFTER_RESTART)
            else:
                assert answer.reason == Reason.WRONG_EPOCH


class LifeOnDisk(Life):
    """The same with the real log, which is opened anew by each run."""

    def make_log(self) -> Callable[[], Log]:
        """See :meth:`Life.make_log`."""
        self.folder = Path(tempfile.mkdtemp(prefix='executed-'))
        self.lines: list[tuple[str, str]] = []
        return lambda: ExecutedStore(self.folder, 'r', lambda *line: self.lines.append(line))

    def teardown(self) -> None:
        """See :meth:`Life.teardown`."""
        try:
            super().teardown()
            assert self.lines == []
        finally:
            shutil.rmtree(self.folder)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestLifeOnDisk = LifeOnDisk.TestCase
TestLifeOnDisk.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)
