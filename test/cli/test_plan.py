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

"""``plan`` on real recordings: its figures add up, and bad input gets one clear line."""

from argparse import ArgumentTypeError
from importlib.util import find_spec
import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.cli import plan_link
from ros_cloud_bridge.cli.main import main
from ros_cloud_bridge.cli.plan_report import percentile
from ros_cloud_bridge.cli.plan_run import PublishCosts
from ros_cloud_bridge.uplink.parcels import Message

pytestmark = pytest.mark.skipif(
    find_spec('mcap') is None, reason='mcap: install the extra cloud or plan'
)
CONFIG = Path(__file__).parents[2] / 'config'
HUSKY = 'a1_husky_outdoor'
LASER = 'a3_tilt_laser_xsens'
ODOMETRY = '/husky_velocity_controller/odom'


def plan(tmp_path: Path, recordings: Path, name: str, *arguments: str) -> dict[str, Any]:
    found = tmp_path / 'plan.json'
    files = [str(CONFIG / f'{name}.yaml'), str(recordings / f'{name}.mcap')]
    assert main(['plan', *files, '--json', str(found), *arguments]) == 0
    document: dict[str, Any] = json.loads(found.read_text())
    return document


def by_topic(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entry['topic']: entry for entry in found['topics']}


def test_everything_is_accounted_for(tmp_path: Path, recordings: Path) -> None:
    found = plan(tmp_path, recordings, LASER, '--link', '64k', '--seconds', '30')
    topics = by_topic(found)
    # The laser's configuration takes all that its recording has.
    assert len(topics) == 7 and found['not_bridged'] == {}
    for entry in topics.values():
        done = entry['sent'] + entry['left'] + sum(entry['dropped'].values())
        # What has arrived while its answer is on the way counts as left, too.
        assert entry['published'] - 1 <= done <= entry['published'] + 100
        ages = entry['age_ms']
        assert 0 < ages['p50'] <= ages['p95'] <= ages['max']
    wire = sum(entry['wire_bytes'] for entry in topics.values()) + found['announced_bytes']
    wire += found['link']['acknowledgement_bytes']
    assert wire == pytest.approx(found['link']['bytes'], rel=0.01)
    assert found['link']['use'] > 0.97
    assert sum(found['limited_by'].values()) == pytest.approx(1.0, abs=0.05)
    assert topics['/velocity']['age_ms']['p95'] < topics['/imu_data']['age_ms']['p95']


def test_a_wide_link_costs_no_sample_and_hardly_any_time(tmp_path: Path, recordings: Path) -> None:
    found = plan(tmp_path, recordings, HUSKY, '--link', '20M')
    for entry in found['topics']:
        assert entry['dropped'].keys() <= {'rate'}
        assert entry['sent'] + entry['left'] == entry['published']
    # The stream's own delay, and some milliseconds.
    assert 95 < by_topic(found)[ODOMETRY]['age_ms']['p95'] < 115
    assert found['seconds'] == pytest.approx(120.0, abs=1.0)


def test_plans_are_repeatable(tmp_path: Path, recordings: Path) -> None:
    arguments = ('--link', '128k', '--delay', '30ms', '--jitter', '10ms', '--stall', '5%')
    once = plan(tmp_path, recordings, LASER, *arguments)
    assert plan(tmp_path, recordings, LASER, *arguments) == once


def test_delay_stalls_and_steps_are_felt(tmp_path: Path, recordings: Path) -> None:
    def p95(*arguments: str) -> float:
        found = plan(tmp_path, recordings, HUSKY, '--seconds', '30', *arguments)
        value: float = by_topic(found)[ODOMETRY]['age_ms']['p95']
        return value

    plain = p95('--link', '256k')
    assert p95('--link', '256k', '--delay', '300ms') == pytest.approx(plain + 300, abs=60)
    assert p95('--link', '256k', '--stall', '20%') > plain + 100
    assert p95('--link', '0:256k,5:32k') > plain + 20


def test_algorithm_topics_and_loops(tmp_path: Path, recordings: Path) -> None:
    arguments = ('--topics', '/scan', '--loop', '2', '--algorithm', 'ledbat')
    found = plan(tmp_path, recordings, LASER, '--link', '256k', *arguments)
    assert found['algorithm'] == 'ledbat'
    (scan,) = found['topics']
    assert scan['published'] == 2 * 178
    assert scan['stream'] == 'scan'


