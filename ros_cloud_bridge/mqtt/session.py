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

"""A session with a broker that outlives its connections and never loses track of a message."""

from collections.abc import Callable, Sequence
from dataclasses import replace
import logging
import random as random_module
import socket
import threading
import time

from ros_cloud_bridge.core.reconnect import ReconnectDelay
from ros_cloud_bridge.errors import LocalFault
from ros_cloud_bridge.mqtt import reasons
from ros_cloud_bridge.mqtt.connection import Connection, Ended, Ending
from ros_cloud_bridge.mqtt.credentials import read_login, tls_context
from ros_cloud_bridge.mqtt.events import (
    Connected,
    Disconnected,
    Outgoing,
    Refused,
    SessionEvent,
    TakenOver,
    Unreachable,
    Will,
)
from ros_cloud_bridge.mqtt.limits import negotiate, ServerLimits, SessionLimits
from ros_cloud_bridge.mqtt.outstanding import Outstanding
from ros_cloud_bridge.mqtt.paho_link import PahoLink
from ros_cloud_bridge.mqtt.presets import find_preset
from ros_cloud_bridge.mqtt.protocol_choice import ProtocolChoice
from ros_cloud_bridge.mqtt.tcp import TcpInfo
from ros_cloud_bridge.mqtt.waker import Waker
from ros_cloud_bridge.values import MqttConfig

# No message of ours is larger; a broker of MQTT 5 then does not even try.
MAX_RECEIVE_BYTES = 16 * 1024 * 1024

_log = logging.getLogger(__name__)


