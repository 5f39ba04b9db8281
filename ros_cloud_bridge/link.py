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

"""The bridge's MQTT session: restarted after a duplicate, its changes of state said once."""

from collections.abc import Callable, Sequence
import threading

from ros_cloud_bridge.mqtt.events import (
    Connected,
    Discarded,
    Disconnected,
    Outgoing,
    Refused,
    SessionEvent,
    SessionFull,
    SubscriptionRefused,
    TakenOver,
    Unreachable,
    Will,
)
from ros_cloud_bridge.mqtt.limits import SessionLimits
from ros_cloud_bridge.mqtt.session import Session
from ros_cloud_bridge.uplink.parcels import Message
from ros_cloud_bridge.values import BridgeConfig

Log = Callable[[str, str], None]
_YIELD_S = 60.0
_STOP_S = 3.0


class Link:
    """
    Joins the pump with the broker.

    :param config: checked configuration
    :param will: makes the will of the connection with the given number since boot
    :param subscriptions: topic filters
    :param on_event: takes the session's events, on its thread; ``Connected`` counts since boot
    :param segment_bytes: gives the TCP segment size that suits the link; 0 for any
    :param log: takes (level, text)
    :raises ConfigError: when a file that the configuration names cannot be used
    """

    def __init__(
        self,
        config: BridgeConfig,
        *,
        will: Callable[[int], Message],
        subscriptions: Sequence[str],
        on_event: Callable[[SessionEvent], None],
        segment_bytes: Callable[[], int],
        log: Log,
    ) -> None:
        self._config = config
        self._will = will
        self._subscriptions = tuple(subscriptions)
        self._on_event = on_event
        self._segment_bytes = segment_bytes
        self._log = log
        self._connections = 0
        self._said = ''
        self._lock = threading.Lock()
        self._restart: threading.Timer | None = None
        self._stopped = False
        self._session = self._new_session()

    def _new_session(self) -> Session:
        config = self._config
        return Session(
            config.mqtt,
            client_id=config.mqtt.client_id or f'rcb-{config.robot_id}-uplink',
            will_for=self._next_will,
            subscriptions=self._subscriptions,
            on_event=self._hear,
            max_segment_bytes=self._max_segment_bytes,
        )

    def _max_segment_bytes(self) -> int:
        return self._config.link.max_segment_bytes or self._segment_bytes()

    def _next_will(self, _: int) -> Will:
        self._connections += 1
        message = self._will(self._connections)
        return Will(topic=message.topic, payload=message.payload)

    @property
    def ready(self) -> bool:
        """Whether the broker has accepted the present connection."""
        return self._session.connected

    @property
    def limits(self) -> SessionLimits:
        """Limits of the present connection."""
        return self._session.limits

    @property
    def tcp(self) -> dict[str, object] | None:
        """What the kernel says of the connection, for ``health``; None when it says nothing."""
        info = self._session.tcp_info()
        if info is None:
            return None
        return {
            'rtt_s': round(info.rtt_s, 4),
            'not_sent_bytes': info.not_sent_bytes,
            'retransmitted_segments': info.retransmitted_segments,
            'max_segment_bytes': info.max_segment_bytes,
        }

    def cut(self, reason: str) -> None:
        """
        End the present connection and make another one.

        :param reason: one line for the log
        """
        self._session.cut(reason)

    def start(self) -> None:
        """Connect, and keep connecting."""
        self._session.start()

    def publish(
        self, message: Message, token: object, expiry_s: float | None, again: bool
    ) -> None:
        """
        Hand a message over at QoS 1.

        :param message: the message
        :param token: comes back with the event that says what became of it
        :param expiry_s: give it up after this long, if not None
        :param again: whether to send it again on the next connection if this one ends
        """
        outgoing = Outgoing(
            topic=message.topic,
            payload=message.payload,
            retain=message.retain and self._session.limits.retain_available,
            token=token,
            expiry_s=expiry_s,
            again=again,
        )
        try:
            self._session.publish(outgoing)
        except SessionFull as error:
            # It is stopping, for good or to yield: nothing may be lost without a word.
            self._on_event(Discarded(token=token, reason=str(error)))

    def stop(self, farewell: Sequence[Message]) -> int:
        """
        Say goodbye and disconnect.

        :param farewell: the last messages; the last one takes the will's place
        :returns: how many messages the broker did not answer for
        """
        with self._lock:
            self._stopped = True
            if self._restart is not None:
                self._restart.cancel()
        retains = self._session.limits.retain_available
        last = [
            Outgoing(topic=m.topic, payload=m.payload, retain=m.retain and retains)
            for m in farewell
        ]
        if not self._session.connected:
            return len(self._session.stop(0.1))
        return len(self._session.stop(_STOP_S, last))

    def yield_robot_id(self) -> None:
        """Leave without a word to another bridge of this robot id, and come back in a minute."""
        with self._lock:
            if self._stopped or self._restart is not None:
                return
            self._restart = threading.Timer(_YIELD_S, self._come_back)
            self._restart.daemon = True
            self._restart.start()
        # On a thread of its own: this is called from the session's consumer, which must go on.
        threading.Thread(target=self._leave, daemon=True).start()

    def _leave(self) -> None:
        for token in self._session.stop(_STOP_S):
            self._on_event(Discarded(token=token, reason='left to another bridge'))

    def _come_back(self) -> None:
        with self._lock:
            self._restart = None
            if self._stopped:
                return
            self._session = self._new_session()
        self._session.start()

    def _hear(self, event: SessionEvent) -> None:
        self._say(event)
        if isinstance(event, Connected):
            event = Connected(
                limits=event.limits, connection=self._connections, protocol=event.protocol
            )
        self._on_event(event)

    def _say(self, event: SessionEvent) -> None:
        mqtt = self._config.mqtt
        place = f'{mqtt.host}:{mqtt.effective_port}'
        if self._stopped:
            return
        if isinstance(event, Connected):
            self._change('info', f'connected to {place} (MQTT {event.protocol})')
        elif isinstance(event, Disconnected) and self._restart is None:
            self._change('warning', f'connection to {place} lost: {event.reason}; reconnecting')
        elif isinstance(event, Unreachable):
            self._change('warning', f'broker not reachable: {event.reason}; keeps trying')
        elif isinstance(event, Refused):
            self._change('error', f'{place} refuses: {event.reason}; keeps trying')
        elif isinstance(event, TakenOver):
            self._change(
                'error',
                f"duplicate_robot_id: another client '{mqtt.client_id or self._config.robot_id}' "
                f'took the session over; tries again in {event.retry_in_s:.0f} s',
            )
        elif isinstance(event, SubscriptionRefused):
            self._change('warning', f'{place} refuses the subscription to {event.topic_filter}')

    def _change(self, level: str, text: str) -> None:
        if text != self._said:
            self._said = text
            self._log(level, text)
