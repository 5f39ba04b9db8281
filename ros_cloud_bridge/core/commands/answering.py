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

"""Answers and audit lines: how a command's state is told, and to whom."""

from collections import Counter
from dataclasses import replace
from typing import Any

from ros_cloud_bridge.command_values import Answer, MAX_REASON_CHARACTERS, Reason, State
from ros_cloud_bridge.core.commands.checks import REPEATED
from ros_cloud_bridge.core.commands.desk import Case, Desk
from ros_cloud_bridge.core.commands.effects import Audit, Effect, Finish, LogEntry, Reply
from ros_cloud_bridge.core.commands.memory import Running, weigh
from ros_cloud_bridge.core.commands.noting import Notes
from ros_cloud_bridge.core.commands.states import after, Event

# What anybody can bring about who has heard an operator, which answers to others do not suffer by.
REPLAYS = frozenset(
    {
        Reason.ID_REUSED,
        Reason.WRONG_EPOCH,
        Reason.EXPIRED,
        Reason.REPLAYED,
        Reason.OUT_OF_ORDER,
        # These are found before it is known that a message is of this run.
        Reason.STOPPING,
        Reason.LOG_FAILED,
        # And these before its deadline is looked at.
        Reason.WRONG_TYPE,
        Reason.BAD_FIELDS,
    }
)
REASONS = frozenset(
    word for name, word in vars(Reason).items() if name.isupper() and isinstance(word, str)
)
# A message that is withheld: it would have been one answer too many.
WITHHELD = 'withheld'
LEFT_OUT = f'{Reason.TOO_LARGE}: left out, for too much was repeated'


def verdict_of(state: State) -> str:
    """
    Name a decision for the audit.

    :param state: the state that a command came to
    :returns: as in ``timed_out``
    """
    return state.name.lower()


