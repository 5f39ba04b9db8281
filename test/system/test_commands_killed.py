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


"""The bridge is killed around commands that must not run twice."""

from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')

from support.command_kills import Kills  # noqa: E402


@pytest.mark.slow
def test_nothing_runs_twice_and_everything_is_answered(tmp_path: Path) -> None:
    with Kills(tmp_path, seed=3) as kills:
        reckoning = kills.run(4)
    assert reckoning.good, reckoning
    assert reckoning.rounds == 4 and reckoning.commands >= 16, reckoning
    # The first of each round, at the least, was carried out.
    assert reckoning.once >= 5, reckoning
    assert reckoning.once + reckoning.never == reckoning.commands
