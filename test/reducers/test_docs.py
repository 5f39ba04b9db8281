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

"""The page on reducers: every reducer stands there, and its example does what it says."""

from pathlib import Path
import re
from typing import Any

from ros_cloud_bridge.reducers.interface import Level
from ros_cloud_bridge.reducers.registry import BUILT_IN

PAGE = (Path(__file__).parents[2] / 'docs' / 'reducers.md').read_text()


def test_every_reducer_stands_in_the_table() -> None:
    table = PAGE[PAGE.index('| reducer | for |') : PAGE.index('## What to expect')]
    named = set(re.findall(r'`([a-z_]+)`', table))
    assert named == set(BUILT_IN)


def test_the_example_of_one_s_own_reducer_works() -> None:
    (code,) = re.findall(r'```python\n(.*?)```', PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    kind = names['EveryOtherKind']()
    assert f'{kind.name} = "my_package.reducers:EveryOtherKind"' in PAGE
    reducer = kind.make('a/msg/A', '', {}, 100)
    for level, every in ((Level.FULL, 2), (Level.REDUCED, 4), (Level.MINIMAL, 8)):
        made = [reducer.reduce(b'x', level) for _ in range(16)]
        assert sum(one is not None for one in made) == 16 // every
