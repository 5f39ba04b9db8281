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
Messages for dashboards: which samples are painted when, and what of it is sent.

Both are turns: of a route's samples the newest of a period is painted, and on each MQTT topic the
newest of a period is sent. So what nobody would see costs neither time nor bytes.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.dashboard.fitting import painter_for
from ros_cloud_bridge.dashboard.painter import Painter
from ros_cloud_bridge.dashboard.turns import Turns
from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.uplink.parcels import Message
from ros_cloud_bridge.values import Received
from ros_cloud_bridge.wire.schema import Schema
from ros_cloud_bridge.wire.topics import RobotTopics

# What has waited longer for the link is not shown any more.
_FRESH_S = 10.0
_MAX_EACH = 256
# Of samples that wait for their turn, and of messages that do.
_MAX_WAITING_BYTES = 32 * 1024 * 1024


@dataclass(slots=True, eq=False)
class RouteScreen:
    """
    One route's dashboards.

    :param route: the route
    :param painter: makes them
    :param screens: where they wait
    """

    route: Route
    painter: Painter
    screens: 'Screens'
    sent: int = 0
    sent_bytes: int = 0
    failed: int = 0
    too_large: int = 0

    def offer(self, samples: Sequence[Received], now: float) -> None:
        """Take accepted samples in; see :class:`~ros_cloud_bridge.core.route.Screen`."""
        self.screens.offered(self, samples, now)

    def document(self) -> dict[str, object]:
        """Give what ``health`` says of it."""
        return {
            'sent': self.sent,
            'bytes': self.sent_bytes,
            'failed': self.failed,
            'too_large': self.too_large,
        }

    @property
    def shown(self) -> bool:
        """Whether it is still asked for."""
        return self.route.screen is self

    @property
    def period_if_shown(self) -> float | None:
        """Seconds from one message to the next; None where there are none any more."""
        return self.period_s if self.shown else None

    @property
    def period_s(self) -> float:
        """Seconds from one message to the next."""
        return 1.0 / self.route.stream.dashboard_hz


@dataclass(slots=True, eq=False)
class Painting:
    """
    A sample to paint, which needs no lock.

    ``at`` is when it was accepted, monotonic; ``problem`` says afterwards what could not be made
    and why.
    """

    screen: RouteScreen
    sample: Received
    at: float
    topics: RobotTopics
    made: list[Message] = field(default_factory=list)
    problem: str = ''

    def paint(self) -> None:
        """Make the messages."""
        route = self.screen.route
        try:
            for shown in self.screen.painter.paint(self.sample.cdr, self.sample.source_time_ns):
                topic = self.topics.dashboard(route.stream.name, route.topic, shown.part)
                self.made.append(Message(topic=topic, payload=shown.payload))
        except Exception as error:  # whatever a node publishes, the others go on
            self.problem = str(error) or repr(error)


class _Offered(NamedTuple):
    """A sample, and when it was accepted, monotonic seconds."""

    screen: RouteScreen
    sample: Received
    at: float


class _Made(NamedTuple):
    """A message, and when its sample was accepted, monotonic seconds."""

    screen: RouteScreen
    message: Message
    at: float


