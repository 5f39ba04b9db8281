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
A child that answers every MQTT message with the same bytes: what a round trip costs at the least.

``command_echo.py HOST PORT``: plain paho at QoS 1, as one writes it in an afternoon.
"""

import sys
import threading
from typing import Any

from children import serve
import paho.mqtt.client as paho

ASK, ANSWER = 'echo/ask', 'echo/answer'


def client_of(host: str, port: int, topic: str, on_message: Any) -> Any:
    """
    Connect a plain client of MQTT 5.

    :param host: where the broker is
    :param port: its port
    :param topic: what it subscribes to
    :param on_message: takes (client, user data, message)
    :returns: the client, which is subscribed
    """
    kind: Any = getattr(paho, 'CallbackAPIVersion', None)
    client = paho.Client(*((kind.VERSION2,) if kind else ()), protocol=paho.MQTTv5)
    subscribed = threading.Event()
    client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = on_message
    client.connect(host, port)
    client.loop_start()
    if not subscribed.wait(20.0):
        raise SystemExit('the echo does not connect')
    return client


def main() -> None:
    """Serve the parent."""
    client_of(
        sys.argv[1],
        int(sys.argv[2]),
        ASK,
        lambda client, userdata, message: client.publish(ANSWER, message.payload, qos=1),
    )
    serve({})


if __name__ == '__main__':
    main()
