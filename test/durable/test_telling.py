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

"""What the log says of the spool, and how often."""

from ros_cloud_bridge.durable.telling import Telling
from ros_cloud_bridge.store.lanes import SpoolFigures


def figures(samples: int, oldest_age_s: float | None) -> SpoolFigures:
    return SpoolFigures(
        state='ok',
        bytes=0,
        max_bytes=0,
        samples=samples,
        oldest_age_s=oldest_age_s,
        written_bytes_today=0,
        dead_letters=0,
        streams={},
    )


def test_what_earlier_runs_have_left() -> None:
    said: list[tuple[str, str]] = []
    telling = Telling(lambda *line: said.append(line))
    telling.began(figures(0, None))
    telling.began(figures(565, 31.0))
    telling.began(figures(7, 200_000.0))
    assert [text for _, text in said] == [
        'spool: 565 samples of earlier runs are on disk, the oldest 31 s old',
        'spool: 7 samples of earlier runs are on disk, the oldest 2 d old',
    ]


def test_a_consumer_that_goes_and_comes_is_said_once_each() -> None:
    said: list[tuple[str, str]] = []
    telling = Telling(lambda *line: said.append(line))
    for now in range(5):
        telling.look({'events': 'archive'}, ['archive'], float(now))
    for now in range(5, 10):
        telling.look({}, [], float(now))
    assert [level for level, _ in said] == ['warning', 'error', 'info']
    assert "'events'" in said[0][1] and "'archive' (confirm_by) is not there" in said[0][1]
    assert 'several processes' in said[1][1] and 'is there again' in said[2][1]


def test_drops_for_want_of_room_are_summed_up_a_minute() -> None:
    said: list[tuple[str, str]] = []
    telling = Telling(lambda *line: said.append(line))
    for now in range(120):
        telling.dropped('events', 10)
        telling.look({}, [], float(now))
    assert len(said) == 2 and {level for level, _ in said} == {'warning'}
    assert 'for 10 samples' in said[0][1] and 'for 600 samples' in said[1][1]
