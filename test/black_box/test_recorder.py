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

"""The recorder of a black box: real time, real files, real crashes."""

from collections.abc import Callable, Sequence
import json
from pathlib import Path
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from ros_cloud_bridge.black_box.feeding import MOST_SAMPLES
from ros_cloud_bridge.black_box.recorder import BlackBoxRecorder
from ros_cloud_bridge.black_box.tracks import ring_directory
from ros_cloud_bridge.core.durable_route import DurableRoute
from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.errors import MissingTypeSupport
from ros_cloud_bridge.values import (
    BlackBoxConfig,
    BridgeConfig,
    Drop,
    Keep,
    Received,
    StreamConfig,
)
from ros_cloud_bridge.wire.batch import Descriptor
from support.waiting import wait_until

STREAM = StreamConfig(name='box', topics=('/imu', '/gone'), keep=Keep.DURABLE)
TYPE = 'sensor_msgs/msg/Imu'
PERIOD_S = 0.005


class Bridge:
    """
    Takes in what a recorder hands over, and commits it as slowly as it is told to.

    :param commit_s: how long what was offered waits for its commit; None for ever
    """

    boot_id = '00' * 8

    def __init__(self, commit_s: float | None = 0.0) -> None:
        self.events: list[dict[str, Any]] = []
        self.offered: dict[str, list[Received]] = {}
        self.most_waiting = 0
        self.lines: list[str] = []
        self.order: list[str] = []
        self._commit_s = commit_s
        self._routes: dict[str, DurableRoute] = {}
        self.told = Route(99, STREAM, '/black_box/box/events', 'std_msgs/msg/String')

    def route(self, topic: str) -> Route:
        """
        Give a topic's route.

        :param topic: ROS topic
        :returns: the same each time
        """
        if topic not in self._routes:
            number = len(self._routes) + 1
            self._routes[topic] = DurableRoute(number, STREAM, topic, TYPE)
        return self._routes[topic]

    def open_route(self, descriptor: Descriptor) -> Route:
        """
        Give the route of a topic of an earlier run.

        :param descriptor: of the topic
        :returns: its route
        """
        if descriptor.topic == '/gone':
            raise MissingTypeSupport(descriptor.type_name, 'not here')
        return self.route(descriptor.topic)

    def offer(self, route: Route, samples: Sequence[Received]) -> None:
        """
        Take in samples.

        :param route: their route
        :param samples: the samples
        """
        self.order.append(route.topic)
        if route is self.told:
            self.events += [json.loads(sample.cdr[8:-1]) for sample in samples]
            return
        assert isinstance(route, DurableRoute)
        route.offer(samples, time.monotonic())
        self.most_waiting = max(self.most_waiting, route.not_yet_committed)
        self.offered.setdefault(route.topic, []).extend(samples)
        if self._commit_s is not None:
            threading.Timer(self._commit_s, self._commit, [route]).start()

    def _commit(self, route: DurableRoute) -> None:
        route.was_committed(len(route.to_commit()))

    def log(self, level: str, text: str) -> None:
        """
        Take a line.

        :param level: of the line
        :param text: the line
        """
        self.lines.append(f'{level}: {text}')

    def numbers(self, topic: str = '/imu') -> list[int]:
        """
        Tell which samples came.

        :param topic: of this topic
        :returns: their numbers
        """
        offered = self.offered.get(topic, [])
        return [int.from_bytes(sample.cdr[:4], 'little') for sample in offered]

    def ended(self, count: int = 1) -> list[dict[str, Any]]:
        """
        Wait for spans to end.

        :param count: how many
        :returns: what is told of them
        """

        def found() -> list[dict[str, Any]]:
            return [event for event in self.events if event['event'] == 'ended']

        wait_until(lambda: len(found()) >= count, 20.0, f'{count} spans in {self.events}')
        return found()


def config(**named: Any) -> BlackBoxConfig:
    """
    Describe a quick black box.

    :param named: keys that differ
    :returns: the configuration
    """
    return BlackBoxConfig(
        **{'stream': STREAM, 'triggers': ('crash',), 'before_s': 1.0, 'after_s': 0.5, **named}
    )


