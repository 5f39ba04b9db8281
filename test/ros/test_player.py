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

"""The player over real rclpy, on real recordings and on small ones made here."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest

rclpy = pytest.importorskip('rclpy')
from mcap.reader import make_reader  # noqa: E402
from mcap.writer import CompressionType, IndexType, Writer  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.qos import (  # noqa: E402
    QoSDurabilityPolicy,
    QoSHistoryPolicy,
    QoSProfile,
    QoSReliabilityPolicy,
)
from rclpy.serialization import serialize_message  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from ros_cloud_bridge.core.selection import compile_pattern  # noqa: E402
from ros_cloud_bridge.errors import LocalFault  # noqa: E402
from ros_cloud_bridge.ros.interfaces import load_message  # noqa: E402
from ros_cloud_bridge.ros.player.player import Player, PlayOptions  # noqa: E402
from ros_cloud_bridge.ros.player.recording import (  # noqa: E402
    Offer,
    offer_from_metadata,
    Recording,
)
from support.waiting import wait_until  # noqa: E402

ROOT = Path(__file__).parents[2]
RECORDINGS = Path(os.environ.get('RCB_RECORDINGS', ROOT.parent / 'shared' / 'data'))
MAIN = 'import sys; from ros_cloud_bridge.cli.main import main; sys.exit(main())'
STRING_DEFINITION = b'string data\n'
MILLISECOND = 1_000_000


def text(data: str) -> bytes:
    """Serialize a String."""
    return bytes(serialize_message(String(data=data)))


def write_recording(
    path: Path,
    messages: Sequence[tuple[str, int, bytes]],
    *,
    metadata: Mapping[str, str] | None = None,
    encoding: str = 'cdr',
    type_name: str = 'std_msgs/msg/String',
    **options: Any,
) -> Path:
    """Write (topic, time in ms, cdr) as an MCAP file whose topics are of one type."""
    with path.open('wb') as file:
        writer = Writer(file, **options)
        writer.start(profile='ros2', library='test')
        schema = writer.register_schema(type_name, 'ros2msg', STRING_DEFINITION)
        channels = {
            topic: writer.register_channel(topic, encoding, schema, dict(metadata or {}))
            for topic in dict.fromkeys(topic for topic, _, _ in messages)
        }
        for topic, time_ms, cdr in messages:
            time_ns = 10**18 + time_ms * MILLISECOND
            writer.add_message(channels[topic], time_ns, cdr, time_ns)
        writer.finish()
    return path


def contents(path: Path) -> dict[tuple[str, str], list[bytes]]:
    """Read a file's messages by (topic, type), by other means than the player."""
    found: dict[tuple[str, str], list[bytes]] = {}
    with path.open('rb') as file:
        for schema, channel, message in make_reader(file).iter_messages():
            assert schema is not None
            found.setdefault((channel.topic, schema.name), []).append(bytes(message.data))
    return found


def can_load(type_name: str) -> bool:
    """Tell whether a type's package is installed, by its module alone."""
    return find_spec(type_name.partition('/')[0]) is not None


class Listener:
    """Collects raw messages in a thread of its own."""

    def __init__(self) -> None:
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node('player_test', context=self.context)
        self.received: dict[str, list[bytes]] = {}
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin)

    def subscribe(self, topic: str, type_name: str = 'std_msgs/msg/String') -> list[bytes]:
        """Collect a topic's messages in the list that is returned."""
        collected = self.received.setdefault(topic, [])
        qos = QoSProfile(
            history=QoSHistoryPolicy.KEEP_ALL, reliability=QoSReliabilityPolicy.RELIABLE
        )
        self.node.create_subscription(
            load_message(type_name), topic, collected.append, qos, raw=True
        )
        return collected

    def expect(self, topic: str, messages: Sequence[bytes]) -> None:
        """
        Wait for a topic's messages and compare them byte by byte.

        RTPS pads a payload to a multiple of four bytes, and Fast DDS hands the padding on.
        """
        received = self.received[topic]
        wait_until(lambda: len(received) >= len(messages), what=f'{topic}: every message')
        assert len(received) == len(messages), topic
        for ours, theirs in zip(received, messages, strict=True):
            assert ours in (theirs, theirs + bytes(-len(theirs) % 4)), topic

    def start(self) -> None:
        """Begin to receive, when every subscription stands."""
        self._thread.start()

    def close(self) -> None:
        """End the thread and the context."""
        self.context.try_shutdown()
        if self._thread.is_alive():
            self._thread.join()
        self.node.destroy_node()

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            pass


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


