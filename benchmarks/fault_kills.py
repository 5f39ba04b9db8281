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

"""Processes that die: bridge, broker, consumer, publisher; and two bridges with one name."""

from pathlib import Path
import random
from typing import Any

from fault_base import Missing, Options, Result, result, Rig, Scenario, started, wait

from support.bridge_process import BridgeProcess
from support.fault_children import Sink
from support.fault_publisher import Load
from support.waiting import wait_until

# More than in the other scenarios: a life is short.
_LOADS = (Load('events', 150.0, 300), Load('images', 6.0, 20_000))
# Discovery in DDS takes from nothing to some seconds.
_SUBSCRIBED = "stream 'events'"


def kill_bridge(options: Options) -> Result:
    """
    SIGKILL the bridge at random points of random lives, and reckon after each.

    :param options: how
    :returns: the result
    """
    return _kills(options, 'kill_bridge', options.count(40, 6), broker=False)


def kill_both(options: Options) -> Result:
    """
    SIGKILL bridge and broker at once.

    :param options: how
    :returns: the result
    """
    return _kills(options, 'kill_both', options.count(20, 3), broker=True)


def _kills(options: Options, name: str, rounds: int, *, broker: bool) -> Result:
    drawn = options.drawn(name)
    lives: dict[str, int] = {}
    with Rig(options.setup(loads=_LOADS)) as rig:
        rig.sink.start()
        rig.start_publisher()
        done = 0
        for done in range(1, rounds + 1):
            how = _life(rig, drawn)
            lives[how] = lives.get(how, 0) + 1
            if broker:
                rig.broker.kill()
            rig.kill_bridge()
            if broker:
                rig.broker.restart()
            rig.proxy.heal()
            # Whoever trusts the broker has what it acknowledged once it comes, and not at once.
            lost = rig.book.lost() if options.confirm == 'consumer' else ''
            if lost:
                rig.book.findings.append(f'seed {options.seed}, round {done} ({how}): {lost}')
                break
        rig.start_bridge()
        notes: dict[str, Any] = {'rounds': done, **lives}
        return result(rig, done, notes)


def _life(rig: Rig, drawn: random.Random) -> str:
    """Let the bridge live for a while; returns what happens to it meanwhile."""
    how: str = drawn.choices(
        ['starting', 'online', 'offline', 'cut', 'silent'], [15, 45, 20, 12, 8]
    )[0]
    if how == 'starting':
        rig.start_bridge(wait=False)
        wait(drawn.uniform(0.1, 0.7))
    elif how == 'offline':
        rig.proxy.refuse()
        rig.start_bridge(wait=False).wait_for_log(_SUBSCRIBED)
        wait(drawn.uniform(0.1, 1.0))
    elif how == 'online':
        rig.start_bridge().wait_for_log(_SUBSCRIBED)
        wait(drawn.uniform(0.0, 1.4))
    else:
        rig.start_bridge().wait_for_log(_SUBSCRIBED)
        wait(drawn.uniform(0.1, 0.6))
        (rig.proxy.cut if how == 'cut' else rig.proxy.silence)()
        wait(drawn.uniform(0.0, 0.9))
    return how


def kill_consumer(options: Options) -> Result:
    """
    Let the consumer die with samples in hand, half written, or written and not yet confirmed.

    :param options: how
    :returns: the result
    """
    drawn = options.drawn('kill_consumer')
    rounds = options.count(12, 3)
    places: dict[str, int] = {}
    with Rig(options.setup(loads=_LOADS)) as rig:
        rig.start_bridge()
        rig.start_publisher()
        rig.wait_for_more()
        sink = rig.sink
        assert isinstance(sink, Sink)
        for number in range(rounds):
            place = ('received', 'torn', 'written')[number % 3]
            places[place] = places.get(place, 0) + 1
            sink.start(die=[place, drawn.randint(20, 200)])
            sink.wait_until_dead()
            wait(drawn.uniform(0.0, 0.5))
        rig.sink.start()
        return result(rig, rounds, places)