def recorder(bridge: Bridge, directory: Path, **named: Any) -> BlackBoxRecorder:
    """
    Make a recorder.

    :param bridge: what it hands over to
    :param directory: its own
    :param named: keys of the configuration that differ
    :returns: the recorder, started
    """
    made = BlackBoxRecorder(
        config(**named),
        directory,
        port=bridge,
        open_route=bridge.open_route,
        events=bridge.told,
        log=bridge.log,
    )
    made.start()
    return made


def sample(number: int, size: int = 200) -> Received:
    """
    Make a sample of now.

    :param number: tells it from others
    :param size: bytes
    :returns: the sample
    """
    now_ns = time.time_ns()
    return Received(number.to_bytes(4, 'little') + bytes(size - 4), now_ns - 5000, now_ns)


class Publisher:
    """
    Gives a recorder a sample every few milliseconds.

    :param to: the recorder
    :param route: theirs
    """

    def __init__(self, to: BlackBoxRecorder, route: Route, size: int = 200) -> None:
        self.sent: list[Received] = []
        self._to, self._route, self._size = to, route, size
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopping.wait(PERIOD_S):
            made = sample(len(self.sent), self._size)
            self._to.take(self._route, [made])
            self.sent.append(made)

    def wait_for(self, seconds: float) -> None:
        """
        Wait until samples of so much time were given.

        :param seconds: how much
        """
        until = time.time_ns() + round(seconds * 1e9)
        wait_until(lambda: self.sent and self.sent[-1].receive_time_ns >= until)

    def stop(self) -> None:
        """Give no more."""
        self._stopping.set()
        self._thread.join()

    def between(self, low_ns: int, high_ns: int) -> list[int]:
        """
        Tell what was sent in a window.

        :param low_ns: from
        :param high_ns: to
        :returns: numbers
        """
        return [
            number
            for number, made in enumerate(self.sent)
            if low_ns < made.receive_time_ns <= high_ns
        ]


def ring_files(directory: Path) -> list[str]:
    """
    List what stands in a ring's directory.

    :param directory: it
    :returns: names
    """
    return sorted(path.name for path in directory.glob('*')) if directory.exists() else []


def assert_complete(publisher: Publisher, numbers: list[int], low_ns: int, high_ns: int) -> None:
    """
    Hold what came against what was sent in a window.

    :param publisher: what sent
    :param numbers: which samples came
    :param low_ns: begin of the window
    :param high_ns: its end
    """
    wanted = publisher.between(low_ns, high_ns)
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    # The moment at which a sample is taken and its own stamp differ by a little.
    assert abs(numbers[0] - wanted[0]) <= 3 and abs(numbers[-1] - wanted[-1]) <= 3


def test_a_span_comes_whole_once_and_is_told_before_and_after(tmp_path: Path) -> None:
    bridge = Bridge()
    made = recorder(bridge, tmp_path / 'box')
    publisher = Publisher(made, bridge.route('/imu'))
    publisher.wait_for(1.5)
    assert bridge.offered == {} and bridge.events == []
    span = made.fire('/t: data > 3', '4.0')
    assert span is not None
    # What was before the trigger goes at once.
    wait_until(lambda: bridge.numbers())
    assert not bridge.events[1:]
    (ended,) = bridge.ended()
    publisher.wait_for(0.5)
    publisher.stop()
    assert_complete(publisher, bridge.numbers(), ended['from_ns'], ended['to_ns'])
    assert ended['to_ns'] - ended['from_ns'] == 1_500_000_000
    for offered, number in zip(bridge.offered['/imu'], bridge.numbers(), strict=True):
        original = publisher.sent[number]
        assert (offered.cdr, offered.source_time_ns) == (original.cdr, original.source_time_ns)
        assert abs(offered.receive_time_ns - original.receive_time_ns) < 1000
    assert ended['samples'] == len(bridge.numbers()) and ended['complete']
    assert ended['topics'] == {'/imu': {'samples': ended['samples'], 'bytes': ended['bytes']}}
    told = bridge.events[0]
    assert (told['event'], told['span'], told['trigger'], told['value'], told['boot_id']) == (
        'triggered',
        span.id,
        '/t: data > 3',
        '4.0',
        bridge.boot_id,
    )
    assert (bridge.order[0], bridge.order[-1]) == (bridge.told.topic, bridge.told.topic)
    made.stop()
    assert ring_files(tmp_path / 'box') == []