class Screens:
    """
    The dashboards of all routes.

    :param topics: the robot's MQTT topics
    """

    def __init__(self, topics: RobotTopics) -> None:
        self._topics = topics
        self._samples: Turns[_Offered] = Turns(
            most_bytes=_MAX_WAITING_BYTES, size=lambda offered: len(offered.sample.cdr)
        )
        # Those of which each may be about something else.
        self._each: deque[_Offered] = deque(maxlen=_MAX_EACH)
        self._messages: Turns[_Made] = Turns(
            most_bytes=_MAX_WAITING_BYTES, size=lambda made: len(made.message.payload)
        )
        # Routes, and definitions of what goes out on them.
        self._known: dict[int, tuple[Route, str]] = {}
        self._rates: list[float] = []

    def show(self, route: Route, schema: Schema | None) -> None:
        """
        Make dashboards of a route from now on, if its stream asks for them.

        :param route: the route; ``dashboard_problem`` of it says why there are none
        :param schema: definition of the type that goes out
        """
        self._known[route.number] = route, '' if schema is None else schema.definition
        self._look(route)

    def configure(self, now: float) -> None:
        """
        Begin and end dashboards, and change their rates, as routes' streams have them now.

        :param now: monotonic seconds
        """
        rates = [route.stream.dashboard_hz for route, _ in self._known.values()]
        for route, _ in self._known.values():
            self._look(route)
        if rates != self._rates:
            self._rates = rates
            # Not only once the turns of an old, slow rate are over.
            self._samples.hasten(now, lambda offered: offered.screen.period_if_shown)
            self._messages.hasten(now, lambda made: made.screen.period_if_shown)

    def _look(self, route: Route) -> None:
        stream = route.stream
        if not stream.dashboard_hz:
            route.screen = None
            route.dashboard_problem = ''
            return
        if route.screen is not None:
            return
        definition = self._known[route.number][1]
        try:
            painter = painter_for(stream, route.topic, route.type_name, definition, route.form)
        except (ValueError, ProtocolError) as error:
            route.dashboard_problem = str(error)
        else:
            route.screen = RouteScreen(route, painter, self)

    def offered(self, screen: RouteScreen, samples: Sequence[Received], now: float) -> None:
        """
        Take accepted samples in.

        :param screen: of their route
        :param samples: in the order of their arrival
        :param now: monotonic seconds
        """
        if screen.painter.each:
            self._each.extend(_Offered(screen, sample, now) for sample in samples)
        else:
            offered = _Offered(screen, samples[-1], now)
            self._samples.put(screen.route.number, offered, screen.period_s, now)

    def painting(self, now: float) -> Painting | None:
        """
        Say what to paint now.

        :param now: monotonic seconds
        :returns: a sample; :meth:`painted` must follow. None when there is nothing
        """
        while (offered := self._next(now)) is not None:
            if offered.screen.shown and now - offered.at <= _FRESH_S:
                return Painting(offered.screen, offered.sample, offered.at, self._topics)
        return None

    def _next(self, now: float) -> '_Offered | None':
        if self._each:
            return self._each.popleft()
        turn = self._samples.take(now)
        return None if turn is None else turn[1]

    def painted(self, painting: Painting, now: float) -> None:
        """
        Take up what was painted.

        :param painting: its sample
        :param now: monotonic seconds
        """
        screen = painting.screen
        if not screen.shown:
            return
        screen.failed += bool(painting.problem)
        for message in painting.made:
            made = _Made(screen, message, painting.at)
            self._messages.put(message.topic, made, screen.period_s, now)

    def waits(self, now: float) -> bool:
        """
        Tell whether a message is to be sent.

        :param now: monotonic seconds
        :returns: whether it is any one's turn
        """
        due = self._messages.next_due()
        return due is not None and due <= now

    def take(self, now: float, most_bytes: int) -> Message | None:
        """
        Take the message whose turn it is.

        :param now: monotonic seconds
        :param most_bytes: larger ones are given up
        :returns: the message; None when there is none that can be sent
        """
        while (turn := self._messages.take(now)) is not None:
            screen, message, at = turn[1]
            if not screen.shown or now - at > _FRESH_S:
                continue
            if len(message.payload) > most_bytes:
                screen.too_large += 1
                continue
            screen.sent += 1
            screen.sent_bytes += len(message.payload)
            return message
        return None

    def next_due(self) -> float | None:
        """
        Say when there is something to do.

        :returns: monotonic seconds; None when nothing waits
        """
        if self._each:
            return 0.0
        dues = (self._samples.next_due(), self._messages.next_due())
        return min((due for due in dues if due is not None), default=None)