@pytest.fixture
def node() -> Iterator[Node]:
    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node('player_under_test', context=context)
    yield node
    node.destroy_node()
    context.try_shutdown()


class VirtualTime:
    """A clock that runs only while someone waits, and then too long by ``late_s``."""

    def __init__(self, late_s: float = 0.0, end_s: float = float('inf')) -> None:
        self.now_s = 100.0
        self.late_s = late_s
        self.end_s = self.now_s + end_s

    def wait(self, timeout_s: float) -> bool:
        """Let time pass."""
        if timeout_s > 0:
            self.now_s += timeout_s + self.late_s
        return self.now_s >= self.end_s

    def clock(self) -> float:
        """Tell the time."""
        return self.now_s


def play(
    path: Path, node: Node, time: VirtualTime | None = None, **options: Any
) -> tuple[Player, list[str]]:
    """Play a file to its end in virtual time; returns the player and its warnings."""
    time = time or VirtualTime()
    warnings: list[str] = []
    with Recording(path) as recording:
        player = Player(
            recording,
            node,
            PlayOptions(**options),
            wait=time.wait,
            warn=warnings.append,
            clock=time.clock,
        )
        player.play()
    return player, warnings


def command(*arguments: object) -> list[str]:
    """Build the command line of ``ros-cloud-bridge play``."""
    return [sys.executable, '-c', MAIN, 'play', *map(str, arguments)]


def run_command(*arguments: object) -> 'subprocess.CompletedProcess[str]':
    """Run ``ros-cloud-bridge play`` to its end."""
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=60, env=environment()
    )


def environment() -> dict[str, str]:
    """Make the package importable in a child, wherever it was found here."""
    return {**os.environ, 'PYTHONPATH': os.pathsep.join(filter(None, [str(ROOT), *sys.path]))}


# Real recordings.


@pytest.mark.parametrize(
    ('name', 'rate'),
    [
        ('a1_husky_outdoor', 60),
        ('a2_px4_multirotor_rtk', 20),
        ('a3_tilt_laser_xsens', 10),
        ('a4_car_camera', 4),
        ('a5_kitti_lidar', 3),
    ],
)
def test_subscriber_gets_a_real_recordings_very_bytes(
    name: str, rate: float, listener: Listener, tmp_path: Path
) -> None:
    path = RECORDINGS / f'{name}.mcap'
    if not path.exists():
        pytest.skip(f'no recordings at {RECORDINGS} (RCB_RECORDINGS names another place)')
    recorded = contents(path)
    playable = {topic for topic, type_name in recorded if can_load(type_name)}
    for topic, type_name in recorded:
        if topic in playable:
            listener.subscribe(topic, type_name)
    listener.start()

    counts = tmp_path / 'counts.json'
    done = run_command(path, '--rate', rate, '--wait-for-subscribers', 20, '--counts', counts)

    assert done.returncode == 0, done.stderr
    report = json.loads(counts.read_text())
    assert set(report['published']) == playable
    assert set(report['skipped']) == {topic for topic, _ in recorded} - playable
    for (topic, _), messages in recorded.items():
        if topic in playable:
            assert report['published'][topic] == len(messages)
            assert report['bytes'][topic] == sum(map(len, messages))
            assert f'{topic}  {len(messages)} messages' in done.stdout
            listener.expect(topic, messages)


