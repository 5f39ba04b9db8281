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

"""Outages: of the link, of the broker, of what the broker remembers."""

from functools import partial
import random
import time

from fault_base import Options, Result, result, Rig, Scenario, started, wait

from support.fault_holder import Holder
from support.waiting import wait_until

# Minutes offline, minutes online, how often: as Azure IoT Edge tests its hub.
MATRIX = ((5, 5, 5), (10, 10, 3), (15, 15, 3), (30, 30, 2), (5, 20, 3))
_MINUTE_S = 60.0


def _azure(off: int, on: int, usual: int, options: Options) -> Result:
    drawn = options.drawn(f'azure_{off}_{on}')
    repeats = options.count(usual, 1)
    how: list[str] = []
    with Rig(options.setup()) as rig:
        started(rig)
        wait(1.0)
        for _ in range(repeats):
            how.append(_outage(rig, drawn, off * _MINUTE_S / options.factor))
            wait(on * _MINUTE_S / options.factor)
        return result(rig, repeats, {'factor': options.factor, 'outages': ' '.join(how)})


def _outage(rig: Rig, drawn: random.Random, seconds: float) -> str:
    """Take the link away in one of the ways in which links go."""
    how = drawn.choice(['refused', 'silent', 'no_broker'])
    if how == 'refused':
        rig.proxy.refuse()
        wait(seconds)
        rig.proxy.heal()
    elif how == 'silent':
        rig.proxy.swallow()
        wait(seconds)
        rig.proxy.heal()
    else:
        rig.broker.stop()
        wait(seconds)
        rig.broker.restart()
    return how


def _broker_restart(persistence: bool, options: Options) -> Result:
    drawn = options.drawn(f'broker_restart_{persistence}')
    rounds = options.count(6, 2)
    longest_s = 0.0
    with Rig(options.setup(persistence=persistence)) as rig:
        started(rig)
        for number in range(rounds):
            wait(drawn.uniform(0.3, 1.5))
            if drawn.random() < 0.5:
                rig.broker.kill()
            else:
                rig.broker.stop()
            wait(drawn.uniform(0.0, 1.0))
            arrived = _arrived(rig)
            rig.broker.restart()
            begin = time.monotonic()
            _reconnected(rig, number + 2)
            longest_s = max(longest_s, time.monotonic() - begin)
            _more_arrived(rig, arrived)
        return result(rig, rounds, {'reconnected_s': round(longest_s, 2)})


def _said(rig: Rig, text: str, count: int) -> None:
    wait_until(lambda: rig.log().count(text) >= count, 60.0, f'{text!r} in the log')


def _reconnected(rig: Rig, count: int) -> None:
    _said(rig, 'connected to', count)


def _arrived(rig: Rig) -> int:
    rig.book.read_sink(rig.sink.file)
    return sum(lane.arrived.total for lane in rig.book.lanes.values())


def _more_arrived(rig: Rig, than: int) -> None:
    wait_until(lambda: _arrived(rig) > than, 60.0, 'a sample after the reconnection')


def half_open(options: Options) -> Result:
    """
    Let the connection go silent without an end.

    :param options: how
    :returns: the result; ``noticed`` in keepalives
    """
    drawn = options.drawn('half_open')
    rounds = options.count(3, 1)
    noticed: list[float] = []
    with Rig(options.setup()) as rig:
        started(rig)
        for number in range(rounds):
            wait(drawn.uniform(0.5, 2.0))
            rig.proxy.silence()
            begin = time.monotonic()
            _said(rig, ' lost: ', number + 1)
            noticed.append(time.monotonic() - begin)
            _reconnected(rig, number + 2)
        most = max(noticed)
        notes = {
            'noticed_s': round(most, 1),
            'keepalives': round(most / rig.setup.keepalive_s, 2),
        }
        return result(rig, rounds, notes)


def session_expiry(options: Options) -> Result:
    """
    Let the broker keep what it acknowledges for a session that it then forgets.

    :param options: how
    :returns: the result
    """
    rounds = options.count(2, 1)
    with Rig(options.setup()) as rig:
        started(rig)
        kept = 0
        for _ in range(rounds):
            wait(1.0)
            rig.sink.stop()
            with Holder(rig.broker, rig.robot_id, expiry_s=1) as holder:
                # Now somebody is subscribed, so the broker takes everything, for nobody to read.
                wait(2.0)
                wait_until(holder.forgotten, 30.0, 'the expiry of the session')
                kept += 1
            rig.sink.start()
        return result(rig, rounds, {'sessions': kept})


SCENARIOS: dict[str, Scenario] = {
    **{
        f'azure_{off}_{on}x{repeats}': partial(_azure, off, on, repeats)
        for off, on, repeats in MATRIX
    },
    'broker_restart_persistent': partial(_broker_restart, True),
    'broker_restart_memory': partial(_broker_restart, False),
    'half_open': half_open,
    'session_expiry': session_expiry,
}