def test_triggers_that_overlap_send_each_sample_once(tmp_path: Path) -> None:
    bridge = Bridge()
    made = recorder(bridge, tmp_path / 'box')
    publisher = Publisher(made, bridge.route('/imu'))
    publisher.wait_for(1.2)
    spans = [made.fire('one', '')]
    publisher.wait_for(0.25)
    spans.append(made.fire('two', ''))
    first = bridge.ended(1)[0]
    publisher.wait_for(0.2)
    spans.append(made.fire('three', ''))
    second = bridge.ended(2)[1]
    publisher.wait_for(0.3)
    publisher.stop()
    made.stop()
    assert spans[0] is spans[1] and spans[2] is not spans[0]
    assert [one['trigger'] for one in first['triggers']] == ['one', 'two']
    assert [one['trigger'] for one in second['triggers']] == ['three']
    assert abs(second['from_ns'] - first['to_ns']) < 10_000_000
    assert_complete(publisher, bridge.numbers(), first['from_ns'], second['to_ns'])
    assert first['samples'] + second['samples'] == len(bridge.numbers())
    triggered = [event['trigger'] for event in bridge.events if event['event'] == 'triggered']
    assert triggered == ['one', 'two', 'three']


def test_it_feeds_no_faster_than_the_spool_commits(tmp_path: Path) -> None:
    bridge = Bridge(commit_s=0.05)
    made = recorder(bridge, tmp_path / 'box')
    route = bridge.route('/imu')
    for number in range(5000):
        made.take(route, [sample(number)])
    assert made.fire('service', 'called') is not None
    (ended,) = bridge.ended()
    assert bridge.numbers() == list(range(5000)) and ended['samples'] == 5000
    assert 0 < bridge.most_waiting <= MOST_SAMPLES
    assert route.drops[Drop.NOT_COMMITTED] == 0
    made.stop()


def test_what_no_longer_has_room_is_told(tmp_path: Path) -> None:
    bridge = Bridge()
    made = recorder(bridge, tmp_path / 'box', max_span_bytes=100_000)
    publisher = Publisher(made, bridge.route('/imu'), size=2000)
    publisher.wait_for(1.2)
    made.fire('service', 'called')
    (ended,) = bridge.ended()
    publisher.stop()
    made.stop()
    assert ended['bytes'] == 2000 * len(bridge.numbers()) and 90_000 < ended['bytes'] <= 100_000
    assert ended['cut_short'] == 'max_span_bytes' and not ended['complete']
    assert ended['left_out_bytes']['max_span_bytes'] > 100_000
    # What is nearest to the trigger is what stays.
    (triggered,) = [event for event in bridge.events if event['event'] == 'triggered']
    times = [one.receive_time_ns for one in bridge.offered['/imu']]
    assert times[0] < triggered['time_ns'] < times[-1]