def test_type_without_support_is_named_once_and_the_rest_goes_on(
    listener: Listener, tmp_path: Path
) -> None:
    path = tmp_path / 'a.mcap'
    with path.open('wb') as file:
        writer = Writer(file)
        writer.start()
        for type_name, topic in [
            ('no_such_msgs/msg/Thing', '/odd'),
            ('no_such_msgs/msg/Thing', '/odd'),
            ('std_msgs/msg/String', '/good'),
        ]:
            schema = writer.register_schema(type_name, 'ros2msg', STRING_DEFINITION)
            channel = writer.register_channel(topic, 'cdr', schema)
            writer.add_message(channel, 0, text('abc'), 0)
        writer.finish()
    listener.subscribe('/good')
    listener.start()
    counts = tmp_path / 'counts.json'
    done = run_command(path, '--wait-for-subscribers', 20, '--counts', counts)
    assert done.returncode == 0
    assert done.stderr.count('/odd') == 1
    assert "install the package 'no_such_msgs'" in done.stderr
    listener.expect('/good', [text('abc')])
    report = json.loads(counts.read_text())
    assert report['published'] == {'/good': 1}
    assert report['bytes'] == {'/good': len(text('abc'))}
    assert list(report['skipped']) == ['/odd']


# Schedule, in virtual time but over real publishers.


TEN_HERTZ = [('/clock_work', 100 * number, text(str(number))) for number in range(20)]


@pytest.mark.parametrize('rate', [0.5, 1.0, 4.0])
def test_rate_scales_the_recorded_times(rate: float, node: Node, tmp_path: Path) -> None:
    player, _ = play(write_recording(tmp_path / 'a.mcap', TEN_HERTZ), node, rate=rate)
    played = player.played['/clock_work']
    assert played.published == 20
    assert played.hz == pytest.approx(10.0 * rate)


def test_late_wakes_do_not_add_up(node: Node, tmp_path: Path) -> None:
    path = write_recording(tmp_path / 'a.mcap', TEN_HERTZ)
    player, _ = play(path, node, VirtualTime(late_s=0.03), loops=5)
    played = player.played['/clock_work']
    assert played.published == 100
    assert played.last_s - played.first_s == pytest.approx(9.9, abs=0.031)


def test_player_that_fell_behind_catches_up(node: Node, tmp_path: Path) -> None:
    path = write_recording(tmp_path / 'a.mcap', TEN_HERTZ)
    player, _ = play(path, node, VirtualTime(late_s=0.35))
    played = player.played['/clock_work']
    assert played.published == 20
    assert played.last_s - played.first_s <= 1.9 + 0.351


def test_loops_keep_the_rhythm(node: Node, tmp_path: Path) -> None:
    path = write_recording(tmp_path / 'a.mcap', TEN_HERTZ)
    player, _ = play(path, node, loops=3)
    assert player.played['/clock_work'].published == 60
    assert player.played['/clock_work'].hz == pytest.approx(10.0)


def test_endless_loop_of_one_moment_does_not_spin(node: Node, tmp_path: Path) -> None:
    path = write_recording(tmp_path / 'a.mcap', [('/lone', 0, text('x'))])
    player, _ = play(path, node, VirtualTime(end_s=10.5), loops=0)
    assert player.played['/lone'].published == 11


def test_endless_loop_of_nothing_ends(node: Node, tmp_path: Path) -> None:
    player, _ = play(write_recording(tmp_path / 'a.mcap', []), node, loops=0)
    assert player.played == {}


def test_messages_go_out_in_the_order_of_their_times(
    node: Node, listener: Listener, tmp_path: Path
) -> None:
    written = [('/mixed', 30, text('c')), ('/mixed', 10, text('a')), ('/mixed', 20, text('b'))]
    path = write_recording(tmp_path / 'a.mcap', written)
    listener.subscribe('/mixed')
    listener.start()
    with Recording(path) as recording:
        player = Player(
            recording,
            node,
            PlayOptions(wait_for_subscribers_s=20),
            wait=threading.Event().wait,
            warn=pytest.fail,
        )
        player.play()
    listener.expect('/mixed', [text('a'), text('b'), text('c')])


# What is played, and how it is offered.


@pytest.mark.parametrize(
    'options',
    [
        {'compression': CompressionType.NONE},
        {'compression': CompressionType.LZ4},
        {'compression': CompressionType.ZSTD, 'chunk_size': 64},
        {'use_chunking': False},
        {'index_types': IndexType.NONE},
        {'index_types': IndexType.NONE, 'repeat_channels': False, 'use_summary_offsets': False},
    ],
)
def test_every_layout_of_the_file_plays(
    options: dict[str, Any], node: Node, tmp_path: Path
) -> None:
    path = write_recording(tmp_path / 'a.mcap', TEN_HERTZ, **options)
    player, warnings = play(path, node)
    assert player.played['/clock_work'].published == 20
    assert not warnings


