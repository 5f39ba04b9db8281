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
What one operator and one robot say to each other; told the time, and does nothing but decide.

A command waits here until the robot's epoch and time are known, is signed then, and is said again
every second under the same id until it is answered: the robot never runs an id twice. Once the
robot has begun, it is asked again after silence only, for as long as it takes.
"""

from collections import OrderedDict
from collections.abc import Callable
import secrets
from typing import Any

from ros_cloud_bridge.cloud.operator.clock import RobotClock
from ros_cloud_bridge.cloud.operator.driven import Driven, Driver
from ros_cloud_bridge.cloud.operator.flight import Flight, Nonces, Packet, Token
from ros_cloud_bridge.cloud.operator.outcome import Outcome
from ros_cloud_bridge.command_values import (
    Answer,
    Command,
    ID_BYTES,
    Reason,
    State,
    TIME,
    TIME_CHANNEL,
)

REPEAT_S = 1.0
# Once the robot has begun.
SILENCE_S = 5.0
# For the answer to what came in time. What is said again meanwhile comes too late to run, so that
# the robot says whether the first has.
GRACE_S = 2.5
_TIME_EXPIRY_S = 5.0
_SOON_S = 0.05
# After an answer the time may be asked for again this soon; a robot takes two questions a second.
_AGAIN_S = 0.2
_MOST_ENDED = 512


class Dialogue:
    """
    Commands to one robot and its answers.

    :param robot_id: the robot
    :param topic: makes the MQTT topic of a channel
    :param instance: of the operator's process
    :param seal: signs a command for its topic
    :param hint: says why a channel might not answer
    """

    def __init__(
        self,
        robot_id: str,
        *,
        topic: Callable[[str], str],
        instance: bytes,
        seal: Callable[[Command, str], bytes],
        hint: Callable[[str], str] = lambda channel: '',
    ) -> None:
        self.robot_id = robot_id
        self._topic = topic
        self._instance = instance
        self._seal = seal
        self._hint = hint
        self._clock = RobotClock()
        self._nonces = Nonces()
        self._time_at = 0.0
        self._time_nobody = False
        self._sequences: dict[str, int] = {}
        self._waiting: list[Flight] = []
        self._flights: dict[bytes, Flight] = {}
        self._ended: OrderedDict[bytes, None] = OrderedDict()
        self._driven = Driven()

    @property
    def under_way(self) -> int:
        """How many commands have not ended."""
        return len(self._waiting) + len(self._flights)

    def submit(self, flight: Flight) -> None:
        """
        Take a command over.

        :param flight: not signed yet
        """
        self._waiting.append(flight)

    def due(self, now: float, connected: bool) -> list[Packet]:
        """
        Say what to publish now, and end what nobody has answered in time.

        :param now: monotonic seconds
        :param connected: whether anything can be published
        :returns: messages; they count as published
        """
        for flight in (*self._waiting, *self._flights.values()):
            patience_s = GRACE_S if flight.published_at is not None else 0.0
            if flight.last is None and now >= flight.expires_at + patience_s:
                self._end(flight, Outcome(state=None, reason=self._why_silent(flight)))
        if not connected:
            return []
        packets = []
        if self._waiting:
            if self._clock.knows(now):
                self._sign_waiting(now)
            elif now >= self._time_at:
                packets.append(self._ask_time(now))
        packets += [
            self._publish(flight, now)
            for flight in self._flights.values()
            if now >= flight.again_at
        ]
        return packets

    def next_at(self, connected: bool) -> float:
        """
        Say when there is something to do.

        :param connected: whether anything can be published
        :returns: monotonic seconds; infinity when there is nothing
        """
        times = [flight.expires_at for flight in self._waiting]
        for flight in self._flights.values():
            if flight.last is None:
                times.append(flight.expires_at + GRACE_S)
            if connected:
                times.append(flight.again_at)
        if self._waiting and connected:
            times.append(self._time_at)
        return min(times, default=float('inf'))

    def again(self) -> None:
        """Say everything again at once: there is a new connection."""
        self._time_at = 0.0
        for flight in self._flights.values():
            flight.again_at = 0.0

    def unsent(self, packet: Packet, now: float) -> None:
        """
        Take back a message that there was no room for.

        :param packet: from :meth:`due`
        :param now: monotonic seconds
        """
        flight = self._flights.get(packet.token.id)
        if flight is not None:
            flight.again_at = now + _SOON_S
        else:
            self._time_at = now + _SOON_S

    def told_nobody(self, identity: bytes, nobody: bool) -> None:
        """
        Note whether the broker had anybody to give a message to.

        :param identity: of the command
        :param nobody: whether it had not
        """
        flight = self._flights.get(identity)
        if flight is not None:
            flight.nobody = nobody
        elif identity in self._nonces.asked:
            self._time_nobody = nobody

    def refused(self, identity: bytes, reason: str) -> None:
        """
        End what the broker does not let through.

        :param identity: of the command
        :param reason: of the broker
        """
        outcome = Outcome(state=None, reason=f'the broker refuses it: {reason}')
        flight = self._flights.get(identity)
        if flight is not None and flight.last is None:
            self._end(flight, outcome)
        elif identity in self._nonces.asked:
            for waiting in list(self._waiting):
                self._end(waiting, outcome)

    def fail(self, reason: str) -> None:
        """
        End everything.

        :param reason: why there will be no answer
        """
        for flight in [*self._waiting, *self._flights.values()]:
            self._end(flight, Outcome(state=None, reason=reason))

    def drop(self, sent: object) -> bool:
        """
        Give up a command that was never published.

        :param sent: its handle
        :returns: whether there was one
        """
        for flight in self._waiting:
            if flight.sent is sent and flight.published_at is None:
                reason = 'cancelled before it was sent'
                self._end(flight, Outcome(state=State.CANCELLED, reason=reason))
                return True
        return False

    def drive(
        self, driver: Driver, channel: str, fields: Any, ttl_s: float, now: float
    ) -> Packet | None:
        """
        Sign a message that drives; it is never said again.

        :param driver: hears of it
        :param channel: with a lease
        :param fields: of the message
        :param ttl_s: for how long it may be carried out
        :param now: monotonic seconds
        :returns: the message, or None while the robot's time is not known
        """
        if not self._clock.knows(now):
            return None
        command = self._command('publish', channel, fields, now, ttl_s)
        topic = self._topic(channel)
        self._driven.add(command, driver, now)
        return Packet(
            topic=topic,
            payload=self._seal(command, topic),
            expiry_s=ttl_s,
            token=Token(robot_id=self.robot_id, id=command.id),
        )

    def take(self, answer: Answer, at: float) -> tuple[Flight | None, str]:
        """
        Take an answer whose signature is the robot's.

        :param answer: the answer
        :param at: when it arrived, monotonic seconds
        :returns: the command that it tells news of, if any; and why it was dropped, or ''
        """
        identity = answer.id
        if identity in self._nonces.asked:
            # Nothing else proves that an epoch is the present one.
            if self._nonces.take(identity):
                self._clock.begin(answer.epoch, answer.robot_ms, at)
                self._time_nobody = False
                self._time_at = min(self._time_at, at + _AGAIN_S)
            return None, ''
        if identity in self._driven:
            if not answer.state.final:
                return None, ''
            self._forget(identity)
            self._refresh(answer, at)
            return None, self._driven.take(answer, at)
        flight = self._flights.get(identity)
        if flight is None:
            return None, '' if identity in self._ended else 'unknown_id'
        self._refresh(answer, at)
        if not answer.state.final and answer.epoch != flight.epoch:
            # Only how it ended can be told by a later run of the robot.
            return None, 'wrong_epoch'
        flight.again_at = at + SILENCE_S
        if answer.state.final:
            if self._retries(flight, answer, at):
                return None, ''
            self._finish(flight, answer, at)
            return flight, ''
        if answer.number <= flight.number:
            return None, ''
        flight.number, flight.last = answer.number, answer.state
        flight.sent.tell(answer)
        return flight, ''

    def _refresh(self, answer: Answer, at: float) -> None:
        if answer.epoch == self._clock.epoch:
            self._clock.take(answer.robot_ms, at)
        else:
            # Started again, or this is an old word: only a question of ours can tell.
            self._clock.forget()

    def _retries(self, flight: Flight, answer: Answer, now: float) -> bool:
        """Say it under a new id when it has certainly not run, for want of the right epoch."""
        reason = answer.reason.partition(':')[0]
        if answer.state is not State.REJECTED or reason != Reason.WRONG_EPOCH:
            return False
        if flight.last is not None or flight.retried or flight.sent.cancelled:
            return False
        if now >= flight.expires_at:
            return False
        if self._clock.epoch == flight.epoch:
            self._clock.forget()
        self._remember(flight)
        flight.id, flight.payload, flight.retried = b'', b'', True
        self._waiting.append(flight)
        return True

    def _finish(self, flight: Flight, answer: Answer, at: float) -> None:
        flight.sent.tell(answer)
        began = flight.published_at
        outcome = Outcome(
            state=answer.state,
            reason=answer.reason,
            detail=answer.detail,
            round_trip_s=None if began is None else at - began,
        )
        self._end(flight, outcome)

    def _end(self, flight: Flight, outcome: Outcome) -> None:
        if flight in self._waiting:
            self._waiting.remove(flight)
        self._remember(flight)
        flight.sent.end(outcome)

    def _remember(self, flight: Flight) -> None:
        """Let late answers to it pass without a word."""
        if self._flights.pop(flight.id, None) is not None:
            self._forget(flight.id)

    def _forget(self, identity: bytes) -> None:
        self._ended[identity] = None
        if len(self._ended) > _MOST_ENDED:
            self._ended.popitem(last=False)

    def _ask_time(self, now: float) -> Packet:
        nonce = secrets.token_bytes(ID_BYTES)
        self._nonces.add(nonce, now)
        self._time_at = now + REPEAT_S
        topic = self._topic(TIME_CHANNEL)
        command = Command(type=TIME, id=nonce, instance=self._instance)
        return Packet(
            topic=topic,
            payload=self._seal(command, topic),
            expiry_s=_TIME_EXPIRY_S,
            token=Token(robot_id=self.robot_id, id=nonce),
        )

    def _sign_waiting(self, now: float) -> None:
        for flight in self._waiting:
            sent = flight.sent
            left_s = max(0.0, flight.expires_at - now)
            command = self._command(sent.type, sent.channel, flight.arguments(), now, left_s)
            flight.id = sent.id = command.id
            flight.epoch = command.epoch
            flight.payload = self._seal(command, flight.topic)
            flight.again_at = now
            self._flights[flight.id] = flight
        self._waiting.clear()

    def _command(
        self, type_name: str, channel: str, arguments: Any, now: float, ttl_s: float
    ) -> Command:
        sequence = self._sequences[channel] = self._sequences.get(channel, 0) + 1
        sent_ms = self._clock.now_ms(now)
        return Command(
            type=type_name,
            id=secrets.token_bytes(ID_BYTES),
            instance=self._instance,
            epoch=self._clock.epoch,
            sequence=sequence,
            sent_ms=sent_ms,
            deadline_ms=sent_ms + round(ttl_s * 1000.0),
            arguments=arguments,
        )

    def _publish(self, flight: Flight, now: float) -> Packet:
        if flight.published_at is None:
            flight.published_at = now
        flight.again_at = now + (REPEAT_S if flight.last is None else SILENCE_S)
        # What asks for news only, or comes too late to run, may still wait a little.
        return Packet(
            topic=flight.topic,
            payload=flight.payload,
            expiry_s=max(REPEAT_S, flight.expires_at - now),
            token=Token(robot_id=self.robot_id, id=flight.id),
        )

    def _why_silent(self, flight: Flight) -> str:
        unsigned = flight.published_at is None
        if unsigned and not self._nonces.asked:
            return 'not connected to the broker'
        if flight.nobody or (unsigned and self._time_nobody):
            return 'nobody listens at the broker: the robot is offline, or takes no commands'
        if unsigned:
            return 'the robot does not tell its time: is it online, and does it know this key?'
        return self._hint(flight.sent.channel)
