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

"""The page's own tests in TypeScript, where npm has installed what they need."""

from pathlib import Path
import shutil
import subprocess

import pytest

WEB = Path(__file__).resolve().parents[2] / 'web'


def _node() -> tuple[int, ...]:
    program = shutil.which('node')
    if program is None:
        return ()
    said = subprocess.run([program, '--version'], capture_output=True, text=True, check=True)
    return tuple(int(part) for part in said.stdout.strip().lstrip('v').split('.')[:2])


@pytest.mark.skipif(
    _node() < (20, 19) or not (WEB / 'node_modules').is_dir(),
    reason='needs Node.js 20.19 or newer, and npm ci in web/',
)
def test_the_sources_pass_their_tests() -> None:
    for command in (['tsc', '--noEmit'], ['vitest', 'run']):
        program = WEB / 'node_modules' / '.bin' / command[0]
        done = subprocess.run(
            [program, *command[1:]], cwd=WEB, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
