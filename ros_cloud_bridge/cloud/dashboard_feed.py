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

"""Dashboards with a thread and a session: publishes what :class:`Dashboards` makes."""

from collections.abc import Callable
import logging
import secrets
import threading
import time

from ros_cloud_bridge.cloud.dashboard import Dashboards, Target
from ros_cloud_bridge.cloud.dashboard_doubles import DOUBLE, Doubles
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.dashboard.line import Line
from ros_cloud_bridge.mqtt.events import (
    Connected,
    Outgoing,
    Received,
    SessionEvent,
    SessionFull,
    SubscriptionRefused,
)
from ros_cloud_bridge.mqtt.protocol_choice import V5
from ros_cloud_bridge.mqtt.session import Session
from ros_cloud_bridge.values import MqttConfig

_FAILED_S = 0.1
# What comes while a picture is made.
_MAX_CAME = 8192
_MAX_CAME_BYTES = 128 * 1024 * 1024

_log = logging.getLogger(__name__)


class DashboardFeed:
    """
    Publishes dashboards on a thread of its own, so that no picture holds up the consumer.

    ``published`` and ``dropped`` count messages; what cannot go at once is dropped, for the next
    one says what holds then.

    :param config: how to reach the broker of the dashboards
    :param target: where they go, and what is shown
    :param makes: says whether a robot makes those of a stream itself; None while it is not known
    :param problem: takes topic and reason where something cannot be shown
    :param on_link: takes the broker connection's ups and downs
    :param watched: topic filter of what is published, to find others that publish the same, where
        the broker leaves out our own; empty for no such watch
    :raises ConfigError: names the key that cannot be used, before any connection
    """

    def __init__(
        self,
        config: MqttConfig,
        target: Target,
        *,
        makes: Callable[[str, str], bool | None],
        problem: Callable[[str, str], None],
        on_link: Callable[[SessionEvent], None] | None = None,
        watched: str = '',
    ) -> None:
        self.published = 0
        self.dropped = 0
        self._dashboards = Dashboards(target, makes, problem)
        self._work_came = threading.Condition()
        self._came = _line()
        self._missed = 0
        self._ending = False
        self._failure = ''
        self._on_link = on_link
        self._watched = watched
        self._doubles = Doubles(lambda topic: problem(topic, DOUBLE))
        self._session = Session(
            config,
            client_id=config.client_id or f'rcb-d-{secrets.token_hex(6)}',
            on_event=self._on_event,
            others_only=True,
        )
        self._thread = threading.Thread(target=self._run, name='dashboards', daemon=True)

    def start(self) -> None:
        """
        Connect and publish in the background.

        :raises LocalFault: when it was started before
        """
        self._session.start()
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """
        End.

        :param timeout_s: for each of the two steps
        """
        with self._work_came:
            self._ending = True
            self._work_came.notify_all()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        self._session.stop(timeout_s)

    def sample(self, sample: Sample, *, retained: bool) -> None:
        """
        Take a sample in.

        :param sample: from the decoder
        :param retained: whether it came out of the broker's memory
        """
        with self._work_came:
            self._came.append((sample, retained))
            self._work_came.notify_all()

    @property
    def meaningless(self) -> tuple[str, ...]:
        """Patterns that no topic has had a field for so far; none before there was a topic."""
        return self._dashboards.meaningless

    @property
    def missed(self) -> int:
        """How many samples and messages there was no room for."""
        return self._missed + self._dashboards.given_up

    def _on_event(self, event: SessionEvent) -> None:
        if isinstance(event, Received):
            self._doubles.others(event.topic, time.monotonic())
            return
        if isinstance(event, Connected) and event.protocol == V5 and self._watched:
            # Once: it is renewed with each connection.
            self._session.subscribe(self._watched)
            self._watched = ''
        # One who may not read what it writes is not told of others, and no more.
        if self._on_link is not None and not isinstance(event, SubscriptionRefused):
            self._on_link(event)

    def _run(self) -> None:
        while not self._ending:
            try:
                self._turn()
            except Exception as error:  # a fault of ours: what is left goes on
                if repr(error) != self._failure:
                    self._failure = repr(error)
                    _log.exception('dashboards: %r (said once)', error)
                time.sleep(_FAILED_S)

    def _turn(self) -> None:
        step = self._dashboards.next(time.monotonic())
        if isinstance(step, Outgoing):
            self._publish(step)
        with self._work_came:
            if not isinstance(step, Outgoing) and not self._came and not self._ending:
                self._work_came.wait(step)
            came, self._came = self._came, _line()
        self._missed += came.given_up
        while (one := came.take()) is not None:
            sample, retained = one
            self._dashboards.take(sample, time.monotonic(), retained=retained)

    def _publish(self, outgoing: Outgoing) -> None:
        try:
            self._session.publish(outgoing)
        except (SessionFull, ValueError):
            self.dropped += 1
        else:
            self.published += 1
            self._doubles.ours(outgoing.topic, time.monotonic())


def _line() -> Line[tuple[Sample, bool]]:
    return Line(_MAX_CAME, _MAX_CAME_BYTES, lambda came: len(came[0].cdr))