def kill_recorder(options: Options) -> Result:
    """
    SIGKILL ``record --confirm`` at random points, and let the next one go on.

    :param options: how
    :returns: the result
    """
    if options.confirm != 'consumer':
        raise Missing('needs confirm: consumer')
    drawn = options.drawn('kill_recorder')
    rounds = options.count(8, 3)
    with Rig(options.setup(loads=_LOADS, record=True)) as rig:
        rig.start_bridge()
        rig.start_publisher()
        rig.wait_for_more()
        for _ in range(rounds):
            rig.sink.start()
            wait(drawn.uniform(0.2, 4.0))
            rig.sink.kill()
        rig.sink.start()
        return result(rig, rounds, {'recordings': rig.sink.starts})


def publisher_restart(options: Options) -> Result:
    """
    Kill the publisher and start another in its place, again and again.

    :param options: how
    :returns: the result
    """
    drawn = options.drawn('publisher_restart')
    rounds = options.count(4, 2)
    with Rig(options.setup()) as rig:
        started(rig)
        for _ in range(rounds):
            wait(drawn.uniform(0.5, 1.5))
            rig.publisher.process.kill()
            rig.start_publisher()
            rig.wait_for_more()
        return result(rig, rounds, {'publishers': len(rig.publishers)})


def duplicate_robot_id(options: Options) -> Result:
    """
    Start a second bridge with the same robot id, as on another host.

    :param options: how
    :returns: the result; ``flaps`` are comings and goings after the two have settled
    """
    with Rig(options.setup()) as rig:
        # Both hear the same samples, and each has promised them.
        rig.book.shared = True
        started(rig)
        wait(1.0)
        other_dir = rig.folder / 'other'
        other_dir.mkdir()
        given = {**rig.parameters(), 'state_dir': str(other_dir / 'state')}
        elsewhere = {'TMPDIR': str(other_dir)}
        with BridgeProcess(given, environment=elsewhere) as second:
            assert rig.bridge is not None
            flaps, left = _settle(rig, rig.bridge, second)
            first_left = left is rig.bridge
            status = second.stop()
        notes = {'flaps': flaps, 'left': 'first' if first_left else 'second', 'status': status}
        _drain_other(rig, other_dir, given)
        return result(rig, 1, notes)


def _settle(rig: Rig, first: BridgeProcess, second: BridgeProcess) -> tuple[int, BridgeProcess]:
    second.wait_for_log('connected to')
    bridges = (first, second)

    def leavers() -> list[BridgeProcess]:
        return [bridge for bridge in bridges if 'duplicate_robot_id: ' in bridge.log()]

    wait_until(lambda: len(leavers()) == 1, 30.0, 'that one gives way')
    wait(2.0)
    before = len(rig.monitor.states)
    wait(5.0)
    flaps = len(rig.monitor.states) - before
    (left,) = leavers()
    return flaps, left


def _drain_other(rig: Rig, folder: Path, given: dict[str, object]) -> None:
    """Let the second deliver what it has promised, alone, and then the first, started again."""
    for publisher in rig.publishers:
        publisher.pause()
    spool = folder / 'state' / rig.spool.name
    rig.stop_bridge()
    with BridgeProcess(given, environment={'TMPDIR': str(folder)}) as again:
        again.wait_for_log('connected to')
        rig.drain()
        assert again.stop() == 0
    rig.look()
    rig.book.read_spool(spool)
    rig.start_bridge()


SCENARIOS: dict[str, Scenario] = {
    'kill_bridge': kill_bridge,
    'kill_both': kill_both,
    'kill_consumer': kill_consumer,
    'kill_recorder': kill_recorder,
    'publisher_restart': publisher_restart,
    'duplicate_robot_id': duplicate_robot_id,
}
