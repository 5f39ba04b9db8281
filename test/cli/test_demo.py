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

"""``ros-cloud-bridge demo``: its arguments, its ROS domain and its table."""

from pathlib import Path
import socket

import pytest

from ros_cloud_bridge.cli.check_config import check_file
from ros_cloud_bridge.cli.demo_parameters import bridge_parameters, REDUCED, usable
from ros_cloud_bridge.cli.demo_processes import free_domain
from ros_cloud_bridge.cli.demo_report import Arrivals, notes, table, TopicFigures
from ros_cloud_bridge.cli.main import main
from ros_cloud_bridge.core.reducer_chain import parse_chain
from ros_cloud_bridge.reducers import registry


def figures(published: int | None, *, raw: int = 500, wire: int = 100) -> TopicFigures:
    return TopicFigures(
        published=published,
        accepted=5,
        delivered=5,
        identical=5,
        raw_bytes=raw,
        wire_bytes=wire,
    )


def column(text: str, name: str) -> list[str]:
    head, *rows = (line.split() for line in text.splitlines() if not line.startswith('-'))
    return [row[head.index(name)] for row in rows]


def test_sum_of_published_is_shown_only_when_all_are_known() -> None:
    known = {'/a': figures(5), '/b': figures(7)}
    assert column(table(known), 'published') == ['5', '7', '12']
    assert column(table({**known, '/rosout': figures(None)}), 'published') == ['5', '7', '-', '-']


def test_ratio_below_one_is_explained() -> None:
    assert notes({'/a': figures(5)}) == ''
    assert 'envelope' in notes({'/a': figures(5), '/b': figures(5, raw=100, wire=101)})


def test_what_reducers_did_stands_beside_what_came_of_it() -> None:
    arrivals = Arrivals()
    arrivals.by_topic = {'/a': figures(5), '/b': figures(5)}
    route = {'topic': '/a', 'wire_bytes': 150, 'dropped': {}}
    arrivals.add_health({'routes': [{**route, 'reducer': {'bytes_in': 2000, 'bytes_out': 500}}]})
    arrivals.add_info({'routes': [{'topic': '/a', 'reducer': 'jpeg', 'error': 'quality 75'}]})
    shown = table(arrivals.by_topic)
    assert column(shown.replace('raw kB', 'raw'), 'raw') == ['2.0', '0.5', '2.5']
    assert column(shown.replace('raw kB', 'raw'), 'reduced') == ['0.5', '-', '1.0']
    assert column(shown.replace(' kB', ''), 'ratio') == ['8.0', '5.0', '7.1']
    assert '/a: jpeg\n    quality 75\n' in notes(arrivals.by_topic)


def test_every_reducer_is_seen_at_work(tmp_path: Path) -> None:
    steps = {step.name for chain in REDUCED.values() for step in parse_chain(chain)}
    assert steps == set(registry.BUILT_IN)
    path = tmp_path / 'bridge.yaml'
    path.write_text(bridge_parameters('demo', 1883, usable(REDUCED)))
    (said,), good = check_file(path)
    assert good
    assert f'{len(REDUCED) + 1} streams' in said


def test_a_reducer_without_its_library_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(registry.BUILT_IN, 'jpeg', 'no_such_library:JpegKind')
    registry.find.cache_clear()
    try:
        assert set(REDUCED) - set(usable(REDUCED)) == {'/camera/image_raw'}
    finally:
        registry.find.cache_clear()
    assert '/camera/image_raw goes out as it is: jpeg cannot be used' in capsys.readouterr().err


@pytest.mark.parametrize('text', ['abc', '0', '-1', 'nan', 'inf'])
def test_seconds_are_a_number_above_0(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match='2'):
        main(['demo', '--seconds', text])
    told = capsys.readouterr().err
    assert f"argument --seconds: must be a number above 0, not '{text}'" in told


def test_recording_that_is_none_is_told_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip('mcap.reader', reason='mcap: install the extra cloud')
    path = tmp_path / 'README.md'
    path.write_text('# no recording\n' * 100)
    assert main(['demo', '--recording', str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ''
    assert err.startswith(f'ros-cloud-bridge: {path}: ')


def test_domain_is_neither_the_callers_nor_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('ROS_DOMAIN_ID', '98')
    monkeypatch.setattr('ros_cloud_bridge.cli.demo_processes._DOMAINS', range(96, 99))
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(('', 7410 + 250 * 96))
        assert {free_domain() for _ in range(20)} == {97}
