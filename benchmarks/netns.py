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
Two network namespaces joined by a link of a known rate: ``robot`` and ``cloud``.

A veth pair joins them; or, with ``modem=True``, two pairs and a router between them that shapes,
so that the robot's TCP does not learn from its own device what the link queues and drops. Offloads
are off at all ends: with them on, one "packet" has up to 64 KB and a shaper's figures mean little.
Each end's egress passes ``tc tbf``, a token bucket before a queue of a stated number of bytes, as
in a modem. Needs root, ``ip`` and ``tc``; no delay and no loss is made here (see ``proxy.py``).

Run as a program, ``netns.py DEVICE`` turns a device's offloads off and tells what is still on.
"""

import array
import atexit
from dataclasses import dataclass
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from types import TracebackType
from typing import Any

CLOUD_ADDRESS = '10.77.1.2'
# Without a router both ends are in one network.
_ROBOT_ADDRESS = {False: '10.77.1.1', True: '10.77.0.1'}
_MODEM_INSIDE, _MODEM_OUTSIDE = '10.77.0.2', '10.77.1.1'
# One full Ethernet frame of 1514 bytes and a little: no more than one leaves back to back.
BURST_BYTES = 2000
LIMIT_BYTES = 65536
REVERSE_KBIT = 10_000
_NAME = re.compile(r'rcb-(?:robot|modem|cloud)-(\d+)')
_SIOCETHTOOL = 0x8946
# What -> (ETHTOOL_G…, ETHTOOL_S…) of linux/ethtool.h; checksums last, others depend on them.
_OFFLOADS = {
    'tso': (0x1E, 0x1F),
    'gso': (0x23, 0x24),
    'gro': (0x2B, 0x2C),
    'sg': (0x18, 0x19),
    'tx-checksum': (0x16, 0x17),
}
_KILL_S = 5.0


def missing() -> str | None:
    """
    Say why there can be no namespaces here.

    :returns: one line; None when nothing is missing
    """
    if not hasattr(os, 'geteuid') or not sys.platform.startswith('linux'):
        return 'network namespaces need Linux'
    if os.geteuid() != 0:
        return 'network namespaces and tc need root'
    for program in ('ip', 'tc'):
        if shutil.which(program) is None:
            return f"the program '{program}' (iproute2) is not installed"
    name = f'rcb-robot-{os.getpid()}'
    try:
        run('ip', 'netns', 'add', name)
        try:
            run('ip', '-n', name, 'link', 'set', 'lo', 'up')
            command = ['tc', '-n', name, 'qdisc', 'add', 'dev', 'lo', 'root']
            run(*command, 'tbf', 'rate', '1mbit', 'burst', '2000', 'limit', '3000')
        finally:
            run('ip', 'netns', 'delete', name)
    except RuntimeError as error:
        return f'this machine gives no network namespaces with tc tbf: {error}'
    return None


def run(*arguments: str) -> str:
    """
    Run a program.

    :param arguments: it and its arguments
    :returns: its standard output
    :raises RuntimeError: when it fails, with what it said
    """
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=30)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise RuntimeError(f'{" ".join(arguments)}: {said[-1] if said else done.returncode}')
    return done.stdout


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a shaper has done since it was made; ``backlog_bytes`` wait in it now."""

    sent_bytes: int
    packets: int
    dropped_packets: int
    backlog_bytes: int


