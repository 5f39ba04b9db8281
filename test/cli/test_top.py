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

"""``ros-cloud-bridge top``: its picture at any width, and the program against a real broker."""

from collections.abc import Iterator
from dataclasses import replace
import fcntl
import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
from typing import Any

import pytest

pytest.importorskip('rich', reason='rich is missing: install the extra cloud')

from rich.console import Console  # noqa: E402
from rich.text import Text  # noqa: E402

from ros_cloud_bridge.cli.main import main  # noqa: E402
from ros_cloud_bridge.cli.top_screen import screen  # noqa: E402
from ros_cloud_bridge.cli.top_units import amount, byte_count, rate, seconds  # noqa: E402
from ros_cloud_bridge.cloud.overview import Overview  # noqa: E402
from ros_cloud_bridge.cloud.presence import RobotState  # noqa: E402
from ros_cloud_bridge.cloud.robot_view import RobotView  # noqa: E402
from ros_cloud_bridge.wire.announce import encode_json  # noqa: E402
from support.broker import Broker, free_port  # noqa: E402
from support.program import Program, PROJECT  # noqa: E402
from support.waiting import wait_until  # noqa: E402

wire_robot = pytest.importorskip('support.wire_robot', reason='rosbags is missing')
WireRobot, level_cdr = wire_robot.WireRobot, wire_robot.level_cdr

BOOT = '00112233445566aa'
EPOCH_NS = 1_700_000_000_000_000_000
LINK = {
    'connected': True,
    'in_flight': 2,
    'in_flight_bytes': 1800,
    'algorithm': 'bbr',
    'rate_bytes_per_s': 31200,
    'base_rtt_s': 0.021,
    'rtt_s': 0.06,
    'queue_delay_s': 0.024,
    'window_bytes': 2100,
    'limited_by': 'window',
    'tcp': {'retransmitted_segments': 3},
    'budget': {'limit_bytes': 500e6, 'used_bytes': 120e6, 'resets_in_s': 1036800},
}


def document(boot_id: str = BOOT, **keys: Any) -> dict[str, Any]:
    """Make a health document."""
    dropped = {'rate': 12, 'superseded': 4}
    return {
        'version': 1,
        'boot_id': boot_id,
        'uptime_s': 90.0,
        'link': LINK,
        'streams': [{'stream': 'lidar', 'step': 1, 'steps': 3, 'now': '5hz'}],
        'demand': {
            'leases': [
                {'stream': 'lidar', 'consumer': 'ops-1', 'hz': 5.0, 'ends_in_s': 61.0},
                {'stream': 'lidar', 'consumer': 'ops-2', 'hz': 0.0, 'ends_in_s': 61.0},
            ],
            'refused': {'ops-2/lidar': 'not allowed'},
        },
        'routes': [
            {'route': 0, 'stream': 'lidar', 'topic': '/scan', 'delivered': 7, 'dropped': dropped},
            {'route': 1, 'stream': 'pose', 'topic': '/odom', 'delivered': 9, 'dropped': {}},
        ],
        'problems': {'/x': 'no type support'},
        **keys,
    }


def view_of(robot_id: str = 'amr-07', **keys: Any) -> RobotView:
    """Make a robot of one health document."""
    overview = Overview()
    overview.add_state(
        RobotState(
            robot_id=robot_id,
            online=True,
            reason='birth',
            boot_id=BOOT,
            connection=1,
            retained=False,
        ),
        0.0,
    )
    overview.add_health(robot_id, document(**keys), 3.0, EPOCH_NS)
    return overview.robots(4.0)[0]


