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
The gate: what becomes of each message, as effects that somebody else carries out in their order.

A command that changes something is first put into the log (``Record``) and dispatched when it
stands there (:meth:`Gate.recorded`). It ends in the log before the operator hears of it, so that
no answer contradicts what a later run finds there.
"""

from collections import Counter
from collections.abc import Sequence

from ros_cloud_bridge.command_values import Reason
from ros_cloud_bridge.core.commands.answering import Answering
from ros_cloud_bridge.core.commands.checks import ANSWERED, goal_of, REPEATED, SILENT, Stranger
from ros_cloud_bridge.core.commands.desk import Case, Desk
from ros_cloud_bridge.core.commands.drives import Drives
from ros_cloud_bridge.core.commands.effects import (
    Arrival,
    Cancel,
    Dispatch,
    Effect,
    Ended,
    ExecutedLog,
    Finish,
    LogEntry,
    LogKey,
    Progress,
    Reader,
    Record,
)
from ros_cloud_bridge.core.commands.lease import Holder
from ros_cloud_bridge.core.commands.memory import EndedCommand, Running
from ros_cloud_bridge.core.commands.states import Event, event_of
from ros_cloud_bridge.errors import BridgeError
from ros_cloud_bridge.values import BridgeConfig, ChannelKind


class UnknownToGate(BridgeError):
    """
    The gate was told of what it has not asked for; an error of ours.

    :param what: a ticket or a key
    """

    def __init__(self, what: object) -> None:
        super().__init__(f'the gate has never heard of {what}')


class Gate:
    """
    Decides on commands; times are monotonic seconds.

    One epoch has one gate: it knows what has been in it. A node that is deactivated and activated
    again keeps it (:meth:`close`, :meth:`open`).

    :param config: the channels
    :param epoch: random bytes of this run
    :param began: when that began
    :param reader: takes messages apart and checks signatures
    :param log: what earlier runs and this one have started
    """

    def __init__(
        self,
        config: BridgeConfig,
        *,
        epoch: bytes,
        began: float,
        reader: Reader,
        log: ExecutedLog,
    ) -> None:
        self._desk = Desk(config, epoch, began, reader, log)
        self._counters: Counter[str] = Counter()
        self._answering = Answering(self._desk, self._counters)
        self._last_ticket = 0
        self._refused_silently = False
        self._drives = Drives(self._desk, self._answering)

    @property
    def counters(self) -> dict[str, int]:
        """How often there was each verdict, and each reason to refuse."""
        return dict(self._counters)

    @property
    def running(self) -> int:
        """How many commands have not ended, without messages that drive."""
        return len(self._desk.memory.running)

    @property
    def refused_silently(self) -> bool:
        """Whether the last message taken had nothing to prove who it was from."""
        return self._refused_silently

    def awaits(self, ticket: int) -> bool:
        """
        Tell whether what was dispatched is still to end.

        :param ticket: of a ``Dispatch``
        :returns: False when the gate has given it up, as in :meth:`close`
        """
        return ticket in self._desk.memory.tickets or self._drives.has(ticket)

    def take(self, arrival: Arrival, now: float) -> list[Effect]:
        """
        Decide on a message.

        :param arrival: as it came
        :param now: monotonic seconds
        :returns: what is to be done
        """
        desk = self._desk
        channel = desk.channels.get(arrival.channel)
        stranger = Stranger(arrival=arrival, channel=channel)
        self._refused_silently = True
        for _, check in SILENT:
            if reason := check(stranger, desk):
                self._counters[reason] += 1
                return []
        self._refused_silently = False
        envelope = stranger.envelope
        assert channel is not None and envelope is not None  # two of the checks
        command = envelope.command
        case = Case(
            arrival=arrival,
            now=now,
            now_ms=desk.ms(now),
            channel=channel,
            envelope=envelope,
            command=command,
            key=LogKey(kid=envelope.kid, id=command.id),
            who=Holder(arrival.operator, envelope.kid, command.instance),
        )
        effects = self._drives.expire(channel, now)
        for _, judge in ANSWERED:
            if reason := judge(case, desk):
                return effects + self._refuse(case, reason)
        return effects + self._admit(case)

    def recorded(self, key: LogKey, now: float) -> list[Effect]:
        """
        Go on with a command that stands in the log.

        :param key: of the command
        :param now: monotonic seconds
        :returns: what is to be done
        """
        running = self._waiting(key)
        if isinstance(running, EndedCommand):
            # It has ended while it was written, which the log is yet to learn.
            return [Finish(key=key, answer=running.answer)]
        if now > running.deadline:
            return self._answering.end(running, Event.REFUSED, now, Reason.EXPIRED)
        if running.command.type != 'cancel':
            return self._dispatch(running, now)
        goal = goal_of(running.command, running.operator, running.channel, self._desk)
        if goal is None:
            return self._answering.end(running, Event.REFUSED, now, Reason.NO_SUCH_GOAL)
        self._answering.move(running, Event.ADMITTED, now)
        return [
            Cancel(ticket=goal.ticket),
            *self._answering.end(running, Event.SUCCEEDED, now),
        ]

    def not_recorded(self, key: LogKey, reason: str, now: float) -> list[Effect]:
        """
        Give up a command that cannot be put into the log.

        :param key: of the command
        :param reason: for people
        :param now: monotonic seconds
        :returns: what is to be done
        """
        running = self._waiting(key)
        if isinstance(running, EndedCommand):
            return []
        text = f'{Reason.LOG_FAILED}: {reason}'
        return self._answering.end(running, Event.REFUSED, now, text)

    def progress(self, progress: Progress, now: float) -> list[Effect]:
        """
        Take note that a command runs.

        :param progress: with feedback, which the answer's detail will be, or without
        :param now: monotonic seconds
        :returns: what is to be done
        """
        running = self._desk.memory.tickets.get(progress.ticket)
        if running is None:
            self._late(progress.ticket)
            return []
        return self._answering.progress(running, progress.detail, now)

    def ended(self, ended: Ended, now: float) -> list[Effect]:
        """
        Take note that a command is over; one that the gate has given up by then has ended already.

        :param ended: with the final answer's reason and detail
        :param now: monotonic seconds
        :returns: what is to be done
        """
        event = event_of(ended.state)
        if self._drives.has(ended.ticket):
            return self._drives.ended(ended, event, now)
        running = self._desk.memory.tickets.get(ended.ticket)
        if running is None:
            self._late(ended.ticket)
            return []
        return self._answering.end(running, event, now, ended.reason, ended.detail)

    def look(self, now: float) -> list[Effect]:
        """
        Do what is due.

        :param now: monotonic seconds
        :returns: what is to be done
        """
        effects = self._drives.look(now)
        effects += self._answering.notes.look(now)
        for running in list(self._desk.memory.tickets.values()):
            if now >= running.times_out_at:
                effects += self._cancel(running)
                effects += self._answering.end(running, Event.TIMED_OUT, now)
            elif running.feedback is not None and now >= running.feedback_at:
                effects += self._answering.feedback(running, now)
        return effects

    def next_at(self, now: float) -> float | None:
        """
        Say when to look again.

        :param now: monotonic seconds
        :returns: monotonic seconds, which may be past; None when nothing is to come
        """
        at = min(self._drives.next_at(), self._answering.notes.next_at(now))
        for running in self._desk.memory.tickets.values():
            at = min(at, running.times_out_at)
            if running.feedback is not None:
                at = min(at, running.feedback_at)
        return at if at < float('inf') else None

    def left_over(self, entries: Sequence[LogEntry], now: float) -> list[Effect]:
        """
        Tell operators of commands that earlier runs began and never ended.

        :param entries: of the log
        :param now: monotonic seconds
        :returns: what is to be done
        """
        effects: list[Effect] = []
        for entry in entries:
            if entry.answer is None and self._desk.memory.find(entry.key) is None:
                effects += self._answering.unknown(entry, now)
        return effects

    def lost(self, now: float) -> list[Effect]:
        """
        Stop what drives: the connection is lost.

        :param now: monotonic seconds
        :returns: what is to be done
        """
        return self._drives.halt_all('connection_lost', now)

    def close(self, now: float) -> list[Effect]:
        """
        Stop and end everything, and take no more commands.

        :param now: monotonic seconds
        :returns: what is to be done
        """
        self._desk.closed = True
        effects = self._drives.halt_all(Reason.STOPPING, now, release=True)
        for running in list(self._desk.memory.running.values()):
            event = Event.FAILED if running.ticket else Event.REFUSED
            effects += self._cancel(running)
            effects += self._answering.end(running, event, now, Reason.STOPPING)
        return [*effects, *self._answering.notes.rest()]

    def open(self) -> None:
        """Take commands again after :meth:`close`."""
        self._desk.closed = False

    def _refuse(self, case: Case, reason: str) -> list[Effect]:
        if reason == REPEATED:
            return self._answering.repeat(case)
        if case.drives:
            return self._drives.refuse(case, reason)
        return self._answering.refuse(case, reason)

    def _admit(self, case: Case) -> list[Effect]:
        channel, command = case.channel, case.command
        if channel.is_time:
            return self._answering.tell_time(case)
        if case.drives:
            return self._drives.drive(case, self._ticket())
        if channel.driving is not None:
            return self._drives.settle(case)
        running = Running(
            key=case.key,
            digest=case.envelope.digest,
            operator=case.arrival.operator,
            channel=channel,
            command=command,
            recorded=not channel.reads(command.type),
            began=case.now,
            deadline=self._desk.began + command.deadline_ms / 1000.0,
        )
        self._desk.memory.add(running)
        if not running.recorded:
            return self._dispatch(running, case.now)
        entry = LogEntry(
            key=case.key,
            digest=running.digest,
            operator=running.operator,
            channel=channel.name,
        )
        return [Record(entry=entry)]

    def _dispatch(self, running: Running, now: float) -> list[Effect]:
        effects = self._answering.accept(running, now)
        running.ticket = self._ticket()
        self._desk.memory.tickets[running.ticket] = running
        if running.channel.timeout_s > 0:
            running.times_out_at = now + running.channel.timeout_s
        effects.append(
            Dispatch(
                ticket=running.ticket,
                channel=running.channel.config,
                operator=running.operator,
                type=running.command.type,
                arguments=running.command.arguments,
                deadline=running.deadline,
            )
        )
        return effects

    def _cancel(self, running: Running) -> list[Effect]:
        # Messages are gone when they are published, and the bridge's own commands are soon done.
        lasts = running.channel.config.kind not in (ChannelKind.TOPIC, ChannelKind.BRIDGE)
        return [Cancel(ticket=running.ticket)] if running.ticket and lasts else []

    def _waiting(self, key: LogKey) -> Running | EndedCommand:
        known = self._desk.memory.find(key)
        if known is None:
            raise UnknownToGate(key)
        return known

    def _ticket(self) -> int:
        self._last_ticket += 1
        return self._last_ticket

    def _late(self, ticket: int) -> None:
        if not 0 < ticket <= self._last_ticket:
            raise UnknownToGate(f'ticket {ticket}')
        self._counters['late'] += 1
