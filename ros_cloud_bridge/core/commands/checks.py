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
What a message has to pass, in this order.

Whoever fails a check of :data:`SILENT` has not proven who it is: that is counted and nothing more.
What is dear among them comes last: only what is signed rightly is decoded.
From the log on a refusal is answered and noted. Each check says why it refuses, or an empty text.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ros_cloud_bridge.command_values import Command, ID_BYTES, Reason
from ros_cloud_bridge.core.commands.channels import Channel, CONTROLS, LIMITED
from ros_cloud_bridge.core.commands.desk import Case, Desk
from ros_cloud_bridge.core.commands.effects import Arrival, Envelope, Sealed
from ros_cloud_bridge.core.commands.limits import all_finite
from ros_cloud_bridge.core.commands.memory import Running
from ros_cloud_bridge.core.commands.scaling import factor
from ros_cloud_bridge.errors import BridgeError, ProtocolError

# No reason to refuse: the command is known, and answered again.
REPEATED = 'repeated'
# No channel may allow more.
MOST_BYTES = 64 * 1024
# By so much a deadline may be later than the channel allows, and the time of signing than now.
SLACK_MS = 1000


@dataclass(slots=True, kw_only=True, eq=False)
class Stranger:
    """A message of which nothing is proven."""

    arrival: Arrival
    channel: Channel | None
    sealed: Sealed | None = None
    envelope: Envelope | None = None


def _retained(stranger: Stranger, _: Desk) -> str:
    # Nobody knows how long it has lain there, nor who will get it again.
    return Reason.RETAINED if stranger.arrival.retained else ''


def _size(stranger: Stranger, _: Desk) -> str:
    channel = stranger.channel
    most = 0 if channel is None else min(MOST_BYTES, channel.config.max_bytes)
    return Reason.TOO_LARGE if len(stranger.arrival.payload) > most else ''


def _permission(stranger: Stranger, _: Desk) -> str:
    channel = stranger.channel
    permitted = channel is not None and channel.permits(stranger.arrival.operator)
    return '' if permitted else Reason.NOT_PERMITTED


def _shape(stranger: Stranger, desk: Desk) -> str:
    arrival = stranger.arrival
    try:
        stranger.sealed = desk.reader.unwrap(arrival.operator, arrival.payload)
    except ProtocolError:
        return Reason.MALFORMED
    return ''


def _key(stranger: Stranger, desk: Desk) -> str:
    sealed = stranger.sealed
    known = sealed is not None and desk.reader.knows(stranger.arrival.operator, sealed.kid)
    return '' if known else Reason.UNKNOWN_KEY


def _signature(stranger: Stranger, desk: Desk) -> str:
    arrival, sealed = stranger.arrival, stranger.sealed
    proven = sealed is not None and desk.reader.verifies(arrival.operator, arrival.topic, sealed)
    return '' if proven else Reason.BAD_SIGNATURE


def _content(stranger: Stranger, desk: Desk) -> str:
    try:
        stranger.envelope = None if stranger.sealed is None else desk.reader.open(stranger.sealed)
    except ProtocolError:
        return Reason.MALFORMED
    return '' if stranger.envelope is not None else Reason.MALFORMED


def _log(case: Case, desk: Desk) -> str:
    channel, digest = case.channel, case.envelope.digest
    if channel.is_time:
        return ''
    case.known = desk.memory.find(case.key)
    if case.known is not None:
        return REPEATED if case.known.digest == digest else Reason.ID_REUSED
    driving = channel.driving
    if driving is not None and driving.last is not None:
        kid, identity, last_digest = driving.last
        if (kid, identity) == (case.key.kid, case.key.id):
            return REPEATED if last_digest == digest else Reason.ID_REUSED
    if channel.reads(case.command.type):
        return ''
    try:
        entry = desk.log.find(case.key)
    except BridgeError as error:
        return f'{Reason.LOG_FAILED}: {error}'
    if entry is None:
        return ''
    if entry.digest != digest:
        return Reason.ID_REUSED
    case.entry = entry
    return REPEATED


def _stopping(case: Case, desk: Desk) -> str:
    return Reason.STOPPING if desk.closed and not case.channel.is_time else ''


def _epoch(case: Case, desk: Desk) -> str:
    # Who asks for the time does not know the epoch.
    right = case.channel.is_time or case.command.epoch == desk.epoch
    return '' if right else Reason.WRONG_EPOCH


def _deadline(case: Case, _: Desk) -> str:
    if case.channel.is_time:
        return ''
    command, now_ms = case.command, case.now_ms
    if now_ms > command.deadline_ms:
        return f'{Reason.EXPIRED}: {now_ms - command.deadline_ms} ms ago'
    most_ms = case.channel.config.max_ttl_s * 1000.0 + SLACK_MS
    if command.deadline_ms - now_ms > most_ms:
        return f'{Reason.DEADLINE_TOO_FAR}: more than {case.channel.config.max_ttl_s:g} s ahead'
    if command.sent_ms - now_ms > SLACK_MS:
        return f'{Reason.DEADLINE_TOO_FAR}: sent_ms is ahead of the robot'
    return ''


def _sequence(case: Case, desk: Desk) -> str:
    if case.channel.is_time:
        return ''
    command = case.command
    # Before the rate, for whatever is refused by that must not be in time a second time.
    return desk.windows.take(
        (case.key.kid, command.instance, case.channel.name),
        command.sequence,
        command.deadline_ms,
        case.now_ms,
        increasing=case.channel.driving is not None,
    )