def test_reducers_take_part(tmp_path: Path, recordings: Path) -> None:
    found = tmp_path / 'plan.json'

    def wire(name: str) -> dict[str, dict[str, Any]]:
        files = [str(CONFIG / f'{name}.yaml'), str(recordings / f'{HUSKY}.mcap')]
        assert main(['plan', *files, '--json', str(found), '--link', '2M']) == 0
        return by_topic(json.loads(found.read_text()))

    whole, metered = wire(HUSKY), wire('a1_husky_metered')
    imu = metered['/imu/data']
    assert imu['dropped']['unchanged'] == imu['published'] - imu['sent'] - imu['left']
    assert 5.5 < imu['published'] / imu['sent'] < 6.5
    assert imu['wire_bytes'] < 0.25 * whole['/imu/data']['wire_bytes']


def write_config(tmp_path: Path, text: str) -> str:
    path = tmp_path / 'robot.yaml'
    path.write_text(f'/**:\n  ros__parameters:\n    robot_id: husky\n{text}')
    return str(path)


def test_dashboards_take_their_part(
    tmp_path: Path, recordings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    streams = (
        f'    streams: [pose]\n    stream:\n      pose: {{topics: [{ODOMETRY}], max_hz: 5.0, '
        'dashboard_hz: 2.0, dashboard_fields: [x, speed]}\n'
    )
    found = tmp_path / 'plan.json'
    files = [write_config(tmp_path, streams), str(recordings / f'{HUSKY}.mcap')]
    assert main(['plan', *files, '--json', str(found), '--link', '2M', '--seconds', '20']) == 0
    shown = json.loads(found.read_text())['dashboard_bytes']
    # Twice a second a line of JSON, with its topic and all headers.
    assert 40 * 100 <= shown <= 40 * 300
    assert f'dashboards {shown / 1000:.1f} kB' in capsys.readouterr().out


def test_a_budget_and_what_no_stream_takes_are_told(
    tmp_path: Path, recordings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(
        tmp_path,
        f'    state_dir: {tmp_path}\n'
        '    link: {monthly_budget_mb: 500.0}\n'
        '    streams: [pose]\n'
        f'    stream: {{pose: {{topics: [{ODOMETRY}]}}}}\n',
    )
    recording = str(recordings / f'{HUSKY}.mcap')
    assert main(['plan', config, recording, '--link', '256k', '--seconds', '20']) == 0
    told = capsys.readouterr().out
    assert '/imu/data: no stream takes it' in told
    assert '/fix: no stream takes it' in told
    assert 'the budget of 0.50 GB lasts for' in told
    # What is kept for the robot stays where it is.
    assert [path.name for path in tmp_path.iterdir()] == ['robot.yaml']


def test_a_ladder_s_steps_are_told(
    tmp_path: Path, recordings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(
        tmp_path,
        '    streams: [pose, rest]\n'
        '    stream:\n'
        f'      pose: {{topics: [{ODOMETRY}], priority: high}}\n'
        '      rest: {topics: ["*"], priority: low, keep: fifo, ladder: [5hz, pause]}\n',
    )
    recording = str(recordings / f'{HUSKY}.mcap')
    assert main(['plan', config, recording, '--link', '16k', '--seconds', '40']) == 0
    told = capsys.readouterr().out
    assert 'ladder' in told and 'rest' in told
    assert 'degraded' in told


def test_a_stream_on_demand_flows_once_it_is_leased(
    tmp_path: Path, recordings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(
        tmp_path,
        '    streams: [imu]\n'
        '    demand: {allow: [nobody], max_lease_s: 10.0}\n'
        '    stream: {imu: {topics: [/imu/data], on_demand: true, keep: fifo}}\n',
    )
    place = tmp_path / 'plan.json'
    arguments = [config, str(recordings / f'{HUSKY}.mcap'), '--link', '1M', '--seconds', '60']

    def sent(*more: str) -> int:
        assert main(['plan', *arguments, '--json', str(place), *more]) == 0
        count: int = json.loads(place.read_text())['topics'][0]['sent']
        return count

    assert sent() == 0
    assert sent('--lease', 'imu') > 1700
    assert 250 < sent('--lease', 'imu:5') <= 310
    capsys.readouterr()
    assert "'pose' is no stream with on_demand" in refused(capsys, *arguments, '--lease', 'pose')


@pytest.mark.skipif(find_spec('matplotlib') is None, reason='matplotlib: install the extra plan')
def test_a_plot_is_drawn(tmp_path: Path, recordings: Path) -> None:
    picture = tmp_path / 'plan.png'
    arguments = ('--link', '0:256k,10:64k', '--seconds', '20', '--plot', str(picture))
    plan(tmp_path, recordings, LASER, *arguments)
    assert picture.read_bytes().startswith(b'\x89PNG')
    assert picture.stat().st_size > 20_000


@pytest.mark.skipif(find_spec('matplotlib') is not None, reason='matplotlib is there')
def test_without_matplotlib_a_plot_is_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(CONFIG / f'{HUSKY}.yaml'), 'none.mcap']
    arguments = ['--link', '256k', '--plot', str(tmp_path / 'plan.png')]
    assert main(['plan', *files, *arguments]) == 2
    assert "pip install 'ros_cloud_bridge[plan]'" in capsys.readouterr().err


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run, and give the one line that says what is wrong."""
    try:
        status = main(['plan', *arguments])
    except SystemExit as error:
        status = int(str(error.code))
    told = capsys.readouterr()
    assert status == 2
    assert told.out == ''
    lines = [line for line in told.err.splitlines() if ': error: ' in line or 'bridge: ' in line]
    assert len(lines) == 1, told.err
    return lines[0]


def test_bad_input_gets_one_clear_line(
    tmp_path: Path, recordings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, recording = str(CONFIG / f'{HUSKY}.yaml'), str(recordings / f'{HUSKY}.mcap')
    link = ('--link', '256k')
    assert 'none.mcap' in refused(capsys, config, str(tmp_path / 'none.mcap'), *link)
    assert 'none.yaml' in refused(capsys, str(tmp_path / 'none.yaml'), recording, *link)
    assert 'not a sound MCAP file' in refused(capsys, config, config, *link)
    wrong = write_config(tmp_path, '    streams: [pose]\n    stream: {pose: {topcs: [/odom]}}\n')
    assert 'topcs' in refused(capsys, wrong, recording, *link)
    place = str(tmp_path / 'none' / 'plan.json')
    assert main(['plan', config, recording, *link, '--seconds', '1', '--json', place]) == 2
    assert f'{place}: cannot be written' in capsys.readouterr().err
    assert 'required' in refused(capsys, config, recording)
    for name, value in (
        ('--link', '256'),
        ('--delay', '50'),
        ('--stall', '100%'),
        ('--seconds', '0'),
        ('--loop', '0'),
        ('--algorithm', 'cubic'),
        ('--topics', 're:('),
    ):
        assert name in refused(capsys, config, recording, *link, name, value)


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('256k', [(0, 256)]),
        ('64kbit', [(0, 64)]),
        ('2.5M', [(0, 2500)]),
        ('1Mbit/s', [(0, 1000)]),
        ('0:256k,20:64k,40:1M', [(0, 256), (20, 64), (40, 1000)]),
        ('0:256k, 20:0k', [(0, 256), (20, 0)]),
    ],
)
def test_rates(text: str, expected: list[tuple[float, float]]) -> None:
    assert list(plan_link.rates(text)) == expected


@pytest.mark.parametrize(
    'text',
    ['', 'fast', '256', '-1k', '0k', '5:256k', '0:1k,0:2k', '0:1k,-1:2k', '0:1k,x:2k', '1k,'],
)
def test_rates_that_are_none(text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        plan_link.rates(text)


@given(st.text(alphabet='0123456789.:,kM %ms', max_size=12))
def test_no_text_breaks_the_reading_of_the_link(text: str) -> None:
    for read in (plan_link.rates, plan_link.seconds, plan_link.share):
        try:
            read(text)
        except ArgumentTypeError as error:
            assert '\n' not in str(error)


def test_stalls_take_their_share() -> None:
    link = plan_link.profile([(0.0, 256)], delay_s=0, jitter_s=0, stalled=0.1, seconds=1000)
    stalled = sum(length for begin, length in link.stalls if begin < 1000)
    assert stalled / 1000 == pytest.approx(0.1, rel=0.1)


def test_costs_are_those_of_packets() -> None:
    costs = PublishCosts(aliases=1, v5=True, tls=False, segment_bytes=1448)
    message = Message(topic='a/b/c', payload=bytes(100))
    headers = 66
    # Fixed header 2, topic 2 + 5, packet id 2, properties 1; the alias comes with the second.
    assert abs(costs(message, None).link_bytes - (100 + 12 + headers)) <= 1
    assert abs(costs(message, None).link_bytes - (100 + 15 + headers)) <= 1
    third = costs(message, None)
    assert abs(third.link_bytes - (100 + 10 + headers)) <= 1
    # A carrier sees no Ethernet, but the answer.
    assert third.metered_bytes == pytest.approx(third.link_bytes - 14 + 56, abs=1)
    assert costs(message, 2.0).link_bytes == third.link_bytes + 5
    large = costs(Message(topic='a/b/c', payload=bytes(3000)), None)
    assert large.link_bytes == third.link_bytes + 2900 + 2 * headers


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_a_percentile_is_one_of_the_values(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6
