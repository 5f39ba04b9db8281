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

"""All channels with a lease: who drives, when that ends, and how it is told."""

from dataclasses import dataclass

from ros_cloud_bridge.command_values import State
from ros_cloud_bridge.core.commands.answering import Answering, audit
from ros_cloud_bridge.core.commands.channels import Channel
from ros_cloud_bridge.core.commands.desk import Case, Desk
from ros_cloud_bridge.core.commands.driving import Driving
from ros_cloud_bridge.core.commands.effects import Audit, Dispatch, Effect, Ended, Reply, Stop
from ros_cloud_bridge.core.commands.scaling import scaled
from ros_cloud_bridge.core.commands.states import after, Event

# Why a lease is taken back from who cannot give it back any more.
REVOKED = 'revoked'


@dataclass(frozen=True, slots=True)
class _Message:
    case: Case
    driving: Driving


class Drives:
    """
    What the gate does with channels that have a lease.

    :param desk: what the gate knows
    :param answering: says it
    """

    def __init__(self, desk: Desk, answering: Answering) -> None:
        self._desk = desk
        self._answering = answering
        self._channels = [
            (channel, channel.driving)
            for channel in desk.channels.values()
            if channel.driving is not None
        ]
        self._messages: dict[int, _Message] = {}

    def has(self, ticket: int) -> bool:
        """
        Tell whether a ticket is that of a message under way.

        :param ticket: as it was dispatched
        :returns: whether it is
        """
        return ticket in self._messages

    def drive(self, case: Case, ticket: int) -> list[Effect]:
        """
        Dispatch a message, scaled.

        :param case: has passed all checks
        :param ticket: for it
        :returns: effects
        """
        driving = _driving(case)
        driving.last = (case.key.kid, case.key.id, case.envelope.digest)
        driving.pending += 1
        self._messages[ticket] = _Message(case, driving)
        effects: list[Effect] = []
        if driving.begin(case.who, case.now):
            effects.append(audit(case, 'accepted', facts={'driving': 'begins'}))
        arguments = case.arguments
        if case.factor < 1.0:
            for steps in driving.scale:
                arguments = scaled(arguments, steps, case.factor)
        effects.append(
            Dispatch(
                ticket=ticket,
                channel=case.channel.config,
                operator=case.arrival.operator,
                type=case.command.type,
                arguments=arguments,
                deadline=self._desk.began + case.command.deadline_ms / 1000.0,
                drives=True,
            )
        )
        return effects

    def ended(self, ended: Ended, event: Event, now: float) -> list[Effect]:
        """
        Take note of what became of a message.

        :param ended: what
        :param event: the same
        :param now: monotonic seconds
        :returns: effects
        """
        state = after(State.ACCEPTED, event)
        message = self._messages.pop(ended.ticket)
        case, driving = message.case, message.driving
        driving.pending -= 1
        operator = case.arrival.operator
        if state is State.SUCCEEDED:
            self._answering.counters['driven'] += 1
            driving.carried_out(operator, case.command.id, case.factor)
            return self._tell(driving, now)
        answer = self._answering.answer(case.command.id, state, now, ended.reason, ended.detail)
        self._answering.count(answer)
        effects: list[Effect] = [Reply(operator=operator, answer=answer)]
        _, noted = driving.refusal(operator, answer.reason.partition(':')[0])
        if told := noted.add(now):
            effects.append(audit(case, state.name.lower(), answer.reason, {'count': told}))
        return effects

    def refuse(self, case: Case, reason: str) -> list[Effect]:
        """
        Refuse a message whose signature is right, and say so now and then.

        :param case: the message
        :param reason: of the answer
        :returns: effects
        """
        operator, identity, driving = case.arrival.operator, case.command.id, _driving(case)
        told = driving.refused(operator, reason, identity, case.now)
        answer = self._answering.answer(
            identity, State.REJECTED, case.now, reason, detail={'count': told}
        )
        self._answering.count(answer)
        effects: list[Effect] = []
        if told:
            effects.append(Reply(operator=operator, answer=answer))
        _, noted = driving.refusal(operator, reason.partition(':')[0])
        if told := noted.add(case.now):
            effects.append(audit(case, 'rejected', answer.reason, {'count': told}))
        return effects

    def settle(self, case: Case) -> list[Effect]:
        """
        Acquire, release or hand over the lease.

        :param case: has passed all checks
        :returns: effects
        """
        driving, now = _driving(case), case.now
        if case.command.type == 'acquire':
            driving.lease.acquire(case.who, now)
            config = driving.config
            detail = {'lease_s': config.lease_s, 'watchdog_s': config.watchdog_s}
            return self._answering.settle(case, detail)
        if case.command.type == 'release':
            effects = self._halt(case.channel, driving, 'released', now)
            driving.lease.release()
            return effects + self._tell_refused(driving, now) + self._answering.settle(case)
        to = case.arguments['to']
        effects = self._halt(case.channel, driving, 'handed_over', now)
        driving.lease.hand_over(to, now)
        return effects + self._answering.settle(case, facts={'to': to})

    def expire(self, channel: Channel, now: float) -> list[Effect]:
        """
        Stop a channel whose lease has ended by itself.

        :param channel: with a lease, or without
        :param now: monotonic seconds
        :returns: effects
        """
        driving = channel.driving
        if driving is None or not driving.lease.expired(now):
            return []
        effects = self._halt(channel, driving, 'lease_expired', now)
        driving.lease.release()
        return effects

    def look(self, now: float) -> list[Effect]:
        """
        Do what is due.

        :param now: monotonic seconds
        :returns: effects
        """
        effects: list[Effect] = []
        for channel, driving in self._channels:
            effects += self._revoke(channel, driving, now)
            effects += self.expire(channel, now)
            stops_at = driving.stops_at()
            if stops_at is not None and now >= stops_at:
                # The watchdog's own thread has stopped the robot.
                effects += self._halt(channel, driving, 'watchdog', now, stop=False)
            effects += self._tell(driving, now)
        return effects

    def next_at(self) -> float:
        """
        Say when something is due.

        :returns: monotonic seconds, infinity when nothing is
        """
        at = float('inf')
        for _, driving in self._channels:
            for due in (driving.lease.ends_at, driving.stops_at(), driving.answer_due_at()):
                if due is not None:
                    at = min(at, due)
        return at

    def halt_all(self, why: str, now: float, *, release: bool = False) -> list[Effect]:
        """
        Stop whatever drives.

        :param why: for the audit
        :param now: monotonic seconds
        :param release: take the leases back, too
        :returns: effects
        """
        effects: list[Effect] = []
        for channel, driving in self._channels:
            effects += self._halt(channel, driving, why, now)
            if release:
                driving.lease.release()
        return effects

    def _revoke(self, channel: Channel, driving: Driving, now: float) -> list[Effect]:
        """Stop a channel and take its lease back when its holder's key is good no longer."""
        holder = driving.lease.holder(now)
        if holder is None or self._desk.reader.knows(holder.operator, holder.kid):
            return []
        effects = self._halt(channel, driving, REVOKED, now)
        driving.lease.release()
        effects.append(
            Audit(
                operator=holder.operator,
                channel=channel.name,
                verdict=State.SUCCEEDED.name.lower(),
                reason=REVOKED,
                kid=holder.kid.hex(),
                type='release',
            )
        )
        return effects

    def _halt(
        self, channel: Channel, driving: Driving, why: str, now: float, *, stop: bool = True
    ) -> list[Effect]:
        if driving.since is None or driving.by is None:
            return []
        effects: list[Effect] = [Stop(channel=channel.name, why=why)] if stop else []
        facts: dict[str, object] = {
            'driving': 'ends',
            'seconds': round(now - driving.since, 3),
            'messages': driving.count,
        }
        effects.append(
            Audit(
                operator=driving.by.operator,
                channel=channel.name,
                verdict='succeeded',
                reason=why,
                kid=driving.by.kid.hex(),
                type='publish',
                facts=facts,
            )
        )
        driving.end()
        # The driver hears of every message before it hears that driving is over.
        return effects + self._tell_newest(driving, now)

    def _tell(self, driving: Driving, now: float) -> list[Effect]:
        due_at = driving.answer_due_at()
        return [] if due_at is None or now < due_at else self._tell_newest(driving, now)

    def _tell_refused(self, driving: Driving, now: float) -> list[Effect]:
        return [
            Reply(
                operator=operator,
                answer=self._answering.answer(
                    identity, State.REJECTED, now, reason, detail={'count': count}
                ),
            )
            for operator, identity, reason, count in driving.untold_refusals()
        ]

    def _tell_newest(self, driving: Driving, now: float) -> list[Effect]:
        newest = driving.newest(now)
        if newest is None:
            return []
        operator, identity, detail = newest
        answer = self._answering.answer(identity, State.SUCCEEDED, now, detail=detail)
        return [Reply(operator=operator, answer=answer)]


def _driving(case: Case) -> Driving:
    driving = case.channel.driving
    assert driving is not None  # the channel has a lease
    return driving
