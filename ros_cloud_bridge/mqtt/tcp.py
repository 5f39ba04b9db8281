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
What a paced sender asks of TCP; where the system lacks an option, it does without.

Options and ``struct tcp_info`` are those of Linux (tcp(7), linux/tcp.h).
"""

from contextlib import suppress
from dataclasses import dataclass
import socket
import struct
import sys

# The kernel stops taking bytes once so many wait behind the congestion window; the buffer that
# crosses the line, of at most 64 KB, is still filled. With its own limit a socket took 2.8 MB: 88
# seconds at 256 kbit/s, in which nothing can be replaced by anything newer, or overtaken.
NOT_SENT_LOW_WATER_BYTES = 16 * 1024

_NOT_SENT_LOWAT: int | None = getattr(socket, 'TCP_NOTSENT_LOWAT', None)
_QUICK_ACK: int | None = getattr(socket, 'TCP_QUICKACK', None)
_MAX_SEGMENT: int | None = getattr(socket, 'TCP_MAXSEG', None)
# Other systems have an option of this name and another struct behind it.
_INFO: int | None = getattr(socket, 'TCP_INFO', None) if sys.platform == 'linux' else None

# Of struct tcp_info, which has only ever grown at its end. Every Linux since 2.6.12 gives flags,
# snd_mss, unacked, rtt, rttvar, snd_cwnd and total_retrans.
_ALWAYS = struct.Struct('=7xB 8xI 4xI 40xI I 4xI 16xI')
# What came later, with the first kernel that gives it: where it stands, and its type.
_BYTES_ACKNOWLEDGED = (120, struct.Struct('=Q'))  # 4.1
_NOT_SENT = (144, struct.Struct('=I'))  # 4.6
_MIN_RTT = (148, struct.Struct('=I'))  # 4.6
_DELIVERY_RATE = (160, struct.Struct('=Q'))  # 4.9
_ENOUGH_BYTES = 168
_APPLICATION_LIMITED = 0x01 if sys.byteorder == 'little' else 0x80
_MIN_RTT_UNKNOWN = 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpInfo:
    """
    What the kernel knows of a connection; None for what it does not tell.

    ``delivery_rate_bytes_per_s`` is that of the latest measurement; with ``application_limited``
    we had too little to send in it, and the link may carry more. ``max_segment_bytes`` is what a
    segment carries now, TCP options taken off. ``rtt_s`` is smoothed, 0 before any measurement.
    """

    rtt_s: float
    rtt_variation_s: float
    min_rtt_s: float | None
    max_segment_bytes: int
    congestion_window_segments: int
    unacknowledged_segments: int
    retransmitted_segments: int
    not_sent_bytes: int | None
    delivery_rate_bytes_per_s: int | None
    application_limited: bool
    bytes_acknowledged: int | None


def prepare(sock: socket.socket, max_segment_bytes: int = 0) -> None:
    """
    Set the options of a connection that is paced; call before ``connect``.

    :param sock: TCP socket
    :param max_segment_bytes: the largest segment to send, with the TCP options in it (12 bytes
        of time stamps, as a rule); 0 leaves it to the kernel, as does what the kernel refuses
        (Linux takes 88 to 32767)
    """
    # Small packets must not wait for the ACK of the packet before (Nagle).
    _set(sock, socket.TCP_NODELAY, 1)
    _set(sock, _NOT_SENT_LOWAT, NOT_SENT_LOW_WATER_BYTES)
    if max_segment_bytes > 0:
        # Only before connect: on a connected socket Linux takes the value and goes on as before.
        _set(sock, _MAX_SEGMENT, max_segment_bytes)


def open_connection(
    host: str, port: int, *, timeout_s: float, max_segment_bytes: int = 0
) -> socket.socket:
    """
    Connect as ``socket.create_connection`` does, with the options set before.

    :param host: name or address; of a name's addresses the first that answers is taken
    :param port: TCP port
    :param timeout_s: for each address; a name server's time-out is its own
    :param max_segment_bytes: as for ``prepare``
    :returns: the connected socket, with the time-out still set
    :raises OSError: that of the last address when none answers
    """
    failure = OSError(f'{host!r} has no address')
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for family, kind, protocol, _, address in found:
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:  # a system without IPv6
            failure = error
            continue
        try:
            sock.settimeout(timeout_s)
            prepare(sock, max_segment_bytes)
            sock.connect(address)
            return sock
        except OSError as error:
            failure = error
            sock.close()
    raise failure


def acknowledge_now(sock: socket.socket) -> None:
    """
    Have the kernel acknowledge what was read at once, not up to 40 ms later.

    A broker with Nagle's algorithm (mosquitto, unless told otherwise) holds its next small packet
    until then. The kernel forgets it again soon, so this is called after each read.

    :param sock: connected TCP socket; one with TLS will do
    """
    _set(sock, _QUICK_ACK, 1)


def read_info(sock: socket.socket) -> TcpInfo | None:
    """
    Ask the kernel about a connection; one system call.

    :param sock: connected TCP socket; one with TLS will do
    :returns: None when the socket is closed or the system does not tell
    """
    if _INFO is None:
        return None
    try:
        return parse_info(sock.getsockopt(socket.IPPROTO_TCP, _INFO, _ENOUGH_BYTES))
    except OSError:
        return None


def parse_info(data: bytes) -> TcpInfo | None:
    """
    Read ``struct tcp_info``.

    :param data: as the kernel gave it; an older kernel's is shorter
    :returns: None when it is shorter than any kernel's
    """
    if len(data) < _ALWAYS.size:
        return None
    flags, segment, unacknowledged, rtt_us, variation_us, window, retransmitted = (
        _ALWAYS.unpack_from(data)
    )
    min_rtt_us = _later(data, _MIN_RTT)
    if min_rtt_us == _MIN_RTT_UNKNOWN:
        min_rtt_us = None
    return TcpInfo(
        rtt_s=rtt_us / 1e6,
        rtt_variation_s=variation_us / 1e6,
        min_rtt_s=None if min_rtt_us is None else min_rtt_us / 1e6,
        max_segment_bytes=segment,
        congestion_window_segments=window,
        unacknowledged_segments=unacknowledged,
        retransmitted_segments=retransmitted,
        not_sent_bytes=_later(data, _NOT_SENT),
        delivery_rate_bytes_per_s=_later(data, _DELIVERY_RATE),
        application_limited=bool(flags & _APPLICATION_LIMITED),
        bytes_acknowledged=_later(data, _BYTES_ACKNOWLEDGED),
    )


def _later(data: bytes, field: tuple[int, struct.Struct]) -> int | None:
    at, kind = field
    if len(data) < at + kind.size:
        return None
    value: int = kind.unpack_from(data, at)[0]
    return value


def _set(sock: socket.socket, option: int | None, value: int) -> None:
    if option is not None:
        # What the kernel refuses it does without.
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
