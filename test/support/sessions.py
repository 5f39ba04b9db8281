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

"""Run MQTT sessions in tests and keep what they say."""

from collections.abc import Iterator
from contextlib import contextmanager
import random
from typing import Any, TypeVar

from ros_cloud_bridge.mqtt.events import SessionEvent
from ros_cloud_bridge.mqtt.session import Session
from ros_cloud_bridge.values import MqttConfig

from .waiting import wait_until

Event = TypeVar('Event')


class EventLog:
    """Collects a session's events."""

    def __init__(self) -> None:
        self.events: list[SessionEvent] = []

    def __call__(self, event: SessionEvent) -> None:
        """
        Take an event.

        :param event: as the session gives it
        """
        self.events.append(event)

    def of(self, kind: type[Event]) -> list[Event]:
        """
        Select events.

        :param kind: their class
        :returns: those of that class, in order
        """
        return [event for event in list(self.events) if isinstance(event, kind)]

    def wait_for(self, kind: type[Event], count: int = 1) -> Event:
        """
        Wait until there are so many events of a class.

        :param kind: their class
        :param count: how many at least
        :returns: the last of those
        """
        try:
            wait_until(lambda: len(self.of(kind)) >= count)
        except AssertionError:
            raise AssertionError(f'no {count} {kind.__name__} in {self.events}') from None
        return self.of(kind)[count - 1]


@contextmanager
def running(config: MqttConfig, **named: Any) -> Iterator[tuple[Session, EventLog]]:
    """
    Run a session for the length of a block.

    :param config: how to reach the broker
    :param named: further arguments of ``Session``; ``client_id`` and jitter have defaults
    :returns: the started session and its events
    """
    log = EventLog()
    named.setdefault('client_id', 'tested')
    named.setdefault('random', random.Random(1))
    named.setdefault('on_event', log)
    session = Session(config, **named)
    session.start()
    try:
        yield session, log
    finally:
        session.stop(0.0)
