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

"""The differences between paho 1.6 and 2.x, and paho's properties as our values."""

from collections.abc import Callable
from functools import lru_cache
import socket
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ros_cloud_bridge.mqtt.limits import ServerLimits

PAHO_2 = hasattr(paho, 'CallbackAPIVersion')


class _Paho(paho.Client):
    """
    paho with a TCP connection that we open.

    Some options have an effect only before ``connect``, and paho has no hook there. It calls this
    method in 1.6 and 2.x alike, and wraps what it returns for TLS.
    """

    open_connection: Callable[[], socket.socket]

    def _create_socket_connection(self) -> socket.socket:
        return self.open_connection()


class _Paho1(_Paho):
    """paho 1.6, which reads the reason codes of PUBACK and short DISCONNECT and hides them."""

    answer_code: int | None = None
    disconnect_code: int | None = None

    def _handle_pubackcomp(self, cmd: Any) -> Any:
        body = self._in_packet['packet']
        self.answer_code = body[2] if len(body) > 2 else 0
        return super()._handle_pubackcomp(cmd)

    def _handle_disconnect(self) -> Any:
        body = self._in_packet['packet']
        self.disconnect_code = body[0] if body else 0
        return super()._handle_disconnect()


def make_client(client_id: str, *, v5: bool) -> Any:
    """
    Make a client whose limits, resends and reconnecting are all switched off.

    :param client_id: MQTT client id
    :param v5: MQTT 5 rather than 3.1.1
    :returns: a paho client of whichever version is installed; its ``open_connection`` must be set
        before it connects
    """
    protocol = paho.MQTTv5 if v5 else paho.MQTTv311
    named: dict[str, Any] = {
        'client_id': client_id,
        'protocol': protocol,
        'reconnect_on_failure': False,
    }
    if not v5:
        named['clean_session'] = True
    client: Any
    if PAHO_2:
        client = _Paho(paho.CallbackAPIVersion.VERSION2, **named)
    else:
        client = _Paho1(**named)
    # Both of paho's own limits off: the window is ours, and it follows the CONNACK.
    client.max_inflight_messages_set(0)
    client.max_queued_messages_set(0)
    return client


def unsent_bytes(client: Any) -> int:
    """
    Count what the socket has not taken yet.

    :param client: of ``make_client``; only its own thread may ask
    :returns: bytes of packets that paho holds
    """
    return sum(packet['to_process'] for packet in client._out_packet)


@lru_cache(maxsize=64)
def publish_properties(
    alias: int | None, expiry_s: int | None, content_type: str
) -> Properties | None:
    """
    Build the properties of a PUBLISH.

    :param alias: topic alias
    :param expiry_s: message expiry interval
    :param content_type: empty for none
    :returns: None when there are none
    """
    # paho's constructor builds two large tables each time, hence the cache.
    if alias is None and expiry_s is None and not content_type:
        return None
    properties = Properties(PacketTypes.PUBLISH)
    if alias is not None:
        properties.TopicAlias = alias
    if expiry_s is not None:
        properties.MessageExpiryInterval = expiry_s
    if content_type:
        properties.ContentType = content_type
    return properties


def server_limits(properties: Any) -> ServerLimits:
    """
    Read a CONNACK's properties.

    :param properties: of paho; None for MQTT 3.1.1
    :returns: what they say, or what their absence means
    """

    def given(name: str, otherwise: int) -> int:
        return int(getattr(properties, name, otherwise))

    keepalive = getattr(properties, 'ServerKeepAlive', None)
    return ServerLimits(
        # Zero is a protocol error; one message at a time is then the safest reading.
        receive_maximum=max(1, given('ReceiveMaximum', 65535)),
        maximum_packet_size=given('MaximumPacketSize', 0),
        topic_alias_maximum=given('TopicAliasMaximum', 0),
        server_keep_alive_s=None if keepalive is None else int(keepalive),
        retain_available=bool(given('RetainAvailable', 1)),
        maximum_qos=given('MaximumQoS', 2),
    )


def reason_value(reason: Any) -> int:
    """
    Read a reason code.

    :param reason: paho's object, or the plain number that 1.6 sometimes gives
    :returns: the number
    """
    return int(getattr(reason, 'value', reason))
