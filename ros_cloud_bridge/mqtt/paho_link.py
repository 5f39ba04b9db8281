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
One connection over one paho client, whichever of its versions is installed.

paho's external loop is used (``loop_read``, ``loop_write``, ``loop_misc``), always from the one
thread that calls ``turn``: so nothing races inside paho, no exception can end a thread of paho's
unseen (1.6 lets a time-out of the socket do that), and no lock of paho's is ever waited for.
"""

from collections.abc import Callable, Sequence
from functools import partial
import logging
import selectors
import socket
import ssl
import threading
import time
from typing import Any, Protocol

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from ros_cloud_bridge.mqtt.credentials import Login
from ros_cloud_bridge.mqtt.events import Will
from ros_cloud_bridge.mqtt.limits import ServerLimits
from ros_cloud_bridge.mqtt.paho_versions import (
    make_client,
    PAHO_2,
    publish_properties,
    reason_value,
    server_limits,
    unsent_bytes,
)
from ros_cloud_bridge.mqtt.protocol_choice import V5
from ros_cloud_bridge.mqtt.reasons import describe, from_v311
from ros_cloud_bridge.mqtt.tcp import acknowledge_now, open_connection, read_info, TcpInfo
from ros_cloud_bridge.mqtt.waker import Waker

# How many packets one turn reads at most while TLS has more of them decrypted.
MAX_READS_PER_TURN = 64
# paho asks after a keepalive of silence and gives up after another one: with this share of it, a
# connection that has gone silent is noticed within 1.5 keepalives, of which the answer has half.
_PROBE_SHARE = 0.7

_log = logging.getLogger(__name__)


class LinkHandler(Protocol):
    """Who is told what happens on a link; calls come from within ``PahoLink.turn``."""

    def on_connack(self, code: int, limits: ServerLimits) -> None:
        """Take the broker's answer to CONNECT; the code is MQTT 5's."""

    def on_answered(self, packet_id: int, code: int | None, at: float) -> None:
        """Take a PUBACK, or that a QoS 0 packet is written, and when that was, monotonic."""

    def on_suback(self, packet_id: int, codes: list[int]) -> None:
        """Take the answer to a SUBSCRIBE."""

    def on_message(self, topic: str, payload: bytes, *, retain: bool, qos: int) -> None:
        """Take a message."""

    def on_closed(self, reason: str, code: int | None) -> None:
        """Take the end of the connection; the code is the broker's, if it gave one."""


def _guarded(callback: Callable[..., None]) -> Callable[..., None]:
    """Keep a callback's exception out of paho, which would leave its packet half handled."""

    def call(self: 'PahoLink', *arguments: Any, **named: Any) -> None:
        try:
            callback(self, *arguments, **named)
        except Exception:
            _log.exception('mqtt: exception in %s', callback.__name__)

    return call


