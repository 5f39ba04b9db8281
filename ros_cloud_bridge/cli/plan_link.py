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

"""What ``plan`` is told of the link: rates, times and shares as people write them."""

import argparse
from collections.abc import Sequence
import math
from random import Random
import re

from ros_cloud_bridge.simulation.link import LinkProfile

_RATE = re.compile(r'([0-9]*\.?[0-9]+)\s*([kKM])(bit)?(/s|ps)?')
_TIME = re.compile(r'([0-9]*\.?[0-9]+)\s*(ms|s)')
_SHARE = re.compile(r'([0-9]*\.?[0-9]+)\s*%')
_KBIT = {'k': 1.0, 'K': 1.0, 'M': 1000.0}
# Bytes per second and kbit/s.
_BYTES = 125.0
# What a retransmission after a time-out takes on a mobile link, or a handover.
STALL_S = 0.5

Rates = tuple[tuple[float, float], ...]


def rates(text: str) -> Rates:
    """
    Read a link's rates.

    :param text: one, as in ``256k``, or several, as in ``0:256k,20:64k``, by the second from
        which each holds
    :returns: (from this second on, kbit/s)
    :raises argparse.ArgumentTypeError: says what is wrong
    """
    if ':' not in text:
        found = [(0.0, _rate(text))]
    else:
        found = [_step(part.strip()) for part in text.split(',')]
        times = [begin for begin, _ in found]
        if times[0] != 0:
            raise argparse.ArgumentTypeError(
                f"{text!r} does not begin at second 0, as in '0:256k'"
            )
        if any(later <= earlier for earlier, later in zip(times, times[1:], strict=False)):
            raise argparse.ArgumentTypeError(f'{text!r}: each second must be above the one before')
    if not any(kbit > 0 for _, kbit in found):
        raise argparse.ArgumentTypeError(f'{text!r} is a link that carries nothing')
    return tuple(found)


def _step(text: str) -> tuple[float, float]:
    second, _, rate = text.partition(':')
    try:
        begin = float(second)
    except ValueError:
        begin = math.nan
    if not 0 <= begin < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no step of a link, as in '20:64k'")
    return begin, _rate(rate)


def _rate(text: str) -> float:
    match = _RATE.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no rate; write bits per second, as in '256k' or '2.5M'"
        )
    return float(match[1]) * _KBIT[match[2]]


def lowest(rates_kbit: Rates) -> float:
    """
    Give the least that a link carries while it carries anything.

    :param rates_kbit: as :func:`rates` gives them
    :returns: bytes per second
    """
    return min(kbit for _, kbit in rates_kbit if kbit > 0) * _BYTES


def seconds(text: str) -> float:
    """
    Read a time.

    :param text: as in ``50ms`` or ``0.6s``
    :returns: seconds
    :raises argparse.ArgumentTypeError: says what is wrong
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write it as in '50ms' or '0.6s'")
    return float(match[1]) * (1.0 if match[2] == 's' else 0.001)


def share(text: str) -> float:
    """
    Read a share.

    :param text: as in ``2%``
    :returns: 1 for all
    :raises argparse.ArgumentTypeError: says what is wrong
    """
    match = _SHARE.fullmatch(text)
    if match is None or not float(match[1]) < 100:
        raise argparse.ArgumentTypeError(f"{text!r} is no share below 100 %, as in '2%'")
    return float(match[1]) / 100


def profile(
    rates_kbit: Sequence[tuple[float, float]],
    *,
    delay_s: float,
    jitter_s: float,
    stalled: float,
    seconds: float,
) -> LinkProfile:
    """
    Make the link.

    :param rates_kbit: as :func:`rates` gives them
    :param delay_s: one way
    :param jitter_s: what is added to it at most
    :param stalled: share of the time in which nothing moves
    :param seconds: how long it is needed
    :returns: the same each time
    """
    return LinkProfile(
        rates=[(begin, kbit * _BYTES) for begin, kbit in rates_kbit],
        delay_s=delay_s,
        jitter_s=jitter_s,
        stalls=_stalls(stalled, seconds),
    )


def _stalls(stalled: float, seconds: float) -> list[tuple[float, float]]:
    if stalled <= 0:
        return []
    random = Random(1)
    moving_s = STALL_S * (1 - stalled) / stalled
    found = []
    now = 0.0
    while now < seconds:
        now += moving_s * random.uniform(0.5, 1.5)
        found.append((now, STALL_S))
        now += STALL_S
    return found