def drawn(views: list[RobotView], *, width: int = 80, height: int | None = None) -> list[str]:
    """Draw as a terminal without colours would show it."""
    console = Console(
        width=width, height=100, record=True, color_system=None, file=open(os.devnull, 'w')
    )
    with console.file:
        console.print(screen(views, Text('top'), console, height))
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_one_robot_at_eighty_columns() -> None:
    lines = drawn([view_of()])
    assert max(map(len, lines)) <= 80
    text = ' '.join(' '.join(lines).split())
    for part in (
        'amr-07 online for 4.0 s, boot 00112233445566aa, up 91 s',
        '! stepped down: lidar; limited by window; topics not bridged: 1',
        'link 31.2 kB/s estimated by bbr, limited by window, queue 24 ms, '
        'rtt 60 ms (base 21 ms), window 2.1 kB, in flight 2 (1.8 kB), TCP resent 3',
        'budget 120 MB of 500 MB used, resets in 12 d',
        'lease lidar 5.0 Hz for ops-1, ends in 61 s',
        'lease lidar at full rate for ops-2, ends in 61 s',
        'refused ops-2/lidar: not allowed',
        'not bridged /x: no type support',
    ):
        assert part in text
    (row,) = [line for line in lines if line.startswith('lidar')]
    assert row.split()[:4] == ['lidar', '5hz', '(1/3)', '/scan']
    assert 'superseded 4' in row and ' 7 ' in row
    assert [line for line in lines if line.startswith('pose /odom')]


def spooled(name: str, samples: int, **keys: Any) -> dict[str, Any]:
    """Make a stream's entry of a spool."""
    figures = {'stream': name, 'samples': samples, 'bytes': 100 * samples, 'oldest_age_s': 7200.0}
    return {**figures, 'earlier_boots': 0, 'unconfirmed': 0, **keys}


