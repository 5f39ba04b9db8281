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

"""A line: what came first goes first, or gives way."""

from ros_cloud_bridge.dashboard.line import Line


def test_what_came_first_goes_first_or_gives_way() -> None:
    line = Line(3, 100, len)
    assert line.take() is None
    for size in (10, 20, 30, 40):
        line.append(bytes(size))
    # Too many.
    assert (len(line), line.given_up) == (3, 1)
    line.append(bytes(50))
    # Too many, and too large together.
    assert [len(value) for value in iter(line.take, None)] == [40, 50]
    assert line.given_up == 3
    line.append(bytes(1000))
    assert line.take() == bytes(1000)
    line.append(bytes(60))
    line.append(bytes(40))
    assert (len(line), line.given_up) == (2, 3)
