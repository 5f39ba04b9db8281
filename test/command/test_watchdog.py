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

"""What is driven is stopped when nobody drives it any more, whatever hangs."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
import threading

import pytest

from ros_cloud_bridge.command.clock import now_s
from ros_cloud_bridge.command.watchdog import Watchdog
from ros_cloud_bridge.values import ChannelConfig, ChannelKind
from support.waiting import wait_until


class Wheels:
    """Notes what is published, and when."""

    def __init__(self) -> None:
        self.published: list[tuple[str, str]] = []
        self.times: list[float] = []
        self.failing = False
        self.hanging = threading.Event()

    def stop(self, channel: str) -> None:
        """Take a stop message."""
        self.note(channel, 'stop')
        if self.failing:
            raise RuntimeError('no publisher')

    def note(self, channel: str, what: str) -> None:
        """Take a message."""
        self.times.append(now_s())
        self.published.append((channel, what))

    def of(self, channel: str) -> list[str]:
        """List what a channel got."""
        return [what for name, what in list(self.published) if name == channel]


@contextmanager
def watched(wheels: Wheels, *names: str, watchdog_s: float = 0.1) -> Iterator[Watchdog]:
    """
    Watch channels.

    :param wheels: what they drive
    :param names: of the channels
    :param watchdog_s: their time
    """
    channels = [
        ChannelConfig(name=name, kind=ChannelKind.TOPIC, lease=True, watchdog_s=watchdog_s)
        for name in names
    ]
    logged: list[str] = []
    watchdog = Watchdog(channels, wheels.stop, lambda level, text: logged.append(text))
    watchdog.start()
    try:
        yield watchdog
    finally:
        watchdog.close('the end')


def stopped_since(wheels: Wheels, channel: str, before: int) -> bool:
    """Tell whether there was one more stop."""
    return wheels.of(channel).count('stop') > before


def stopped_thrice(wheels: Wheels, channel: str) -> bool:
    """Tell whether the stop was repeated."""
    return wheels.of(channel).count('stop') == 3


def drive(watchdog: Watchdog, wheels: Wheels, channel: str = 'drive') -> bool:
    """Let one message pass."""
    return watchdog.drive(channel, lambda: wheels.note(channel, 'go'), now_s() + 10.0)


def test_silence_stops_and_the_stop_is_repeated() -> None:
    wheels = Wheels()
    with watched(wheels, 'drive') as watchdog:
        assert drive(watchdog, wheels)
        went = wheels.times[0]
        wait_until(lambda: len(wheels.published) == 4)
        assert wheels.of('drive') == ['go', 'stop', 'stop', 'stop']
        assert wheels.times[1] - went >= 0.1
        assert watchdog.stops == {'drive': 1}
    # What stands is not stopped once more.
    assert len(wheels.published) == 4


def test_who_goes_on_driving_is_not_stopped() -> None:
    wheels = Wheels()
    # Long enough for a busy machine.
    with watched(wheels, 'drive', watchdog_s=0.5) as watchdog:
        for _ in range(30):
            assert drive(watchdog, wheels)
            wait_until(lambda: now_s() - wheels.times[-1] > 0.02)
        assert wheels.of('drive') == ['go'] * 30
        watchdog.stop('drive', 'released')
        assert wheels.of('drive')[30] == 'stop'


def test_a_message_behind_its_deadline_does_not_go() -> None:
    wheels = Wheels()
    with watched(wheels, 'drive') as watchdog:
        late = now_s() - 0.001
        assert not watchdog.drive('drive', lambda: wheels.note('drive', 'go'), late)
        assert wheels.published == [] and watchdog.stops == {'drive': 0}


def test_a_publisher_that_hangs_keeps_no_other_channel_from_being_stopped() -> None:
    wheels = Wheels()
    released = threading.Event()
    with watched(wheels, 'arm', 'drive') as watchdog:

        def hang() -> None:
            wheels.note('arm', 'go')
            assert released.wait(20.0)

        thread = threading.Thread(target=lambda: watchdog.drive('arm', hang, now_s() + 10.0))
        thread.start()
        wait_until(lambda: wheels.of('arm') == ['go'])
        assert drive(watchdog, wheels)
        wait_until(lambda: 'stop' in wheels.of('drive'))
        assert wheels.of('arm') == ['go']
        released.set()
        thread.join()
        # And it is stopped itself as soon as that can be.
        wait_until(lambda: 'stop' in wheels.of('arm'))


def test_a_stop_that_fails_is_tried_again_and_others_go_on() -> None:
    wheels = Wheels()
    wheels.failing = True
    with watched(wheels, 'arm', 'drive') as watchdog:
        assert drive(watchdog, wheels, 'arm') and drive(watchdog, wheels)
        for channel in ('arm', 'drive'):
            wait_until(partial(stopped_thrice, wheels, channel))


def test_a_message_that_cannot_be_published_is_followed_by_a_stop() -> None:
    wheels = Wheels()

    def fail() -> None:
        raise ValueError('half of it')

    with watched(wheels, 'drive') as watchdog:
        with pytest.raises(ValueError, match='half of it'):
            watchdog.drive('drive', fail, now_s() + 10.0)
        wait_until(lambda: 'stop' in wheels.of('drive'))


def test_the_end_stops_what_moves_and_lets_nothing_pass() -> None:
    wheels = Wheels()
    with watched(wheels, 'drive', watchdog_s=0.5) as watchdog:
        assert drive(watchdog, wheels)
        watchdog.close('shutdown')
        assert wheels.of('drive')[:2] == ['go', 'stop']
        assert not drive(watchdog, wheels)


def test_a_log_that_blocks_keeps_no_stop_from_going_out() -> None:
    wheels, unblocked = Wheels(), threading.Event()
    channels = [
        ChannelConfig(name=name, kind=ChannelKind.TOPIC, lease=True, watchdog_s=0.1)
        for name in ('arm', 'drive')
    ]

    def log(level: str, text: str) -> None:
        unblocked.wait(20.0)

    watchdog = Watchdog(channels, wheels.stop, log)
    watchdog.start()
    try:
        # As when nobody reads the pipe that standard error is.
        for channel in ('arm', 'drive', 'arm'):
            assert drive(watchdog, wheels, channel)
            before = wheels.of(channel).count('stop')
            wait_until(partial(stopped_since, wheels, channel, before))
    finally:
        unblocked.set()
        watchdog.close('the end')


def test_held_nothing_passes_until_released() -> None:
    wheels = Wheels()
    with watched(wheels, 'drive', watchdog_s=0.5) as watchdog:
        assert drive(watchdog, wheels)
        watchdog.hold('deactivated')
        assert wheels.of('drive')[:2] == ['go', 'stop']
        # As when it had been decided before, and comes to be carried out only now.
        assert not drive(watchdog, wheels)
        watchdog.release()
        assert drive(watchdog, wheels)
        assert 'go' in wheels.of('drive')[2:]