def spool(samples: int, *streams: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """Make a health document's spool."""
    return {
        'state': 'ok',
        'recovered': '',
        'bytes': 3_100_000,
        'max_bytes': 1e9,
        'samples': samples,
        'oldest_age_s': 7200.0,
        'written_bytes_today': 12_000_000,
        'dead_letters': 0,
        'streams': list(streams),
        **keys,
    }


def backlog_view(*spools: dict[str, Any]) -> RobotView:
    """Make a robot whose spool has been told of every ten seconds."""
    overview = Overview()
    for turn, told in enumerate(spools):
        told_s = 10.0 * turn
        overview.add_health('amr-07', document(uptime_s=told_s, spool=told), told_s, EPOCH_NS)
    return overview.robots(10.0 * len(spools) - 9.0)[0]


def test_a_spool_and_its_backlogs_have_lines_of_their_own() -> None:
    before = spool(13_000, spooled('events', 12_700), spooled('log', 300))
    events = spooled('events', 12_100, earlier_boots=11_000, unconfirmed=64)
    now = spool(12_400, events, spooled('log', 300), spooled('idle', 0), dead_letters=2)
    lines = drawn([backlog_view(before, now)], width=200)
    assert (
        'spool 12.4k samples, 3.1 MB of 1.0 GB on disk, oldest 2 h, shrinking by 60.0/s, '
        'unconfirmed 64, dead letters 2, written today 12.0 MB'
    ) in lines
    assert [line for line in lines if line.startswith('backlog ')] == [
        'backlog events 12.1k samples (1.2 MB), oldest 2 h, of earlier boots 11.0k, unconfirmed '
        '64, shrinking by 60.0/s, gap closes in 3 min',
        'backlog log 300 samples (30.0 kB), oldest 2 h',
    ]
    assert 'backlog: 12400 samples, the oldest for 7200 s' in ' '.join(lines)
    # At a terminal's usual width it is all there, too.
    narrow = ' '.join(' '.join(drawn([backlog_view(before, now)])).split())
    assert 'shrinking by 60.0/s, gap closes in 3 min backlog log 300' in narrow


def test_commands_have_a_line_where_they_are_taken() -> None:
    told = {
        'connected': True,
        'running': 1,
        'refused': {'bad_signature': 3},
        'stops': {'drive': 2},
    }
    lines = drawn([view_of(commands=told)], width=200)
    assert 'commands connected; 1 running; refused: bad_signature 3; stopped: drive 2' in lines
    assert [line for line in lines if 'bad signatures: 3' in line]
    down = drawn([view_of(commands={'connected': False})], width=200)
    assert 'commands not connected' in down
    assert [line for line in down if 'takes no commands: not connected' in line]
    assert not [line for line in drawn([view_of()], width=200) if line.startswith('commands')]


def test_a_spool_that_fails_says_so_first_and_an_empty_one_is_short() -> None:
    failing = drawn([backlog_view(spool(0, state='disk_full', oldest_age_s=None))], width=200)
    assert 'spool disk_full, 0 samples, 3.1 MB of 1.0 GB on disk, written today 12.0 MB' in failing
    assert not [line for line in failing if line.startswith('backlog')]
    assert [line for line in failing if 'spool: disk_full; ' in line]
    assert not [line for line in drawn([view_of()]) if line.startswith('spool')]


def test_many_backlogs_are_counted() -> None:
    streams = [spooled(f's{number:02}', 100 - number) for number in range(30)]
    lines = drawn([backlog_view(spool(2500, *streams))], width=200)
    shown = [line for line in lines if line.startswith('backlog')]
    assert shown[0].startswith('backlog s00 100 samples')
    assert (len(shown), shown[-1]) == (9, 'backlog ... and 22 more')
    short = drawn([backlog_view(spool(2500, *streams))], width=200, height=19)
    assert len(short) <= 19 and 'backlog ... and 27 more' in short


@pytest.mark.parametrize('width', [20, 40, 80, 250])
@pytest.mark.parametrize('height', [1, 5, 12, 24, None])
def test_any_size_and_any_number_of_robots_is_drawn(width: int, height: int | None) -> None:
    for count in (0, 1, 3, 60):
        lines = drawn([view_of(f'r{n}') for n in range(count)], width=width, height=height)
        assert max(map(len, lines)) <= width
        if height is not None and height >= 5 and width >= 80:
            assert len(lines) <= height, lines


def test_many_robots_have_a_line_each() -> None:
    fine = replace(view_of('z'), troubles=(), severity=0)
    views = [view_of(f'amr-{n:02}') for n in range(9)] + [fine]
    lines = drawn(views, height=14)
    assert [line.split()[0] for line in lines[3:]] == [f'amr-{n:02}' for n in range(9)] + ['z']
    assert 'stepped down' in lines[3]
    fewer = drawn(views, height=10)
    assert len(fewer) <= 10
    assert fewer[-1] == '... and 4 more robots; --robot GLOB selects'


def test_a_fleet_in_a_file_has_its_sickest_in_full_and_all_in_the_list() -> None:
    lines = drawn([view_of(f'amr-{n:03}') for n in range(60)])
    assert sum(line.startswith('link ') for line in lines) == 50
    assert '... 10 robots are only in the list; --robot GLOB selects' in lines
    assert all(any(line.startswith(f'amr-{n:03}') for line in lines) for n in range(60))


def test_streams_that_do_not_fit_are_counted_and_the_sick_ones_stay() -> None:
    routes = [
        {'route': n, 'stream': f's{n:02}', 'topic': f'/t{n}', 'delivered': n} for n in range(30)
    ]
    streams = [{'stream': 's29', 'step': 2, 'steps': 2, 'now': 'pause'}]
    view = view_of(routes=routes, streams=streams)
    lines = drawn([view], height=24)
    assert len(lines) <= 24
    assert [line for line in lines if line.startswith('s29 pause (2/2)')]
    assert re.fullmatch(r'\.\.\. \d+ more streams', lines[-1])


def test_control_characters_and_markup_of_a_robot_stay_text() -> None:
    evil = '/a\x1b[2J\x07\n[red]b[/]\u202e'
    routes = [{'route': 0, 'stream': '\x1b[31mS', 'topic': evil, 'dropped': {'\x1b[1m': 3}}]
    held = spool(7, spooled(evil, 7), state=evil, recovered=evil)
    view = view_of('r\x1b[0m[bold]', routes=routes, problems={evil: evil}, streams=[], spool=held)
    console = Console(
        width=200, force_terminal=True, color_system='truecolor', file=open(os.devnull, 'w')
    )
    with console.file, console.capture() as captured:
        console.print(screen([view, view], Text('top'), console, None))
    text = captured.get()
    # Of escapes there are but those of rich's own colours.
    assert set(re.findall(r'\x1b(?!\[[0-9;]*m)', text)) == set()
    assert '\x1b[2J' not in text and '\x07' not in text and '\u202e' not in text
    plain = re.sub(r'\x1b\[[0-9;]*m', '', text)
    assert r'/a\x1b[2J\x07\n[red]b[/]\u202e' in plain and r'r\x1b[0m[bold]' in plain


@pytest.mark.parametrize(
    ('value', 'text'),
    [(0, '0'), (0.25, '0.25'), (9.84, '9.8'), (312, '312'), (1234, '1234'), (31_234, '31.2k')],
)
def test_amounts(value: float, text: str) -> None:
    assert amount(value) == text


def test_units() -> None:
    assert [byte_count(n) for n in (None, 0, 940, 31_234, 999_960, 2e18)] == [
        '-',
        '0 B',
        '940 B',
        '31.2 kB',
        '1.0 MB',
        '2.0 EB',
    ]
    spans = (None, 0, 0.0004, 0.024, 0.9996, 1.23, 45, 200, 7200, 1e6)
    assert [seconds(n) for n in spans] == [
        '-',
        '0 ms',
        '0.4 ms',
        '24 ms',
        '1.0 s',
        '1.2 s',
        '45 s',
        '3 min',
        '2 h',
        '12 d',
    ]
    assert [rate(n) for n in (0, 0.1, 5, 99.99, 312)] == ['0', '0.1', '5.0', '100', '312']


@pytest.fixture(scope='module')
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


def arguments(broker: Broker, *further: str) -> list[str]:
    return ['top', '--host', broker.host, '--port', str(broker.port), *further]


def feed(robot: Any, program: Program, route: int, until: str) -> None:
    """Send samples until the program has shown something."""

    def shown() -> bool:
        robot.send(route, [level_cdr(1.0)])
        return until in ''.join(program.out)

    wait_until(shown, 20.0, until)


def test_once_prints_a_table_without_control_codes(broker: Broker) -> None:
    with WireRobot(broker, 'once') as robot:
        robot.announce()
        route = robot.route('/tank/level')
        robot.schemas()
        with Program(arguments(broker, '--robot', 'once', '--once', '--seconds', '4')) as program:
            log = broker.log
            wait_until(lambda: 'Sending SUBACK to rcb-' in log(), what='subscription')
            robot.send(route, [level_cdr(1.0)] * 20)
            health = document(robot.boot.hex(), streams=[])
            health['routes'][0] |= {'stream': 'all', 'topic': '/tank/level'}
            robot.publish(robot.topics.health, encode_json(health))
            assert program.wait() == 0
    text = ''.join(program.out)
    assert '\x1b' not in text and not re.search(r' \n', text)
    assert f'{broker.host}:{broker.port}  1 of 1 robots online' in program.out[0]
    assert '! stepped down' not in text and '! limited by window; topics' in text
    (row,) = [line for line in program.out if line.startswith('all /tank/level')]
    hertz = float(row.split()[2])
    assert 0.0 < hertz <= 20.0
    assert ' 7 superseded 4, rate' in row
    assert program.err == []


def test_once_as_json(broker: Broker) -> None:
    with WireRobot(broker, 'json') as robot:
        robot.announce()
        route = robot.route('/tank\u00e4')
        count = broker.log().count('Sending SUBACK to rcb-')
        options = ('--robot', 'js*', '--once', '--json', '--seconds', '4')
        with Program(arguments(broker, *options)) as program:
            wait_until(lambda: broker.log().count('Sending SUBACK to rcb-') > count)
            robot.send(route, [level_cdr(1.0)] * 5)
            told = document(robot.boot.hex(), spool=spool(12, spooled('events', 12)))
            robot.publish(robot.topics.health, encode_json(told))
            assert program.wait() == 0
    (line,) = program.out
    (shown,) = json.loads(line)['robots']
    assert (shown['robot_id'], shown['online'], shown['boot_id']) == (
        'json',
        True,
        robot.boot.hex(),
    )
    assert shown['link']['figures']['window_bytes'] == 2100
    assert shown['troubles'][0] == 'stepped down: lidar'
    assert (shown['spool']['state'], shown['spool']['figures']['samples']) == ('ok', 12)
    (backlog,) = shown['spool']['streams']
    assert (backlog['stream'], backlog['samples'], backlog['oldest_age_s']) == ('events', 12, 7200)
    assert backlog['closes_in_s'] is None and backlog['arriving'] is None
    routes = {r['topic']: r for stream in shown['streams'] for r in stream['routes']}
    assert routes['/scan']['samples'] == 5 and routes['/scan']['clock_differs'] is False
    assert routes['/scan']['rates']['hz'] > 0.0 and routes['/scan']['rates']['age_p95_s'] > 0.0
    assert routes['/scan']['dropped'] == {'rate': 12, 'superseded': 4}


def test_no_robot_is_a_failure(broker: Broker) -> None:
    with Program(arguments(broker, '--robot', 'nobody', '--once', '--seconds', '1')) as program:
        assert program.wait() == 1
    assert program.out == []
    assert program.err == [f'ros-cloud-bridge: no robot was seen at {broker.host}:{broker.port}\n']


def test_broker_that_is_never_reached_is_a_failure() -> None:
    place = ['top', '--host', '127.0.0.1', '--port', str(free_port())]
    with Program([*place, '--seconds', '1']) as program:
        assert program.wait() == 1
    assert 'was never connected to ' in program.err[-1]


def test_in_a_pipe_it_goes_on_printing(broker: Broker) -> None:
    options = ('--robot', 'pipe', '--interval', '0.2')
    with WireRobot(broker, 'pipe') as robot, Program(arguments(broker, *options)) as program:
        robot.announce()
        route = robot.route('/level')
        feed(robot, program, route, 'all /level')
        before = len(program.out)
        wait_until(lambda: len(program.out) > before + 10, what='the next pictures')
        robot.publish(robot.topics.health, b'{"routes": 7')
        robot.birth(online=False)
        wait_until(lambda: 'offline (shutdown)' in ''.join(program.out))
        program.send(signal.SIGTERM)
        assert program.wait() == 0
    assert '\x1b' not in ''.join(program.out)
    assert any('not JSON' in line for line in program.err)


def test_reader_that_has_gone_ends_it_quietly(broker: Broker) -> None:
    with WireRobot(broker, 'gone') as robot:
        robot.announce()
        options = ('--robot', 'gone', '--interval', '0.1')
        with Program(arguments(broker, *options), read=False) as program:
            assert program.wait() == 0
    assert program.err == []


class Terminal:
    """The program on a terminal of its own."""

    def __init__(self, command: list[str]) -> None:
        self._master, slave = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'ros_cloud_bridge', *command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            # The terminal becomes the session's own, as a login does it.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={
                **os.environ,
                'TERM': 'xterm',
                'COLUMNS': '80',
                'LINES': '24',
                'PYTHONPATH': str(PROJECT),
                'PYTHONIOENCODING': 'utf-8',
            },
        )
        os.close(slave)
        self.text = ''
        os.set_blocking(self._master, False)

    def has(self, text: str) -> bool:
        try:
            self.text += os.read(self._master, 65536).decode(errors='replace')
        except (BlockingIOError, OSError):
            pass
        return text in self.text

    def press(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def close(self) -> int:
        try:
            wait_until(lambda: self.has('\0') or self._process.poll() is not None, 20.0)
            self.has('')
            return self._process.wait(1.0)
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            os.close(self._master)


@pytest.mark.parametrize('keys', [b'q', b'\x03'])
def test_on_a_terminal_it_takes_the_screen_and_gives_it_back(broker: Broker, keys: bytes) -> None:
    with WireRobot(broker, 'tty') as robot:
        robot.announce()
        terminal = Terminal(arguments(broker, '--robot', 'tty', '--interval', '0.1'))
        try:
            wait_until(lambda: terminal.has('1 of 1 robots online'), 20.0)
            # What would go to stderr stands in the picture.
            robot.publish(robot.topics.health, b'{')
            wait_until(lambda: terminal.has('not JSON'), 20.0)
            terminal.press(keys)
        finally:
            status = terminal.close()
    assert status == 0
    enter, leave = terminal.text.find('\x1b[?1049h'), terminal.text.rfind('\x1b[?1049l')
    assert 0 <= enter < leave
    # It is said again where it can still be read afterwards.
    assert 'not JSON' in terminal.text[leave:]


@pytest.mark.parametrize(
    ('further', 'text'),
    [
        (['--json'], 'json: only together with --once'),
        (['--robot', 'a/b'], "robot: 'a/b' is neither a robot id nor a glob"),
    ],
)
def test_impossible_arguments_are_named(
    further: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['top', *further]) == 2
    assert text in capsys.readouterr().err


@pytest.mark.parametrize(
    'further', [['--interval', '0'], ['--seconds', 'nan'], ['--seconds', 'x']]
)
def test_impossible_numbers_are_refused(further: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(['top', *further])
    assert caught.value.code == 2
