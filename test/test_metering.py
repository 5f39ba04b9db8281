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


"""The month's data over restarts, and what the log says of it."""

from pathlib import Path

from ros_cloud_bridge.metering import Meter
from ros_cloud_bridge.values import BridgeConfig, LinkConfig

Lines = list[tuple[str, str]]


def config(folder: Path, megabytes: float) -> BridgeConfig:
    return BridgeConfig(
        robot_id='amr-07',
        state_dir=str(folder),
        link=LinkConfig(monthly_budget_mb=megabytes),
    )


def meter(folder: Path, megabytes: float) -> tuple[Meter, Lines]:
    said: Lines = []
    return Meter(config(folder, megabytes), lambda level, text: said.append((level, text))), said


def test_without_a_budget_nothing_is_counted_or_written(tmp_path: Path) -> None:
    made, said = meter(tmp_path, 0.0)
    made.look(1e9)
    made.save()
    assert made.budget is None and said == [] and list(tmp_path.iterdir()) == []


def test_what_was_used_survives_a_restart_and_its_end_is_told_once(tmp_path: Path) -> None:
    first, said = meter(tmp_path, 1.0)
    assert first.budget is not None and said == []
    now = first.budget._updated
    first.budget.spent(1_200_000, now)
    for second in range(1, 4):
        first.look(now + 10.0 * second)
    assert [level for level, _ in said] == ['error']
    assert said[0][1].startswith('the monthly budget is used up')
    first.save()
    second_life, again = meter(tmp_path, 1.0)
    assert second_life.budget is not None
    document = second_life.budget.document(now)
    assert document['used_bytes'] == 1_200_000 and document['exhausted'] is True
    assert [level for level, _ in again] == ['error']
    second_life.configure(config(tmp_path, 5.0), now + 60.0)
    assert again[-1] == ('info', 'the monthly budget has room again')


def test_a_directory_that_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('not a directory')
    _, said = meter(tmp_path / 'file', 1.0)
    assert len(said) == 1 and str(tmp_path / 'file') in said[0][1]
