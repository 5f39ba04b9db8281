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

"""Dashboards from the batches: what robots send, republished as flat JSON and JPEG."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
import json

from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.dashboard.diagnostics import needs_all
from ros_cloud_bridge.dashboard.line import Line
from ros_cloud_bridge.dashboard.painter import JPEG, Painter, Settings
from ros_cloud_bridge.dashboard.turns import Turns
from ros_cloud_bridge.errors import BridgeError, UnknownSchema
from ros_cloud_bridge.mqtt.events import Outgoing
from ros_cloud_bridge.values import DashboardForm
from ros_cloud_bridge.wire.topics import RobotTopics

GATEWAY_TOPIC = 'v1/gateway/telemetry'
# What waited longer than this on the robot before it was sent is not what holds now.
_FRESH_NS = 10_000_000_000
# How long a sample waits for its definition, or for the robot to say what it makes itself.
_PATIENCE_S = 10.0
_RETRY_S = 0.5
_MAX_PAINTERS = 16384
_MAX_DIAGNOSTICS = 1024
# Of samples that wait for their turn, and of messages that do; of diagnostics.
_MAX_WAITING_BYTES = 128 * 1024 * 1024
_MAX_DIAGNOSTICS_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """
    Where dashboards find it, and how.

    :param root: of the MQTT topics, as in ``rcb/v1``
    :param period_s: from one message on an MQTT topic to the next, seconds
    :param settings: what is shown
    :param gateway: whether it goes to ThingsBoard's gateway API
    """

    root: str
    period_s: float
    settings: Settings
    gateway: bool = False


@dataclass(slots=True)
class _Taken:
    sample: Sample
    since: float


class Dashboards:
    """
    Makes dashboard messages of the samples of any number of robots; told the time.

    :param target: where they go
    :param makes: says whether a robot makes those of a stream itself; None while it is not known
    :param problem: takes topic and reason where something cannot be shown, once for each
    """

    def __init__(
        self,
        target: Target,
        makes: Callable[[str, str], bool | None],
        problem: Callable[[str, str], None],
    ) -> None:
        self._target = target
        self._makes = makes
        self._problem = problem
        self._samples: Turns[_Taken] = Turns(most_bytes=_MAX_WAITING_BYTES, size=_taken_bytes)
        # Those of which each has to be looked at.
        self._all: Line[_Taken] = Line(_MAX_DIAGNOSTICS, _MAX_DIAGNOSTICS_BYTES, _taken_bytes)
        self._made: Turns[Outgoing] = Turns(
            most_bytes=_MAX_WAITING_BYTES, size=lambda made: len(made.payload)
        )
        self._painters: OrderedDict[Hashable, Painter | None] = OrderedDict()
        self._last: OrderedDict[Hashable, int] = OrderedDict()
        self._told: set[str] = set()
        self._meant: set[str] = set()

    def take(self, sample: Sample, now: float, *, retained: bool = False) -> None:
        """
        Take a sample in; of several in a period the newest counts.

        :param sample: from the decoder
        :param now: monotonic seconds
        :param retained: whether it came out of the broker's memory, of whatever age
        """
        if retained or not self._is_news(sample):
            return
        taken = _Taken(sample, now)
        if needs_all(sample.type_name):
            self._all.append(taken)
        else:
            self._samples.put(_route(sample), taken, self._target.period_s, now)

    def _is_news(self, sample: Sample) -> bool:
        if sample.historical or sample.sent_time_ns - sample.receive_time_ns > _FRESH_NS:
            return False
        route = _route(sample)
        if sample.sequence <= self._last.get(route, 0):
            return False
        self._last[route] = sample.sequence
        self._last.move_to_end(route)
        if len(self._last) > _MAX_PAINTERS:
            self._last.popitem(last=False)
        return True

    @property
    def meaningless(self) -> tuple[str, ...]:
        """Patterns that no topic has had a field for so far; none before there was a topic."""
        if not self._painters:
            return ()
        return tuple(one for one in self._target.settings.fields if one not in self._meant)

    @property
    def given_up(self) -> int:
        """How much there was no room for."""
        return self._samples.given_up + self._all.given_up + self._made.given_up

    def next(self, now: float) -> Outgoing | float | None:
        """
        Say what to publish next.

        :param now: monotonic seconds
        :returns: the message, how many seconds to wait, or None until a sample comes
        """
        while (made := self._made.take(now)) is None:
            taken = self._next_sample(now)
            if taken is None:
                break
            if self._may_show(taken, now):
                self._paint(taken.sample, now)
        if made is not None:
            return made[1]
        dues = (self._samples.next_due(), self._made.next_due())
        due = min((due for due in dues if due is not None), default=None)
        return None if due is None else max(0.0, due - now)

    def _next_sample(self, now: float) -> _Taken | None:
        if (first := self._all.take()) is not None:
            return first
        turn = self._samples.take(now)
        return None if turn is None else turn[1]

    def _may_show(self, taken: _Taken, now: float) -> bool:
        sample = taken.sample
        makes = self._makes(sample.robot_id, sample.stream)
        if makes:
            return False
        patient = now - taken.since <= _PATIENCE_S
        # A robot that never says what it makes itself makes nothing.
        if self._is_known(sample) and not (makes is None and patient):
            return True
        if patient:
            key: Hashable = _route(sample)
            if needs_all(sample.type_name):
                key = (key, sample.sequence)
            self._samples.put_back(key, taken, self._target.period_s, now + _RETRY_S)
        return False

    def _is_known(self, sample: Sample) -> bool:
        try:
            self._painter(sample)
        except UnknownSchema:
            return False
        return True

    def _paint(self, sample: Sample, now: float) -> None:
        painter = self._painter(sample)
        if painter is None:
            return
        try:
            for shown in painter.paint(sample.plain(), sample.source_time_ns):
                outgoing = self._outgoing(sample, shown.part, shown.payload)
                place = (sample.robot_id, sample.stream, sample.topic, shown.part)
                self._made.put(place, outgoing, self._target.period_s, now)
            self._meant |= painter.meant
        except BridgeError as error:
            self._tell(sample, str(error))
        except Exception as error:  # whatever a robot sends, the others go on
            self._tell(sample, repr(error))

    def _painter(self, sample: Sample) -> Painter | None:
        key = _painter_key(sample)
        if key in self._painters:
            self._painters.move_to_end(key)
            return self._painters[key]
        definition = sample.schema().definition
        painter = None
        try:
            painter = Painter(sample.topic, sample.type_name, definition, self._target.settings)
            if painter.problem:
                self._tell(sample, painter.problem)
        except ValueError as error:
            self._tell(sample, str(error))
        self._painters[key] = painter
        if len(self._painters) > _MAX_PAINTERS:
            self._painters.popitem(last=False)
        return painter

    def _outgoing(self, sample: Sample, part: str, payload: bytes) -> Outgoing:
        if self._target.gateway:
            device = json.dumps(sample.robot_id).encode()
            return Outgoing(
                topic=GATEWAY_TOPIC, payload=b'{' + device + b':[' + payload + b']}', qos=0
            )
        topics = RobotTopics(self._target.root, sample.robot_id)
        return Outgoing(
            topic=topics.dashboard(sample.stream, sample.topic, part),
            payload=payload,
            # What is not delivered at once is not worth sending.
            qos=0,
            content_type='image/jpeg' if part == JPEG else 'application/json',
        )

    def _tell(self, sample: Sample, reason: str) -> None:
        about = f'{sample.robot_id} {sample.topic}'
        if about not in self._told and len(self._told) < _MAX_PAINTERS:
            self._told.add(about)
            self._problem(about, reason)


def target_settings(
    form: str, fields: tuple[str, ...], width: int | None, pictures: bool
) -> tuple[Settings, bool]:
    """
    Read what the user wants to see.

    :param form: ``flat``, ``thingsboard`` or ``thingsboard-gateway``
    :param fields: patterns
    :param width: widest picture
    :param pictures: whether there shall be any
    :returns: the settings, and whether they are for ThingsBoard's gateway API
    """
    gateway = form == 'thingsboard-gateway'
    return (
        Settings(
            fields=fields,
            form=DashboardForm.THINGSBOARD if gateway else DashboardForm(form),
            pictures=pictures and not gateway,
            width=width,
        ),
        gateway,
    )


def _taken_bytes(taken: _Taken) -> int:
    return len(taken.sample.cdr)


def _route(sample: Sample) -> Hashable:
    return (sample.robot_id, sample.boot_id, sample.route)


def _painter_key(sample: Sample) -> Hashable:
    return (sample.robot_id, sample.topic, sample.type_name, sample.schema_id)