class Link:
    """
    The namespaces and what joins them, for the length of the ``with`` block.

    :param rate_kbit: of the robot's egress at first, 1,000 bit/s
    :param limit_bytes: most bytes that wait in front of it
    :param burst_bytes: bucket size; at least one frame
    :param reverse_kbit: of the cloud's egress
    :param modem: whether the shaper stands in a router of its own
    """

    def __init__(
        self,
        rate_kbit: float,
        *,
        limit_bytes: int = LIMIT_BYTES,
        burst_bytes: int = BURST_BYTES,
        reverse_kbit: float = REVERSE_KBIT,
        modem: bool = False,
    ) -> None:
        self.robot = f'rcb-robot-{os.getpid()}'
        self.cloud = f'rcb-cloud-{os.getpid()}'
        # Where the shaper is, and its device.
        self.shaping = f'rcb-modem-{os.getpid()}' if modem else self.robot
        self.device = 'uplink'
        self.rate_kbit = rate_kbit
        self.limit_bytes = limit_bytes
        self.burst_bytes = burst_bytes
        self.offloads_left: tuple[str, ...] = ()
        self._reverse_kbit = reverse_kbit

    def __enter__(self) -> 'Link':
        """Make everything."""
        reap()
        # Whatever way this process ends, short of SIGKILL, nothing stays behind.
        atexit.register(self._remove)
        try:
            self._make()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove everything, with the processes that still live in it."""
        self._remove()
        atexit.unregister(self._remove)

    def shape(self, rate_kbit: float) -> None:
        """
        Change the rate of the robot's egress.

        :param rate_kbit: 1,000 bit/s
        """
        self._shape(self.shaping, 'change', rate_kbit, self.burst_bytes, self.limit_bytes)
        self.rate_kbit = rate_kbit

    def sent(self) -> Sent:
        """
        Tell what the shaper of the robot's egress has done.

        :returns: counts, in bytes with their Ethernet headers
        """
        text = run('tc', '-n', self.shaping, '-s', '-j', 'qdisc', 'show', 'dev', self.device)
        (entry,) = [entry for entry in json.loads(text) if entry['kind'] == 'tbf']
        return Sent(
            sent_bytes=entry['bytes'],
            packets=entry['packets'],
            dropped_packets=entry['drops'],
            backlog_bytes=entry['backlog'],
        )

    def inside(self, side: str, arguments: list[str], **environment: str) -> list[str]:
        """
        Let a command run in a namespace.

        :param side: ``robot`` or ``cloud``
        :param arguments: program and its arguments
        :param environment: variables to set
        :returns: program and arguments; its process is the command's
        """
        name = {'robot': self.robot, 'cloud': self.cloud}[side]
        command = ['ip', 'netns', 'exec', name]
        if environment:
            command += ['env', *(f'{key}={value}' for key, value in environment.items())]
        if (setpriv := shutil.which('setpriv')) is not None:
            # A killed benchmark takes what it started with it.
            command += [setpriv, '--pdeathsig', 'KILL']
        return command + arguments

    @property
    def _names(self) -> list[str]:
        return list(dict.fromkeys((self.robot, self.shaping, self.cloud)))

    def _make(self) -> None:
        for name in self._names:
            run('ip', 'netns', 'add', name)
            run('ip', '-n', name, 'link', 'set', 'lo', 'up')
        modem = self.shaping != self.robot
        address = _ROBOT_ADDRESS[modem]
        if modem:
            self._join((self.robot, 'uplink', address), (self.shaping, 'inside', _MODEM_INSIDE))
            forward = 'open("/proc/sys/net/ipv4/ip_forward", "w").write("1")'
            run('ip', 'netns', 'exec', self.shaping, sys.executable, '-c', forward)
            run('ip', '-n', self.robot, 'route', 'add', 'default', 'via', _MODEM_INSIDE)
            address = _MODEM_OUTSIDE
        self._join((self.shaping, self.device, address), (self.cloud, 'uplink', CLOUD_ADDRESS))
        if modem:
            run('ip', '-n', self.cloud, 'route', 'add', 'default', 'via', _MODEM_OUTSIDE)
        self._shape(self.shaping, 'add', self.rate_kbit, self.burst_bytes, self.limit_bytes)
        reverse_burst = max(BURST_BYTES, int(self._reverse_kbit * 1000 / 8 * 0.005))
        self._shape(self.cloud, 'add', self._reverse_kbit, reverse_burst, 10 * LIMIT_BYTES)

    def _join(self, one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
        """Join two namespaces by a veth pair; each end is a namespace, a device and an address."""
        peer = ('peer', 'name', other[1], 'netns', other[0])
        run('ip', 'link', 'add', one[1], 'netns', one[0], 'type', 'veth', *peer)
        for name, device, address in (one, other):
            # No IPv6: its neighbour and router discovery would be bytes of nobody's.
            run('ip', '-n', name, 'link', 'set', device, 'addrgenmode', 'none')
            run('ip', '-n', name, 'addr', 'add', f'{address}/30', 'dev', device)
            run('ip', '-n', name, 'link', 'set', device, 'up')
            left = run('ip', 'netns', 'exec', name, sys.executable, __file__, device)
            self.offloads_left += tuple(left.split())

    def _shape(self, name: str, verb: str, rate_kbit: float, burst: int, limit: int) -> None:
        bits = str(round(rate_kbit * 1000))
        place = ('tc', '-n', name, 'qdisc', verb, 'dev', self.device, 'root', 'tbf')
        run(*place, 'rate', f'{bits}bit', 'burst', str(burst), 'limit', str(limit))

    def _remove(self) -> None:
        for name in self._names:
            _remove(name)


def reap() -> None:
    """Remove what benchmarks have left that were killed."""
    for entry in json.loads(run('ip', '-j', 'netns', 'list') or '[]'):
        match = _NAME.fullmatch(entry['name'])
        if match and not os.path.exists(f'/proc/{match[1]}'):
            _remove(entry['name'])


def _remove(name: str) -> None:
    if not os.path.exists(f'/run/netns/{name}'):
        return
    deadline = time.monotonic() + _KILL_S
    while time.monotonic() < deadline:
        pids = [int(pid) for pid in run('ip', 'netns', 'pids', name).split()]
        if not pids:
            break
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.02)
    run('ip', 'netns', 'delete', name)


def turn_offloads_off(device: str) -> list[str]:
    """
    Turn a network device's offloads off, as ``ethtool -K`` does.

    :param device: in this process's namespace
    :returns: those that are still on
    """
    left = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for name, (get, put) in _OFFLOADS.items():
            try:
                _ethtool(control, device, put, 0)
            except OSError:
                # Fixed, or follows from another one: what counts is what it is in the end.
                pass
            try:
                if _ethtool(control, device, get, 0):
                    left.append(name)
            except OSError:
                continue
    return left


def _ethtool(control: socket.socket, device: str, command: int, value: int) -> int:
    data: Any = array.array('I', [command, value])
    address, _ = data.buffer_info()
    fcntl.ioctl(control, _SIOCETHTOOL, struct.pack('16sP16x', device.encode(), address))
    return int(data[1])


if __name__ == '__main__':
    print(' '.join(turn_offloads_off(sys.argv[1])))