def _type(case: Case, _: Desk) -> str:
    kind = case.command.type
    if kind not in case.channel.types:
        return f'{Reason.WRONG_TYPE}: {case.channel.name} takes {_listed(case.channel.types)}'
    problem = _misshapen(kind, case.arguments, case.channel)
    return f'{Reason.BAD_FIELDS}: {problem}' if problem else ''


def _limits(case: Case, _: Desk) -> str:
    channel, arguments = case.channel, case.arguments
    breach = ''
    if channel.parameters_named:
        breach = _forbidden_parameter(case)
    if not breach and case.drives and not all_finite(arguments):
        breach = 'a number is not finite'
    if not breach and channel.limits and case.command.type in LIMITED:
        for limit in channel.limits:
            if channel.names_limited:
                breach = limit.breach_of_names(arguments['values'])
            else:
                breach = limit.breach(arguments)
            if breach:
                break
    return f'{Reason.FIELD_LIMIT}: {breach}' if breach else ''


def _rate(case: Case, desk: Desk) -> str:
    channel, now = case.channel, case.now
    operator = desk.operators.find(case.arrival.operator, now)
    if channel.is_time:
        bucket = operator.ask(case.command.id)
    elif case.command.type in CONTROLS:
        bucket = operator.control(channel.name, now)
    elif channel.driving is not None:
        bucket = operator.drive(channel.config, now)
    else:
        return '' if channel.rate.take(case.arrival.operator, now) else Reason.RATE_LIMIT
    return '' if bucket.take(now) else Reason.RATE_LIMIT


def _lease(case: Case, _: Desk) -> str:
    driving = case.channel.driving
    if driving is None:
        return ''
    if case.command.type == 'acquire':
        return driving.lease.objection(case.who, case.now)
    if driving.lease.holder(case.now) != case.who:
        return Reason.NO_LEASE
    if not case.drives:
        return ''
    config = case.channel.config
    age_s = (case.now_ms - case.command.sent_ms) / 1000.0
    if age_s > config.latency_stop_s:
        return f'{Reason.TOO_LATE}: {age_s:.3f} s old, the limit is {config.latency_stop_s:g} s'
    case.factor = factor(age_s, config.latency_full_s, config.latency_stop_s)
    return ''


def _running(case: Case, desk: Desk) -> str:
    channel, kind = case.channel, case.command.type
    if kind == 'cancel':
        goal = goal_of(case.command, case.arrival.operator, channel, desk)
        return Reason.NO_SUCH_GOAL if goal is None else ''
    if kind in CONTROLS or channel.is_time:
        return ''
    running = channel.running if channel.driving is None else channel.driving.pending
    if running >= channel.config.max_running:
        return f'{Reason.BUSY}: {running} are running'
    return ''


SILENT: tuple[tuple[str, Callable[[Stranger, Desk], str]], ...] = (
    ('retained', _retained),
    ('permission', _permission),
    ('size', _size),
    ('shape', _shape),
    ('key', _key),
    ('signature', _signature),
    ('content', _content),
)

ANSWERED: tuple[tuple[str, Callable[[Case, Desk], str]], ...] = (
    ('log', _log),
    ('stopping', _stopping),
    ('epoch', _epoch),
    ('type', _type),
    ('deadline', _deadline),
    ('sequence', _sequence),
    ('limits', _limits),
    ('rate', _rate),
    ('lease', _lease),
    ('running', _running),
)


def goal_of(command: Command, operator: str, channel: Channel, desk: Desk) -> Running | None:
    """
    Find the goal that is to be cancelled.

    :param command: of type ``cancel``
    :param operator: whose it is; the goal has to be the same one's, whatever key signed it
    :param channel: of both
    :param desk: has what runs
    :returns: None when no such goal has been dispatched and not ended
    """
    goal = command.arguments['goal']
    for running in desk.memory.tickets.values():
        same = running.operator == operator and running.channel is channel
        if same and running.command.id == goal:
            return running
    return None


def _misshapen(kind: str, arguments: Any, channel: Channel) -> str:
    if kind in ('acquire', 'release', 'time'):
        return '' if arguments is None else f'{kind} has no arguments'
    if arguments is not None and not isinstance(arguments, dict):
        return 'arguments are a map or null'
    fields: dict[Any, Any] = arguments or {}
    if kind == 'cancel':
        goal = fields.get('goal')
        right = isinstance(goal, bytes) and len(goal) == ID_BYTES and len(fields) == 1
        return '' if right else f"cancel has {{'goal': {ID_BYTES} bytes}}"
    if kind == 'hand_over':
        to = fields.get('to')
        right = isinstance(to, str) and len(fields) == 1 and channel.permits(to)
        return '' if right else "hand_over has {'to': an operator of this channel}"
    if kind == 'set':
        right = isinstance(fields.get('values'), dict)
        return '' if right else "set has {'values': a map}"
    if kind in ('get', 'describe'):
        right = isinstance(fields.get('names'), list)
        return '' if right else f"{kind} has {{'names': an array}}"
    return ''


def _forbidden_parameter(case: Case) -> str:
    arguments = case.arguments or {}
    for name in (*arguments.get('values', ()), *arguments.get('names', ())):
        if not case.channel.permits_parameter(name):
            return f'{str(name)[:64]}: not among the parameters of {case.channel.name}'
    return ''


def _listed(types: frozenset[str]) -> str:
    return ', '.join(sorted(types))
