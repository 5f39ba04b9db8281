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

"""The processes of a demonstration: a broker, the bridge and a robot, each real."""

from collections.abc import Sequence
from contextlib import suppress
import os
from pathlib import Path
import random
import shutil
import signal
import socket
import subprocess
import sys
import time

from ros_cloud_bridge.errors import LocalFault

_LOG_TAIL_LINES = 15
# Domains whose ports no system gives to outgoing connections.
_DOMAINS = range(1, 100)


def free_port() -> int:
    """
    Find a free TCP port on the loopback interface.

    :returns: the port
    """
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port: int = probe.getsockname()[1]
        return port


def free_domain() -> int:
    """
    Find a ROS domain that neither our caller nor anybody else on this machine uses.

    :returns: the domain's id
    :raises LocalFault: when there is none
    """
    domains = [number for number in _DOMAINS if str(number) != os.environ.get('ROS_DOMAIN_ID')]
    random.shuffle(domains)
    for domain in domains:
        # Where DDS listens for the discovery of a domain's first participant (RTPS 2.2, 9.6.1.1).
        with socket.socket(type=socket.SOCK_DGRAM) as probe, suppress(OSError):
            probe.bind(('', 7410 + 250 * domain))
            return domain
    raise LocalFault('no ROS domain is free on this machine')


class Process:
    """
    A child process with its output in a file.

    :param name: for messages and the log's name
    :param command: program and arguments
    :param folder: where its log goes
    :param domain: the ROS domain that it sees
    """

    def __init__(
        self, name: str, command: Sequence[str], folder: Path, domain: int | None = None
    ) -> None:
        self.name = name
        self.log = folder / f'{name}.log'
        with self.log.open('w') as log:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_environment(domain),
                # Ctrl-C is for us alone: we end the children in the right order.
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._child.poll() is None

    def check(self) -> None:
        """
        Make sure that it runs.

        :raises LocalFault: when it has ended, with the end of its log
        """
        if not self.running:
            status = self._child.returncode
            raise LocalFault(f'{self.name} ended with status {status}:\n{self.tail()}')

    def tail(self) -> str:
        """
        Give the end of its output.

        :returns: some lines
        """
        lines = self.log.read_text(errors='replace').splitlines()
        return '\n'.join(lines[-_LOG_TAIL_LINES:])

    def stop(self, timeout_s: float = 15.0) -> int:
        """
        End it by SIGINT, or by force if that does not help.

        :param timeout_s: how long SIGINT may take
        :returns: its exit status
        """
        if self.running:
            self._child.send_signal(signal.SIGINT)
            try:
                self._child.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._child.kill()
        return self._child.wait()


def _environment(domain: int | None) -> dict[str, str]:
    # Nothing of a demonstration leaves this machine, nor meets a robot that runs here.
    own = {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST', 'PYTHONUNBUFFERED': '1'}
    if domain is not None:
        own['ROS_DOMAIN_ID'] = str(domain)
    return {**os.environ, **own}


def command_line(*arguments: str) -> list[str]:
    """
    Build the command line of one of our own subcommands.

    :param arguments: subcommand and its arguments
    :returns: program and arguments
    """
    return [sys.executable, '-m', 'ros_cloud_bridge', *arguments]


def start_broker(folder: Path, port: int, websockets_port: int | None = None) -> Process:
    """
    Start mosquitto on the loopback interface.

    :param folder: for its configuration and log
    :param port: TCP port
    :param websockets_port: where browsers connect; None for nowhere
    :returns: the process, once it accepts connections
    :raises LocalFault: when it is not installed or does not start
    """
    program = shutil.which('mosquitto', path=f'{os.environ.get("PATH", "")}:/usr/sbin')
    if program is None:
        raise LocalFault('mosquitto is not installed (apt-get install mosquitto)')
    configuration = folder / 'mosquitto.conf'
    text = f'listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 10000\n'
    if websockets_port is not None:
        text += f'listener {websockets_port} 127.0.0.1\nprotocol websockets\n'
    configuration.write_text(text)
    broker = Process('mosquitto', [program, '-c', str(configuration)], folder)
    deadline = time.monotonic() + 10.0
    while time.monotonic() < deadline:
        broker.check()
        try:
            with socket.create_connection(('127.0.0.1', port), 1.0):
                return broker
        except OSError:
            time.sleep(0.05)
    raise LocalFault(f'mosquitto does not listen on port {port}:\n{broker.tail()}')