class PahoLink:
    """
    One connection, from CONNECT to its end; not to be used again.

    :param handler: is told what happens
    :param waker: makes ``turn`` return early
    :param client_id: MQTT client id
    :param protocol: ``5`` or ``3.1.1``
    :param login: user name and password
    :param tls: TLS context or None
    :param will: what the broker shall say when we vanish
    :param quick_ack: whether TCP shall acknowledge at once, for the price of more packets
    """

    def __init__(
        self,
        handler: LinkHandler,
        waker: Waker,
        *,
        client_id: str,
        protocol: str,
        login: Login,
        tls: ssl.SSLContext | None,
        will: Will | None,
        quick_ack: bool = False,
    ) -> None:
        self._quick_ack = quick_ack
        self._handler = handler
        self._waker = waker
        self._v5 = protocol == V5
        self._client = make_client(client_id, v5=self._v5)
        self._selector: selectors.BaseSelector | None = None
        self._writing = False
        self._ended = False
        self._read_at = 0.0
        self._unsent_bytes = 0
        # Guards the socket that other threads may ask about, for paho closes it when it likes.
        self._open_lock = threading.Lock()
        self._open: socket.socket | None = None
        if login.username:
            self._client.username_pw_set(login.username, login.password)
        if tls is not None:
            self._client.tls_set_context(tls)
        if will is not None:
            self._client.will_set(will.topic, will.payload, will.qos, will.retain)
        self._client.on_socket_close = self._on_socket_close
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message

    def connect(
        self,
        host: str,
        port: int,
        *,
        keepalive_s: int,
        timeout_s: float,
        max_receive_bytes: int,
        max_segment_bytes: int = 0,
    ) -> None:
        """
        Open the socket, shake hands for TLS and send CONNECT; blocks.

        :param host: name or address
        :param port: TCP port
        :param keepalive_s: to ask for
        :param timeout_s: for each address and again for TLS; a name server's time-out is its own
        :param max_receive_bytes: the largest packet that the broker may send
        :param max_segment_bytes: the largest TCP segment to send; 0 leaves it to the kernel
        :raises OSError: when any of it fails
        """
        if PAHO_2:
            self._client.connect_timeout = timeout_s
        else:
            self._client._connect_timeout = timeout_s
        self._client.open_connection = partial(
            open_connection, host, port, timeout_s=timeout_s, max_segment_bytes=max_segment_bytes
        )
        if self._v5:
            properties = Properties(PacketTypes.CONNECT)
            properties.MaximumPacketSize = max_receive_bytes
            # Session expiry stays absent: zero, the session ends with the connection.
            self._client.connect(host, port, keepalive_s, clean_start=True, properties=properties)
        else:
            self._client.connect(host, port, keepalive_s)
        selector = selectors.DefaultSelector()
        selector.register(self._waker, selectors.EVENT_READ)
        connected = self._client.socket()
        if connected is not None:
            selector.register(connected, selectors.EVENT_READ)
            with self._open_lock:
                self._open = connected
        self._selector = selector

    def turn(self, timeout_s: float) -> bool:
        """
        Wait for something to happen and handle it.

        :param timeout_s: how long to wait at most
        :returns: whether the connection still stands
        """
        connected = self._client.socket()
        if connected is None or self._selector is None:
            self._end('connection lost', None)
            return False
        try:
            self._work(connected, timeout_s)
        except Exception as error:  # bytes that paho cannot parse, or the socket's own errors
            _log.debug('mqtt: link fails', exc_info=True)
            self._end(f'{type(error).__name__}: {error}', None)
        self._count_unsent()
        return not self._ended and self._client.socket() is not None

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int,
        retain: bool,
        alias: int | None,
        expiry_s: int | None,
        content_type: str,
    ) -> tuple[int, bool] | None:
        """
        Write a PUBLISH, or keep it in paho until the socket takes it.

        :param topic: empty when the alias is known to the broker
        :param payload: bytes of the message
        :param qos: 0 or 1
        :param retain: whether the broker shall keep it
        :param alias: topic alias; not for MQTT 3.1.1
        :param expiry_s: message expiry interval; has no effect with MQTT 3.1.1
        :param content_type: has no effect with MQTT 3.1.1
        :returns: packet id and whether it is already written; None when the connection is gone
        """
        properties = publish_properties(alias, expiry_s, content_type) if self._v5 else None
        info = self._client.publish(topic, payload, qos, retain, properties)
        self._count_unsent()
        if self._ended or info.rc != paho.MQTT_ERR_SUCCESS:
            return None
        return info.mid, qos == 0 and info.is_published()

    def subscribe(
        self,
        filters: Sequence[str],
        qos: int,
        *,
        fresh_only: bool = False,
        others_only: bool = False,
    ) -> int | None:
        """
        Write a SUBSCRIBE.

        :param filters: topic filters
        :param qos: the highest wanted
        :param fresh_only: whether to leave out what is retained, and to be told of messages that
            are published to be (MQTT 5, 3.8.3.1: Retain Handling 2, Retain As Published)
        :param others_only: whether to leave out what we publish ourselves (MQTT 5: No Local)
        :returns: packet id of the answer to come; None when the connection is gone
        """
        options: Any = qos
        if (fresh_only or others_only) and self._v5:
            options = SubscribeOptions(
                qos=qos,
                noLocal=others_only,
                retainAsPublished=fresh_only,
                retainHandling=2 if fresh_only else 0,
            )
        asked = [(topic_filter, options) for topic_filter in filters]
        packet_id: int | None = self._client.subscribe(asked)[1]
        return packet_id

    def set_keepalive(self, keepalive_s: int) -> None:
        """
        Probe the connection so that the broker never waits for longer than a keepalive.

        :param keepalive_s: ours, or Server Keep Alive of the CONNACK, which paho 1.6 ignores
        """
        self._client._keepalive = keepalive_s * _PROBE_SHARE

    def disconnect(self) -> None:
        """Say DISCONNECT with reason 0x00, so that the broker drops the will; needs more turns."""
        self._client.disconnect()

    def close(self) -> None:
        """Close the socket as it is; the broker then publishes the will, unless it was dropped."""
        self._withdraw()
        connected = self._client.socket()
        if connected is not None:
            connected.close()
        if self._selector is not None:
            self._selector.close()
            self._selector = None
        self._part()

    def _part(self) -> None:
        # paho's client and this hold each other, and the client the payloads that nobody has
        # acknowledged: thus they go now, not when the garbage collector looks, which is seldom.
        for event in ('socket_close', 'connect', 'disconnect', 'publish', 'subscribe', 'message'):
            setattr(self._client, f'on_{event}', None)

    @property
    def socket(self) -> Any:
        """The connection's socket; None when there is none."""
        return self._client.socket()

    @property
    def unsent_bytes(self) -> int:
        """Bytes that paho holds because the socket does not take them; from any thread."""
        return self._unsent_bytes

    def tcp_info(self) -> TcpInfo | None:
        """
        Ask the kernel about the connection; from any thread.

        :returns: None when the connection is gone, or the system does not tell
        """
        with self._open_lock:
            return None if self._open is None else read_info(self._open)

    def _work(self, connected: Any, timeout_s: float) -> None:
        selector = self._selector
        assert selector is not None
        if self._client.want_write() != self._writing:
            self._writing = not self._writing
            write = selectors.EVENT_WRITE if self._writing else 0
            selector.modify(connected, selectors.EVENT_READ | write)
        # Bytes that TLS has already decrypted do not make the socket readable.
        pending = _pending(connected)
        ready = selector.select(0.0 if pending else timeout_s)
        self._read_at = time.monotonic()
        for key, events in ready:
            if key.fileobj is self._waker:
                self._waker.rest()
            elif events & selectors.EVENT_READ:
                pending = True
        if pending:
            self._read(connected)
        if self._client.want_write():
            self._client.loop_write()
        self._client.loop_misc()
        code = getattr(self._client, 'disconnect_code', None)
        if code is not None:
            # paho 1.6 goes on as if a short DISCONNECT had not come.
            self._end(_broker_closed(code), code)

    def _read(self, connected: Any) -> None:
        for _ in range(MAX_READS_PER_TURN):
            self._client.loop_read()
            if self._client.socket() is None:
                return
            if self._quick_ack:
                acknowledge_now(connected)
            if not _pending(connected):
                return

    def _end(self, reason: str, code: int | None) -> None:
        if not self._ended:
            self._ended = True
            self._handler.on_closed(reason, code)

    def _count_unsent(self) -> None:
        self._unsent_bytes = unsent_bytes(self._client) if self._client.want_write() else 0

    def _withdraw(self) -> None:
        with self._open_lock:
            self._open = None

    @_guarded
    def _on_socket_close(self, client: Any, userdata: Any, closing: Any) -> None:
        self._withdraw()

    @_guarded
    def _on_connect(
        self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any = None
    ) -> None:
        code = from_v311(reason_value(reason))
        self._handler.on_connack(code, server_limits(properties))

    @_guarded
    def _on_disconnect(self, client: Any, userdata: Any, *facts: Any) -> None:
        code = self._broker_code(facts)
        if code is not None:
            self._end(_broker_closed(code), code)
        else:
            reason = facts[1] if PAHO_2 else paho.error_string(facts[0])
            self._end(_local_reason(str(reason)), None)

    def _broker_code(self, facts: tuple[Any, ...]) -> int | None:
        if not PAHO_2:
            code = getattr(self._client, 'disconnect_code', None)
            return code if isinstance(code, int) else None
        flags, reason = facts[0], facts[1]
        return reason_value(reason) if flags.is_disconnect_packet_from_server else None

    @_guarded
    def _on_publish(
        self, client: Any, userdata: Any, mid: int, reason: Any = None, properties: Any = None
    ) -> None:
        code: int | None = None
        if self._v5:
            # A QoS 0 packet comes through here too; who waits for it knows not to ask for a code.
            code = reason_value(reason) if PAHO_2 else getattr(self._client, 'answer_code', None)
        self._handler.on_answered(mid, code, self._read_at)

    @_guarded
    def _on_subscribe(
        self, client: Any, userdata: Any, mid: int, codes: Any, properties: Any = None
    ) -> None:
        self._handler.on_suback(mid, [reason_value(code) for code in codes])

    @_guarded
    def _on_message(self, client: Any, userdata: Any, message: Any) -> None:
        self._handler.on_message(
            message.topic, bytes(message.payload), retain=bool(message.retain), qos=message.qos
        )


def _pending(connected: Any) -> bool:
    return isinstance(connected, ssl.SSLSocket) and connected.pending() > 0


def _broker_closed(code: int) -> str:
    return f'the broker closed: {describe(code)}'


def _local_reason(text: str) -> str:
    lowered = text.lower()
    if 'keep' in lowered:
        return 'no answer within the keepalive time'
    return 'protocol error' if 'protocol' in lowered else 'connection lost'