class Session:
    """
    Keeps a connection to the broker, and every QoS 1 message until the broker has answered for it.

    Each connection has a paho client of its own with Clean Start; messages without an answer are
    kept here, bounded, and published again in order on the next connection. One thread does all of
    it and calls ``on_event``, which must return soon and may call ``publish``.

    :param config: how to reach the broker
    :param client_id: MQTT client id, the same for each connection
    :param will_for: makes the will of the connection with the given number; None for no will
    :param subscriptions: topic filters
    :param on_event: takes what happens, on the session's thread; its exceptions are logged
    :param random: source of the reconnect jitter
    :param subscription_qos: QoS to subscribe with
    :param max_receive_bytes: the largest packet that the broker may send (MQTT 5)
    :param max_segment_bytes: asked before each connection, on the session's thread: the largest
        TCP segment to send; 0 leaves it to the kernel
    :param fresh_only: whether to subscribe without what is retained, where MQTT 5 allows that
    :param others_only: whether to subscribe without what we publish ourselves, likewise
    :param quick_ack: whether TCP shall acknowledge at once: round trips of small messages are
        then not held up by the broker's Nagle algorithm, for the price of more packets
    :raises ConfigError: names the key, as for a missing file, before any connection
    """

    def __init__(
        self,
        config: MqttConfig,
        *,
        client_id: str,
        will_for: Callable[[int], Will | None] | None = None,
        subscriptions: Sequence[str] = (),
        on_event: Callable[[SessionEvent], None],
        random: random_module.Random | None = None,
        subscription_qos: int = 1,
        max_receive_bytes: int = MAX_RECEIVE_BYTES,
        max_segment_bytes: Callable[[], int] = lambda: 0,
        fresh_only: bool = False,
        others_only: bool = False,
        quick_ack: bool = False,
    ) -> None:
        self._config = config
        self._preset = find_preset(config.preset)
        protocol = config.protocol if config.protocol != 'auto' else self._preset.protocol
        self._choice = ProtocolChoice(protocol)
        self._login = read_login(config)
        self._tls = tls_context(config, self._preset)
        self._client_id = client_id
        self._will_for = will_for
        self._will_refusals: set[int] = set()
        self._subscriptions = list(subscriptions)
        self._subscription_qos = subscription_qos
        self._max_receive_bytes = max_receive_bytes
        self._max_segment_bytes = max_segment_bytes
        self._fresh_only = fresh_only
        self._others_only = others_only
        self._quick_ack = quick_ack
        self._on_event = on_event
        self._delay = ReconnectDelay(random or random_module.Random())
        self._limits = self._negotiate(ServerLimits())
        self._outstanding = Outstanding(self._limits)
        self._connected = False
        self._connection = 0
        self._leave_by: float | None = None
        self._cut = ''
        self._leaving = threading.Event()
        self._stopped = False
        self._link: PahoLink | None = None
        self._waker = Waker()
        # A daemon, for a name server that does not answer must not keep the process.
        self._thread = threading.Thread(target=self._run, name='mqtt session', daemon=True)

    def __repr__(self) -> str:
        config = self._config
        return (
            f'Session({config.host}:{config.effective_port}, client_id={self._client_id!r}, '
            f'{self._login!r}, connected={self._connected})'
        )

    def start(self) -> None:
        """
        Connect, and keep connecting, in the background.

        :raises LocalFault: when the session was started before
        """
        if self._thread.ident is not None:
            raise LocalFault('an MQTT session starts only once')
        self._thread.start()

    def stop(self, timeout_s: float, farewell: Sequence[Outgoing] = ()) -> list[object]:
        """
        Publish the farewell, wait for every answer, and leave with a clean DISCONNECT.

        When the answers do not come in time the connection is cut without DISCONNECT, so that the
        broker publishes the will in the farewell's place.

        :param timeout_s: for all of it
        :param farewell: the last messages; they need no room
        :returns: tokens of the messages that the broker did not answer for; empty when all is well
        """
        self._outstanding.close(tuple(farewell))
        self._leave_by = time.monotonic() + timeout_s
        self._leaving.set()
        self._waker.wake()
        if self._thread.ident is not None and threading.current_thread() is not self._thread:
            # The thread keeps the deadline itself; the rest is for its clean-up.
            self._thread.join(timeout_s + 1.0)
            self._stopped = True
        return self._outstanding.tokens()

    def cut(self, reason: str) -> None:
        """
        End the present connection and make another one, on which unanswered messages go again.

        :param reason: stands in the event; one line
        """
        self._cut = reason
        self._waker.wake()

    def publish(self, outgoing: Outgoing) -> None:
        """
        Hand a message over; never blocks.

        QoS 1 is kept until the broker answers, over as many connections as that takes. QoS 0 is
        taken only while connected. What becomes of it comes as ``Acknowledged`` or ``Discarded``.

        :param outgoing: the message
        :raises SessionFull: when ``room`` says no
        :raises ValueError: when the topic cannot be published to, or the QoS is 2
        """
        if not outgoing.topic or any(sign in outgoing.topic for sign in '#+\0'):
            raise ValueError(f'cannot publish to {outgoing.topic!r}')
        if outgoing.qos not in (0, 1):
            raise ValueError('QoS 2 is not offered: two of the brokers lack it')
        self._outstanding.add(outgoing, connected=self._connected)
        self._waker.wake()

    def subscribe(self, topic_filter: str) -> None:
        """
        Receive more, on this connection and each after it; never blocks.

        A message that is published after this call goes to the broker after the subscription.

        :param topic_filter: what to subscribe to, besides the filters that there are
        """
        self._subscriptions.append(topic_filter)
        self._waker.wake()

    def room(self, size: int, qos: int = 1) -> bool:
        """
        Tell whether a message may be handed over now.

        :param size: bytes of its payload
        :param qos: its QoS
        :returns: whether ``publish`` would take it
        """
        return (self._connected or qos > 0) and self._outstanding.room(size)

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted the present connection."""
        return self._connected

    @property
    def limits(self) -> SessionLimits:
        """Limits of the present connection; before the first, what preset and user allow."""
        return self._limits

    @property
    def in_flight(self) -> int:
        """How many messages the broker has not answered for."""
        return self._outstanding.count

    @property
    def in_flight_bytes(self) -> int:
        """Bytes of those messages: payloads and topics."""
        return self._outstanding.bytes

    @property
    def unsent_bytes(self) -> int:
        """
        Bytes of packets that wait here because the kernel's socket buffer takes no more.

        It is kept short, so this says that the link is slower than what is published.
        """
        link = self._link
        return 0 if link is None else link.unsent_bytes

    def tcp_info(self) -> TcpInfo | None:
        """
        Ask the kernel about the present connection; one system call, from any thread.

        :returns: None while there is no connection that the broker has accepted, and on systems
            other than Linux
        """
        link = self._link
        return None if link is None else link.tcp_info()

    def _negotiate(self, server: ServerLimits) -> SessionLimits:
        return negotiate(self._config, self._preset, server)

    def _emit(self, event: SessionEvent) -> None:
        if self._stopped:
            # The thread has outlived stop(), as when a name server does not answer.
            return
        try:
            self._on_event(event)
        except Exception:
            _log.exception('mqtt: on_event fails on %s', type(event).__name__)

    def _run(self) -> None:
        while not self._leaving.is_set():
            try:
                delay_s = self._connect_once()
            except Exception as error:  # of ours or of paho's: the session outlives it
                _log.exception('mqtt: connection attempt fails')
                delay_s = self._delay.network_failed()
                self._emit(Unreachable(reason=f'internal error: {error}', retry_in_s=delay_s))
            self._leaving.wait(delay_s)
        self._waker.close()

    def _connect_once(self) -> float:
        """Live through one connection; returns the seconds to wait before the next."""
        self._connection += 1
        self._cut = ''
        connection = Connection(
            self._outstanding,
            self._emit,
            self._negotiate,
            (
                self._subscriptions,
                self._subscription_qos,
                self._preset.max_subscriptions_per_packet,
            ),
            lambda: self._leave_by,
            lambda: self._cut,
            self._fresh_only,
            self._others_only,
        )
        link = PahoLink(
            connection,
            self._waker,
            client_id=self._client_id,
            protocol=self._choice.current,
            login=self._login,
            tls=self._tls,
            will=self._will(),
            quick_ack=self._quick_ack,
        )
        try:
            return self._live(connection, link)
        finally:
            self._connected = False
            self._link = None
            link.close()
            connection.release()

    def _live(self, connection: Connection, link: PahoLink) -> float:
        config = self._config
        try:
            link.connect(
                config.host,
                config.effective_port,
                keepalive_s=self._negotiate(ServerLimits()).keepalive_s,
                timeout_s=config.connect_timeout_s,
                max_receive_bytes=self._max_receive_bytes,
                max_segment_bytes=self._max_segment_bytes(),
            )
        except (OSError, ValueError) as error:  # ValueError: a host name that cannot be encoded
            return self._unreachable(_describe_failure(config, error))
        answer = connection.await_connack(link, config.connect_timeout_s)
        if isinstance(answer, Ended):
            return self._not_accepted(answer)
        self._choice.accepted()
        self._limits = answer
        self._link = link
        self._connected = True
        self._emit(
            Connected(limits=answer, connection=self._connection, protocol=self._choice.current)
        )
        ended = connection.run(link)
        self._connected = False
        self._choice.ended()
        return self._ended(ended)

    def _unreachable(self, reason: str) -> float:
        delay_s = self._delay.network_failed()
        self._emit(Unreachable(reason=reason, retry_in_s=delay_s))
        return delay_s

    def _not_accepted(self, ended: Ended) -> float:
        if ended.how is Ending.UNANSWERED or ended.code is None:
            self._choice.closed_unanswered()
            return self._unreachable(ended.reason)
        if ended.code == reasons.UNSUPPORTED_PROTOCOL_VERSION and self._choice.version_refused():
            return 0.0
        if self._settles_for_less_of_a_will(ended.code):
            return 0.0
        delay_s = self._delay.refused()
        self._emit(Refused(reason=ended.reason, code=ended.code, retry_in_s=delay_s))
        return delay_s

    def _will(self) -> Will | None:
        will = self._will_for(self._connection) if self._will_for else None
        if will is None:
            return None
        return replace(
            will,
            retain=will.retain and reasons.RETAIN_NOT_SUPPORTED not in self._will_refusals,
            qos=0 if reasons.QOS_NOT_SUPPORTED in self._will_refusals else will.qos,
        )

    def _settles_for_less_of_a_will(self, code: int) -> bool:
        """Tell whether to try at once without what the broker refuses in a will (3.1.2.11)."""
        refusals = (reasons.RETAIN_NOT_SUPPORTED, reasons.QOS_NOT_SUPPORTED)
        if self._will_for is None or code not in refusals or code in self._will_refusals:
            return False
        self._will_refusals.add(code)
        return True

    def _ended(self, ended: Ended) -> float:
        self._delay.connection_lasted(ended.lasted_s)
        if ended.how is Ending.LEFT:
            self._emit(Disconnected(reason=ended.reason or 'stopped', code=None, retry_in_s=0.0))
            return 0.0
        if ended.code == reasons.SESSION_TAKEN_OVER:
            delay_s = self._delay.taken_over()
            self._emit(TakenOver(retry_in_s=delay_s))
        elif ended.code is not None and reasons.is_refusal(ended.code):
            delay_s = self._delay.refused()
            self._emit(Refused(reason=ended.reason, code=ended.code, retry_in_s=delay_s))
        else:
            delay_s = self._delay.network_failed()
            self._emit(Disconnected(reason=ended.reason, code=ended.code, retry_in_s=delay_s))
        return delay_s


def _describe_failure(config: MqttConfig, error: OSError | ValueError) -> str:
    place = f'{config.host}:{config.effective_port}'
    if isinstance(error, socket.gaierror):
        return f"unknown host '{config.host}': {error.strerror}"
    if isinstance(error, TimeoutError):
        return f'{place} does not answer within {config.connect_timeout_s:g} s'
    return f'{place}: {getattr(error, "strerror", None) or error}'