def test_a_disk_that_cannot_be_used_costs_no_span(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('in the way')
    bridge = Bridge()
    made = recorder(bridge, tmp_path / 'file' / 'box')
    publisher = Publisher(made, bridge.route('/imu'))
    publisher.wait_for(0.5)
    made.fire('service', 'called')
    (ended,) = bridge.ended()
    publisher.stop()
    made.stop()
    assert ended['complete'] and len(bridge.numbers()) > 20
    warnings = [line for line in bridge.lines if line.startswith('warning')]
    assert len(warnings) == 1 and "black box 'box'" in warnings[0]


def test_stopping_ends_a_span_and_hands_it_over(tmp_path: Path) -> None:
    bridge = Bridge()
    made = recorder(bridge, tmp_path / 'box', after_s=3600.0)
    publisher = Publisher(made, bridge.route('/imu'))
    publisher.wait_for(0.5)
    made.fire('service', 'called')
    publisher.wait_for(0.2)
    publisher.stop()
    made.stop()
    (ended,) = bridge.ended()
    assert ended['cut_short'] == 'shutdown' and bridge.numbers()[-1] == len(publisher.sent) - 1
    assert ring_files(tmp_path / 'box') == [] and made.fire('service', '') is None


RUN = """
import sys
from pathlib import Path
import threading
sys.path[:0] = sys.argv[3:]
import recorder_module as here

def say(text):
    # In one piece: two threads talk.
    sys.stdout.write(f'{text}\\n')
    sys.stdout.flush()

class Talking(here.Bridge):
    def offer(self, route, samples):
        super().offer(route, samples)
        if route.topic == '/imu':
            numbers = [int.from_bytes(sample.cdr[:4], 'little') for sample in samples]
            say(f'offered {numbers[0]} {numbers[-1]}')

bridge = Talking()
made = here.recorder(bridge, Path(sys.argv[1]), after_s=float(sys.argv[2]))
publisher = here.Publisher(made, bridge.route('/imu'))
gone = here.Publisher(made, bridge.route('/gone'))
publisher.wait_for(1.5)
say(f'ready {len(publisher.sent)}')
sys.stdin.readline()
made.fire('service', 'called')
say('fired')
threading.Event().wait()
"""


class Process:
    """
    A recorder in a process of its own.

    :param folder: for its files
    :param after_s: of its configuration
    """

    def __init__(self, folder: Path, after_s: float) -> None:
        (folder / 'recorder_module.py').write_bytes(Path(__file__).read_bytes())
        root = Path(__file__).resolve().parents[2]
        paths = [str(folder), str(root / 'test'), str(root)]
        self._process = subprocess.Popen(
            [sys.executable, '-c', RUN, str(folder / 'box'), str(after_s), *paths],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def hear(self, wanted: Callable[[list[str]], object]) -> list[str]:
        """
        Wait for a line.

        :param wanted: says of its words whether it is this
        :returns: its words
        """
        assert self._process.stdout is not None
        while not wanted(words := self._process.stdout.readline().split()):
            assert words, 'it has ended'
        return words

    def fire(self) -> None:
        """Let it fire its trigger."""
        assert self._process.stdin is not None
        self._process.stdin.write('\n')
        self._process.stdin.flush()

    def kill(self) -> list[list[str]]:
        """
        SIGKILL it.

        :returns: what it had said and nobody had heard, as words of whole lines
        """
        self._process.kill()
        assert self._process.stdout is not None
        said = self._process.stdout.read()
        self._process.communicate()
        return [line.split() for line in said.splitlines(keepends=True) if line.endswith('\n')]


def test_a_killed_process_left_the_last_seconds_and_they_are_sent(tmp_path: Path) -> None:
    process = Process(tmp_path, 0.5)
    sent = int(process.hear(lambda words: words[:1] == ['ready'])[1])
    process.kill()
    bridge = Bridge()
    made = recorder(bridge, tmp_path / 'box')
    (ended,) = bridge.ended()
    numbers = bridge.numbers()
    assert [one['trigger'] for one in ended['triggers']] == ['crash']
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    # All of the last second but what was not written yet; the trigger's time is the ring's end.
    assert 50 < len(numbers) <= 1.1 / PERIOD_S and numbers[-1] >= sent - 0.5 / PERIOD_S
    last_ns = bridge.offered['/imu'][-1].receive_time_ns
    assert abs(ended['to_ns'] - last_ns) < 0.1e9
    # A type that is not installed any more is told, and costs the others nothing.
    assert ended['left_out_bytes']['no_type_support'] > 0 and '/gone' not in bridge.offered
    assert sum('/gone: not sent' in line for line in bridge.lines) == 1
    made.stop()
    assert ring_files(tmp_path / 'box') == []


def test_without_a_trigger_for_it_what_a_crash_left_is_removed(tmp_path: Path) -> None:
    process = Process(tmp_path, 0.5)
    process.hear(lambda words: words[:1] == ['ready'])
    process.kill()
    assert ring_files(tmp_path / 'box')
    bridge = Bridge()
    made = recorder(bridge, tmp_path / 'box', triggers=('service',))
    wait_until(lambda: not ring_files(tmp_path / 'box'))
    made.stop()
    assert bridge.events == [] and bridge.offered == {}


@pytest.mark.parametrize('triggers', [('service',), ('crash',)])
def test_a_span_that_a_crash_cuts_short_is_sent_by_the_next_run(
    tmp_path: Path, triggers: tuple[str, ...]
) -> None:
    process = Process(tmp_path, 3600.0)
    process.hear(lambda words: words[:1] == ['ready'])
    process.fire()
    lines = [process.hear(lambda words: words[:1] == ['offered']) for _ in range(20)]
    lines += [words for words in process.kill() if words[0] == 'offered']
    before = [number for _, low, high in lines for number in range(int(low), int(high) + 1)]
    bridge = Bridge()
    made = recorder(bridge, tmp_path / 'box', triggers=triggers)
    (ended,) = bridge.ended()
    made.stop()
    texts = [one['trigger'] for one in ended['triggers']]
    assert texts == ['service', *(['crash'] if 'crash' in triggers else [])]
    assert ended['cut_short'] == 'crash'
    # Nothing is missing between the two, and what was known to be committed does not come again.
    numbers = bridge.numbers()
    assert before == list(range(before[0], before[-1] + 1))
    if numbers:  # else all that was written had been handed over
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert before[0] + 50 < numbers[0] <= before[-1] + 1 <= numbers[-1] + 2
    assert ended['samples'] > 50


def test_a_spool_that_stands_still_leaves_the_span_to_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('ros_cloud_bridge.black_box.recorder._STOP_S', 0.5)
    stuck = Bridge(commit_s=None)
    made = recorder(stuck, tmp_path / 'box')
    for number in range(2000):
        made.take(stuck.route('/imu'), [sample(number)])
    made.fire('service', 'called')
    wait_until(lambda: stuck.numbers())
    made.stop()
    numbers = stuck.numbers()
    assert numbers == list(range(len(numbers))) and 0 < len(numbers) <= MOST_SAMPLES
    assert ring_files(tmp_path / 'box')
    bridge = Bridge()
    made = recorder(bridge, tmp_path / 'box')
    (ended,) = bridge.ended()
    made.stop()
    # It ended in good order: no crash. What was not known to be committed comes again.
    assert [one['trigger'] for one in ended['triggers']] == ['service']
    assert bridge.numbers() == list(range(2000)) and ring_files(tmp_path / 'box') == []


def test_a_ring_that_is_alive_is_nobody_elses_to_send(tmp_path: Path) -> None:
    first, second = Bridge(), Bridge()
    living = recorder(first, tmp_path / 'box')
    publisher = Publisher(living, first.route('/imu'))
    publisher.wait_for(0.5)
    other = recorder(second, tmp_path / 'box')
    other.take(second.route('/imu'), [sample(0)])
    other.fire('service', 'called')
    (ended,) = second.ended()
    other.stop()
    assert ended['samples'] == 1
    living.fire('service', 'called')
    (ended,) = first.ended()
    publisher.stop()
    living.stop()
    assert ended['complete'] and ended['samples'] > 50


def test_robots_and_boxes_do_not_share_a_directory(tmp_path: Path) -> None:
    names = {
        ring_directory(BridgeConfig(robot_id=robot, state_dir=str(tmp_path)), box)
        for robot, box in (('a', 'b'), ('a-b', 'c'), ('a', 'b_c'), ('x/y', 'b'), ('c', 'a_b'))
    }
    assert len(names) == 5 and all(path.parent == tmp_path for path in names)