class Answering:
    """
    Moves commands from state to state, and says so.

    :param desk: what the gate knows
    :param counters: of verdicts and reasons
    """

    def __init__(self, desk: Desk, counters: Counter[str]) -> None:
        self._desk = desk
        self.counters = counters
        self.notes = Notes()

    def move(
        self, running: Running, event: Event, now: float, reason: str = '', detail: Any = None
    ) -> Answer:
        """
        Move a command on.

        :param running: the command
        :param event: what happened
        :param now: monotonic seconds
        :param reason: of the answer
        :param detail: of the answer
        :returns: the answer, which need not be sent
        :raises ImpossibleEvent: when that cannot happen in its state
        """
        running.state = after(running.state, event)
        answer = self.answer(
            running.command.id, running.state, now, reason, detail, running.number
        )
        running.number += 1
        running.answer = answer
        return answer

    def answer(
        self,
        identity: bytes,
        state: State,
        now: float,
        reason: str = '',
        detail: Any = None,
        number: int = 0,
    ) -> Answer:
        """
        Make an answer.

        :param identity: the command's id
        :param state: of the command
        :param now: monotonic seconds
        :param reason: is shortened to what an answer takes
        :param detail: of the answer
        :param number: of the answer
        :returns: the answer
        """
        return Answer(
            id=identity,
            epoch=self._desk.epoch,
            robot_ms=self._desk.ms(now),
            state=state,
            number=number,
            reason=reason[:MAX_REASON_CHARACTERS],
            detail=detail,
        )

    def accept(self, running: Running, now: float) -> list[Effect]:
        """
        Accept a command that is to be dispatched.

        :param running: the command
        :param now: monotonic seconds
        :returns: effects; a read is answered only when it ends
        """
        answer = self.move(running, Event.ADMITTED, now)
        self.counters['accepted'] += 1
        effects: list[Effect] = [_audit_running(running, 'accepted')]
        if running.recorded:
            effects.append(Reply(operator=running.operator, answer=answer))
        return effects

    def progress(self, running: Running, detail: Any, now: float) -> list[Effect]:
        """
        Say that a command runs: when it begins to, and its feedback as often as the channel says.

        :param running: the command
        :param detail: of the answer, None without feedback
        :param now: monotonic seconds
        :returns: effects
        """
        first = running.state is State.ACCEPTED
        if detail is not None:
            running.feedback = detail
            if now >= running.feedback_at:
                return self.feedback(running, now)
        if not first:
            after(running.state, Event.PROGRESSED)
            return []
        answer = self.move(running, Event.PROGRESSED, now)
        return [Reply(operator=running.operator, answer=answer)]

    def feedback(self, running: Running, now: float) -> list[Effect]:
        """
        Say the newest feedback.

        :param running: the command
        :param now: monotonic seconds
        :returns: effects
        """
        hz = running.channel.config.feedback_hz
        running.feedback_at = now + 1.0 / hz if hz > 0 else float('inf')
        answer = self.move(running, Event.PROGRESSED, now, detail=running.feedback)
        running.feedback = None
        return [Reply(operator=running.operator, answer=answer)]

    def end(
        self, running: Running, event: Event, now: float, reason: str = '', detail: Any = None
    ) -> list[Effect]:
        """
        End a command.

        :param running: the command
        :param event: how
        :param now: monotonic seconds
        :param reason: of the answer
        :param detail: of the answer
        :returns: effects
        """
        answer = self.move(running, event, now, reason, detail)
        self._desk.memory.end(running, answer)
        verdict = verdict_of(answer.state)
        self.count(answer)
        effects: list[Effect] = []
        if running.recorded:
            effects.append(Finish(key=running.key, answer=answer))
        effects.append(Reply(operator=running.operator, answer=answer))
        facts: dict[str, object] = {'seconds': round(now - running.began, 3)}
        effects.append(_audit_running(running, verdict, answer.reason, facts))
        return effects

    def settle(
        self, case: Case, detail: Any = None, facts: dict[str, object] | None = None
    ) -> list[Effect]:
        """
        Answer a command that the gate itself has carried out.

        :param case: the message
        :param detail: of the answer
        :param facts: of the audit
        :returns: effects
        """
        answer = self.answer(case.command.id, State.SUCCEEDED, case.now, detail=detail)
        self._desk.memory.keep(case.key, case.envelope.digest, answer)
        self.count(answer)
        return [
            Reply(operator=case.arrival.operator, answer=answer),
            audit(case, verdict_of(answer.state), facts=facts),
        ]

    def tell_time(self, case: Case) -> list[Effect]:
        """
        Answer with the epoch and the time, which each answer has; it decides nothing.

        :param case: the message
        :returns: effects
        """
        self.counters['time'] += 1
        answer = self.answer(case.command.id, State.SUCCEEDED, case.now)
        return [Reply(operator=case.arrival.operator, answer=answer)]

    def refuse(self, case: Case, reason: str) -> list[Effect]:
        """
        Refuse a message whose signature is right, and say so as often as is bearable.

        :param case: the message
        :param reason: of the answer
        :returns: effects
        """
        word = reason.partition(':')[0]
        answer = self.answer(case.command.id, State.REJECTED, case.now, reason)
        self.count(answer)
        # An answer for good; but that an id is used twice is none to who used it first.
        if word != Reason.ID_REUSED and not case.channel.is_time:
            self._desk.memory.keep(case.key, case.envelope.digest, answer)
        operator = self._desk.operators.find(case.arrival.operator, case.now)
        replayed = word in REPLAYS or case.channel.is_time
        effects: list[Effect] = []
        if (operator.repeats if replayed else operator.refusals).take(case.now):
            effects.append(Reply(operator=case.arrival.operator, answer=answer))
        else:
            self.counters[WITHHELD] += 1
        if not case.channel.is_time:
            noted = operator.noted(word, case.now)
            effects += self.notes.add(noted, audit(case, 'rejected', answer.reason), case.now)
        elif effects and (told := operator.time_refused.add(case.now)):
            effects.append(audit(case, 'rejected', answer.reason, {'count': told}))
        return effects

    def repeat(self, case: Case) -> list[Effect]:
        """
        Answer a command again that came before, with the same answer at the present time.

        :param case: the message
        :returns: effects
        """
        now = case.now
        if case.entry is not None and case.entry.answer is None:
            # Only what this run has not begun is in the log alone.
            return self.unknown(case.entry, now)
        self.counters[REPEATED] += 1
        operator = self._desk.operators.find(case.arrival.operator, now)
        known = case.known.answer if case.known is not None else None
        if case.entry is not None:
            known = case.entry.answer
        if known is None and not isinstance(case.known, Running):
            return []  # a message that drives, which is told of with those after it
        if not operator.repeats.take(now):
            self.counters[WITHHELD] += 1
            return []
        if known is None:
            known = self.answer(case.command.id, State.RECEIVED, now)
        again = replace(known, epoch=self._desk.epoch, robot_ms=self._desk.ms(now))
        if again.detail is not None and not operator.bears(weigh(again.detail), now):
            # Who has not heard it by now at least hears how it ended.
            again = replace(again, detail=None, reason=again.reason or LEFT_OUT)
        effects: list[Effect] = [Reply(operator=case.arrival.operator, answer=again)]
        if told := operator.repeated.add(now):
            facts = {'count': told, 'state': verdict_of(again.state)}
            effects.append(audit(case, REPEATED, facts=facts))
        return effects

    def unknown(self, entry: LogEntry, now: float) -> list[Effect]:
        """
        Say of a command of an earlier run that nobody knows how it ended.

        :param entry: without an answer
        :param now: monotonic seconds
        :returns: effects
        """
        state = after(State.RECEIVED, Event.RESTARTED)
        answer = self.answer(entry.key.id, state, now)
        self._desk.memory.keep(entry.key, entry.digest, answer)
        self.count(answer)
        return [
            Finish(key=entry.key, answer=answer),
            Reply(operator=entry.operator, answer=answer),
            Audit(
                operator=entry.operator,
                channel=entry.channel,
                verdict=verdict_of(state),
                id=entry.key.id.hex(),
                kid=entry.key.kid.hex(),
            ),
        ]

    def count(self, answer: Answer) -> None:
        """
        Count how a command ended, and why it was refused.

        :param answer: its last
        """
        self.counters[verdict_of(answer.state)] += 1
        if answer.state is State.REJECTED:
            word = answer.reason.partition(':')[0]
            # Whoever carries commands out may say anything.
            self.counters[word if word in REASONS else 'other'] += 1


def audit(
    case: Case, verdict: str, reason: str = '', facts: dict[str, object] | None = None
) -> Audit:
    """
    Note a decision on a message.

    :param case: the message
    :param verdict: what was decided
    :param reason: why
    :param facts: more
    :returns: the effect
    """
    return Audit(
        operator=case.arrival.operator,
        channel=case.channel.name,
        verdict=verdict,
        reason=reason,
        id=case.key.id.hex(),
        kid=case.key.kid.hex(),
        type=case.command.type,
        facts=facts or {},
    )


def _audit_running(
    running: Running, verdict: str, reason: str = '', facts: dict[str, object] | None = None
) -> Audit:
    return Audit(
        operator=running.operator,
        channel=running.channel.name,
        verdict=verdict,
        reason=reason,
        id=running.key.id.hex(),
        kid=running.key.kid.hex(),
        type=running.command.type,
        facts=facts or {},
    )
