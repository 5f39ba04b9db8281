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


"""When health goes out, and how much of it fits a thin link."""

from typing import TYPE_CHECKING

from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.uplink.parcels import Message
from ros_cloud_bridge.uplink.report import link_document, route_document

if TYPE_CHECKING:
    from ros_cloud_bridge.uplink.pump import Pump

# Health takes this share of the link at most, and one message of it this long.
_SHARE = 0.02
_MESSAGE_S = 0.1
_LEAST_BYTES = 1500
_MOST_BYTES = 64 * 1024
_ROUTE_BYTES = 250
"""What a route's entry takes, roughly."""


class HealthReporter:
    """
    Builds ``health`` of the pump's figures.

    On a thin link a message tells of some routes only; the others have their turn in the next.

    :param pump: whose figures they are
    :param now: monotonic seconds
    """

    def __init__(self, pump: 'Pump', now: float) -> None:
        self._pump = pump
        self._began = now
        self._turn = 0
        self.next_at = now + pump.config.health_period_s
        self.bad_messages = 0
        self.tcp: dict[str, object] | None = None
        self.spool: dict[str, object] | None = None
        self.commands: dict[str, object] | None = None

    def due(self, now: float) -> bool:
        """
        Tell whether it is time.

        :param now: monotonic seconds
        :returns: whether :meth:`message` should be sent
        """
        return self.next_at <= now

    def soon(self, now: float) -> None:
        """
        Tell at once, as after a step of the ladder.

        :param now: monotonic seconds
        """
        self.next_at = now

    def message(self, now: float) -> Message:
        """
        Build the next message, with as many routes as fit.

        :param now: monotonic seconds
        :returns: the message
        """
        pump = self._pump
        # What the user, the broker or the budget allows can be far less than the link takes.
        rate = pump.admission.capacity(now)
        # A link of which nothing is known yet may be a thin one.
        room = min(_MOST_BYTES, max(_LEAST_BYTES, (rate or 0.0) * _MESSAGE_S))
        routes = self._page(list(pump.outbox.routes), int(room) // _ROUTE_BYTES)
        message = pump.portrait.health(self.document(now, routes))
        pause_s = 0.0 if not rate else len(message.payload) / (_SHARE * rate)
        self.next_at = now + max(pump.config.health_period_s, pause_s)
        return message

    def document(self, now: float, routes: list[Route] | None = None) -> dict[str, object]:
        """
        Build the document.

        :param now: monotonic seconds
        :param routes: those to tell of; None for all
        :returns: JSON-able
        """
        pump = self._pump
        everything = pump.outbox.routes
        return {
            'uptime_s': round(now - self._began, 3),
            'link': {
                **link_document(pump.admission, now),
                'sent_bytes': pump.outstanding.sent_bytes,
                'sent_messages': pump.outstanding.sent_messages,
                'bad_messages': self.bad_messages,
                'asks_refused': pump.announcer.asks_refused,
                'tcp': self.tcp,
            },
            'streams': pump.steering.streams_document(now),
            'demand': pump.steering.demand_document(now),
            'spool': self.spool,
            'commands': self.commands,
            'routes': [
                route_document(route, now) for route in (everything if routes is None else routes)
            ],
            'routes_total': len(everything),
        }

    def _page(self, routes: list[Route], size: int) -> list[Route]:
        if len(routes) <= size:
            return routes
        page = [routes[(self._turn + index) % len(routes)] for index in range(size)]
        self._turn = (self._turn + size) % len(routes)
        return page