def test_patterns_choose_topics(node: Node, tmp_path: Path) -> None:
    messages = [(topic, 0, text('x')) for topic in ('/a/one', '/a/two', '/b', '/c')]
    path = write_recording(tmp_path / 'a.mcap', messages)
    patterns = tuple(map(compile_pattern, ['/a/*', 're:/[c-z]']))
    player, _ = play(path, node, topics=patterns)
    assert sorted(player.played) == ['/a/one', '/a/two', '/c']


@pytest.mark.parametrize(
    ('options', 'topic', 'reason'),
    [
        ({'encoding': 'json'}, '/ok', "encoded as 'json', not cdr"),
        ({'type_name': 'String'}, '/ok', 'not a message type name'),
        ({'type_name': 'std_srvs/srv/Empty'}, '/ok', 'a service or an action'),
        ({}, '/not a topic', 'ROS refuses the topic'),
        ({}, '', 'ROS refuses the topic'),
    ],
)
def test_topic_that_cannot_be_published_is_skipped_with_the_reason(
    options: dict[str, Any], topic: str, reason: str, node: Node, tmp_path: Path
) -> None:
    path = write_recording(tmp_path / 'a.mcap', [(topic, 0, text('x'))], **options)
    player, warnings = play(path, node)
    assert player.played == {}
    assert reason in player.skipped[topic]
    assert len(warnings) == 1
    assert '\n' not in warnings[0]


def test_topics_without_subscribers_are_named_after_the_wait(node: Node, tmp_path: Path) -> None:
    path = write_recording(tmp_path / 'a.mcap', [('/alone', 0, text('x'))])
    player, warnings = play(path, node, wait_for_subscribers_s=3.0)
    assert warnings == ['no subscriber on /alone']
    assert player.played['/alone'].published == 1


LATCHED = """
- history: keep_last
  depth: 7
  reliability: reliable
  durability: transient_local
  deadline: {sec: 9223372036, nsec: 854775807}
"""


def test_recorded_offer_is_offered_again(node: Node, tmp_path: Path) -> None:
    path = write_recording(
        tmp_path / 'a.mcap',
        [('/latched', 0, text('x'))],
        metadata={'offered_qos_profiles': LATCHED},
    )
    play(path, node)
    (endpoint,) = node.get_publishers_info_by_topic('/latched')
    assert endpoint.qos_profile.reliability == QoSReliabilityPolicy.RELIABLE
    assert endpoint.qos_profile.durability == QoSDurabilityPolicy.TRANSIENT_LOCAL


@pytest.mark.parametrize(
    ('stored', 'offer'),
    [
        (LATCHED, Offer(reliable=True, transient_local=True, depth=7)),
        ('- {reliability: 2, durability: 2, depth: 5}', Offer(reliable=False, depth=5)),
        ('- {reliability: 1, durability: 1, depth: 0}', Offer(transient_local=True)),
        ('- {reliability: best_effort, durability: volatile}', Offer(reliable=False)),
        (
            '[{reliability: best_effort, depth: 3}, {reliability: reliable, depth: 1}]',
            Offer(reliable=True, depth=3),
        ),
        ('- {reliability: best_effort, depth: -1}', Offer(reliable=False)),
        ('- {reliability: best_effort, depth: many}', Offer(reliable=False)),
        ('', Offer()),
        ('[]', Offer()),
        ('just words', Offer()),
        ('{a: [', Offer()),
    ],
)
def test_offers_in_rosbag2s_notations(stored: str, offer: Offer) -> None:
    assert offer_from_metadata({'offered_qos_profiles': stored}) == offer


def test_without_recorded_offer_it_is_reliable_and_volatile() -> None:
    assert offer_from_metadata({}) == Offer(reliable=True, transient_local=False, depth=0)


