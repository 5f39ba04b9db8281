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
Hold the estimate of a message's bytes on the link against the counters of a network interface.

A session of the bridge publishes to mosquitto across a veth pair between two network namespaces;
offloads are off, so the counters see the packets that a modem would. Needs root, mosquitto and,
for its certificate, openssl.
"""

import argparse
from contextlib import ExitStack
import json
from pathlib import Path
import queue
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from typing import Any

from children import Answer, serve
from netns import CLOUD_ADDRESS, Link, missing, run
from processes import Process
from tables import number, table

from ros_cloud_bridge.core.link_bytes import (
    connect_bytes,
    link_bytes,
    ping_bytes,
    TOPIC_ALIAS_BYTES,
)
from ros_cloud_bridge.mqtt.events import (
    Acknowledged,
    Connected,
    Disconnected,
    Outgoing,
    SessionEvent,
)
from ros_cloud_bridge.mqtt.session import Session
from ros_cloud_bridge.values import MqttConfig, TlsConfig

TOPIC = 'rcb/v1/robots/amr-07/samples/pose'
PORT = 1883
RATE_KBIT = 20_000
SIZES = (20, 100, 300, 1000, 1400, 3000, 10_000, 60_000)
COUNT = 200
KEEPALIVE_S = 5
PINGS = 2
# Longer than any delayed acknowledgement and any answer here.
_SETTLE_S = 0.3
_ALONE_S = 0.1
_ANSWER_S = 30.0
_ETHERNET_BYTES = 14


class Publisher:
    """
    The child in the robot's namespace.

    :param protocol: ``5`` or ``3.1.1``
    :param ca_file: empty without TLS
    """

    def __init__(self, protocol: str, ca_file: str) -> None:
        tls = TlsConfig(ca_file=ca_file, verify_hostname=False) if ca_file else None
        self._config = MqttConfig(
            host=CLOUD_ADDRESS, port=PORT, protocol=protocol, tls=tls, keepalive_s=KEEPALIVE_S
        )
        self._events: queue.Queue[SessionEvent] = queue.Queue()

    def connect(self) -> Answer:
        """
        Connect.

        :returns: nothing of interest
        """
        self._session = Session(self._config, client_id='rcb-amr-07', on_event=self._events.put)
        self._session.start()
        self._await(Connected)
        time.sleep(_SETTLE_S)
        return {}

    def leave(self) -> Answer:
        """
        Close the connection.

        :returns: nothing of interest
        """
        self._session.stop(_ANSWER_S)
        self._await(Disconnected)
        time.sleep(_SETTLE_S)
        return {}

    def wait(self, seconds: float) -> Answer:
        """
        Do nothing, so that the session pings.

        :param seconds: how long
        :returns: nothing of interest
        """
        time.sleep(seconds)
        return {}

    def publish(self, count: int, size: int, gap_s: float) -> Answer:
        """
        Publish messages of one size and wait for all answers.

        :param count: how many
        :param size: bytes of payload
        :param gap_s: wait so long after each answer; 0: as many at once as the session takes
        :returns: nothing of interest
        """
        payload = bytes(range(256)) * (size // 256 + 1)
        answered = 0
        for _ in range(count):
            while not self._session.room(size):
                self._await(Acknowledged)
                answered += 1
            self._session.publish(Outgoing(topic=TOPIC, payload=payload[:size]))
            if gap_s:
                self._await(Acknowledged)
                answered += 1
                time.sleep(gap_s)
        for _ in range(count - answered):
            self._await(Acknowledged)
        time.sleep(_SETTLE_S)
        return {'aliases': self._session.limits.topic_aliases}

    def _await(self, kind: type[SessionEvent]) -> None:
        event = self._events.get(timeout=_ANSWER_S)
        if not isinstance(event, kind):
            raise SystemExit(f'{kind.__name__} expected: {event}')


def ip_bytes(link: Link) -> int:
    """
    Read the counters of the robot's interface.

    :param link: the namespaces
    :returns: bytes of IP packets so far, both directions
    """
    text = run('ip', '-n', link.robot, '-s', '-j', 'link', 'show', link.device)
    counted = json.loads(text)[0]['stats64']
    return sum(
        counted[way]['bytes'] - _ETHERNET_BYTES * counted[way]['packets'] for way in ('rx', 'tx')
    )


def start_broker(link: Link, folder: Path, tls: bool, stack: ExitStack) -> str:
    """
    Start mosquitto in the cloud's namespace.

    :param link: the namespaces
    :param folder: for its files
    :param tls: with a certificate of its own
    :param stack: ends it
    :returns: file of the certificate to trust; empty without TLS
    """
    program = shutil.which('mosquitto') or '/usr/sbin/mosquitto'
    lines = [f'listener {PORT} {CLOUD_ADDRESS}', 'allow_anonymous true', 'user root']
    certificate, key = folder / 'broker.pem', folder / 'broker.key'
    if tls:
        command = 'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
        command += f' -days 2 -subj /CN=broker -keyout {key} -out {certificate}'
        subprocess.run(command.split(), check=True, capture_output=True)
        lines += [f'certfile {certificate}', f'keyfile {key}']
    config = folder / 'mosquitto.conf'
    config.write_text('\n'.join(lines) + '\n')
    command = link.inside('cloud', [program, '-c', str(config)])
    stack.enter_context(Process(command, folder / 'mosquitto.log'))
    return str(certificate) if tls else ''


def measure(protocol: str, tls: bool, alone: bool, count: int) -> list[dict[str, Any]]:
    """
    Publish messages of several sizes.

    :param protocol: ``5`` or ``3.1.1``
    :param tls: encrypted
    :param alone: each message only after a pause
    :param count: messages of each size
    :returns: for each size what was counted and estimated
    """
    rows = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix='link-bytes-')))
        link = stack.enter_context(Link(RATE_KBIT, reverse_kbit=RATE_KBIT))
        ca_file = start_broker(link, folder, tls, stack)
        await_broker(link)
        command = [sys.executable, str(Path(__file__).resolve()), '--child', protocol, ca_file]
        child = Process(link.inside('robot', command), folder / 'child.log', talks=True)
        stack.enter_context(child)
        rows += connections(link, child, ca_file)
        child.ask('connect')
        # The first two carry the whole topic.
        child.ask('publish', count=3, size=20, gap_s=_ALONE_S)
        for size in SIZES:
            before = ip_bytes(link)
            gap_s = _ALONE_S if alone else 0.0
            answer = child.ask('publish', 600.0, count=count, size=size, gap_s=gap_s)
            counted = (ip_bytes(link) - before) / count
            properties = TOPIC_ALIAS_BYTES if answer['aliases'] else 0
            estimated = link_bytes(
                size,
                0 if answer['aliases'] else len(TOPIC),
                tls=tls,
                property_bytes=properties if protocol == '5' else None,
                alone=alone,
            )
            rows.append({'what': f'{size} bytes', 'counted': counted, 'estimated': estimated})
    return rows


def connections(link: Link, child: Process, ca_file: str) -> list[dict[str, Any]]:
    """
    Connect and leave, and between that let it ping.

    :param link: the namespaces
    :param child: the publisher
    :param ca_file: the broker's certificate; empty without TLS
    :returns: as for ``measure``
    """
    certificate_bytes = 0
    if ca_file:
        text = Path(ca_file).read_text(encoding='utf-8')
        certificate_bytes = len(ssl.PEM_cert_to_DER_cert(text))
    started = ip_bytes(link)
    child.ask('connect')
    connected = ip_bytes(link)
    # Half a period more than so many pings take.
    child.ask('wait', seconds=KEEPALIVE_S * (PINGS + 0.5))
    pinged = ip_bytes(link)
    child.ask('leave')
    opening = connected - started + ip_bytes(link) - pinged
    return [
        {
            'what': 'connection',
            'counted': opening,
            'estimated': connect_bytes(tls=bool(ca_file), certificate_bytes=certificate_bytes),
        },
        {
            'what': 'ping',
            'counted': (pinged - connected) / PINGS,
            'estimated': ping_bytes(tls=bool(ca_file)),
        },
    ]


def await_broker(link: Link) -> None:
    """
    Wait until the broker listens.

    :param link: the namespaces
    """
    code = f'import socket; socket.create_connection(("{CLOUD_ADDRESS}", {PORT}), 1).close()'
    deadline = time.monotonic() + _ANSWER_S
    while subprocess.run(
        link.inside('robot', [sys.executable, '-c', code]), stderr=subprocess.DEVNULL, check=False
    ).returncode:
        if time.monotonic() > deadline:
            raise SystemExit('mosquitto does not start')
        time.sleep(0.1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0].strip())
    parser.add_argument('--quick', action='store_true', help='fewer messages')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write every figure')
    parser.add_argument('--child', nargs=2, metavar=('PROTOCOL', 'CA'), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        publisher = Publisher(*args.child)
        names = ('connect', 'publish', 'wait', 'leave')
        serve({name: getattr(publisher, name) for name in names})
        return
    if (reason := missing()) is not None:
        raise SystemExit(reason)
    count = COUNT // 10 if args.quick else COUNT
    figures = []
    for protocol, tls in (('5', False), ('3.1.1', False), ('5', True)):
        for alone in (False, True):
            rows = measure(protocol, tls, alone, count // 10 if alone else count)
            name = f'MQTT {protocol}{", TLS" if tls else ""}, {"alone" if alone else "in a row"}'
            figures.append({'case': name, 'rows': rows})
            print(f'\n{name}: bytes a message, both directions\n')
            print(table(('message', 'counted', 'estimated', 'error'), [_cells(r) for r in rows]))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + '\n', encoding='utf-8')


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    error = 100 * (row['estimated'] / row['counted'] - 1)
    return (
        row['what'],
        number(row['counted'], 1),
        number(row['estimated']),
        f'{error:+.1f} %',
    )


if __name__ == '__main__':
    main()