# The command.


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_an_endless_loop_cleanly(
    number: signal.Signals, listener: Listener, tmp_path: Path
) -> None:
    path = write_recording(tmp_path / 'a.mcap', TEN_HERTZ)
    counts = tmp_path / 'counts.json'
    received = listener.subscribe('/clock_work')
    listener.start()
    process = subprocess.Popen(
        command(path, '--loop', '--rate', 20, '--wait-for-subscribers', 20, '--counts', counts),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        wait_until(lambda: len(received) > 30, what='more than one round')
        process.send_signal(number)
        output, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, errors
    assert errors == ''
    published = json.loads(counts.read_text())['published']['/clock_work']
    wait_until(lambda: len(received) == published, what='what was counted')
    assert f'/clock_work  {published} messages' in output


def test_signal_ends_the_wait_for_subscribers(tmp_path: Path) -> None:
    path = write_recording(tmp_path / 'a.mcap', [('/alone', 0, text('x')), ('/1', 0, text('x'))])
    process = subprocess.Popen(
        command(path, '--wait-for-subscribers', 600),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        assert process.stderr is not None
        # The refused topic is told just before the wait.
        assert '/1: skipped' in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert output == '/alone  0 messages  0.00 Hz  0 bytes\n'


def damaged(kind: str, folder: Path) -> Path:
    """Make a file that is no sound recording."""
    path = folder / f'{kind}.mcap'
    if kind == 'absent':
        return path
    if kind == 'folder':
        path.mkdir()
        return path
    whole = write_recording(path, TEN_HERTZ, compression=CompressionType.NONE).read_bytes()
    if kind == 'flipped':
        where = whole.index(text('7')[4:])
        path.write_bytes(whole[:where] + b'\xff' + whole[where + 1 :])
    else:
        path.write_bytes(
            {
                'empty': b'',
                'random': bytes(range(256)) * 8,
                'truncated': whole[: len(whole) // 2],
                'headless': whole[8:],
                'unfooted': whole[:-20],
            }[kind]
        )
    return path


@pytest.mark.parametrize(
    'kind',
    ['absent', 'folder', 'empty', 'random', 'truncated', 'headless', 'unfooted', 'flipped'],
)
def test_damaged_file_is_one_clear_error(kind: str, node: Node, tmp_path: Path) -> None:
    path = damaged(kind, tmp_path)
    with pytest.raises(LocalFault) as caught:
        play(path, node)
    assert str(caught.value).startswith(f'{path}: ')
    assert '\n' not in str(caught.value)


def test_damaged_file_ends_the_command_with_one_line(tmp_path: Path) -> None:
    path = damaged('truncated', tmp_path)
    done = run_command(path)
    assert done.returncode == 2
    assert done.stderr.startswith(f'ros-cloud-bridge: {path}: ')
    assert done.stderr.count('\n') == 1


def test_counts_that_cannot_be_written_are_one_line(tmp_path: Path) -> None:
    path = write_recording(tmp_path / 'a.mcap', [('/quick', 0, text('x'))])
    done = run_command(path, '--counts', tmp_path / 'no' / 'such' / 'folder.json')
    assert done.returncode == 2
    assert 'folder.json: cannot be written' in done.stderr
    assert 'Traceback' not in done.stderr


@pytest.mark.parametrize(
    'arguments',
    [
        ['--rate', '0'],
        ['--rate', '-1'],
        ['--rate', 'nan'],
        ['--rate', 'fast'],
        ['--loop', '0'],
        ['--loop', '-3'],
        ['--start-delay', '-1'],
        ['--wait-for-subscribers', 'inf'],
        ['--topics', 're:('],
        ['--topics', '/a b'],
    ],
)
def test_bad_arguments_are_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    from ros_cloud_bridge.cli.main import build_parser

    with pytest.raises(SystemExit, match='2'):
        build_parser('play').parse_args(['play', 'file.mcap', *arguments])
    assert f'argument {arguments[0]}' in capsys.readouterr().err


def test_topics_leave_the_file_alone() -> None:
    from ros_cloud_bridge.cli.main import build_parser

    arguments = ['play', '--topics', '/scan', '--topics', '/tf*', 'file.mcap']
    args = build_parser('play').parse_args(arguments)
    assert args.file == Path('file.mcap')
    chosen = [any(p.matches(t) for p in args.topics) for t in ('/scan', '/tf_static', '/odom')]
    assert chosen == [True, True, False]
