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

"""
Types: mypy strict, by ament_mypy on a ROS 2 machine and by mypy itself elsewhere.

Here the package alone, which passes with old mypys too; scripts/check has the newest, and has it
look at the tests too.
"""

from importlib.util import find_spec
from pathlib import Path
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Without the types of these mypy would report what is no error.
MISSING = [name for name in ('mypy', 'numpy', 'hypothesis') if find_spec(name) is None]


@pytest.mark.mypy
@pytest.mark.linter
@pytest.mark.usefixtures('linted')
def test_ament_mypy() -> None:
    main = pytest.importorskip('ament_mypy.main', reason='ament_mypy is not here').main
    assert main(argv=['--config', 'pyproject.toml', 'ros_cloud_bridge']) == 0, 'type errors'


@pytest.mark.mypy
@pytest.mark.linter
@pytest.mark.skipif(bool(MISSING), reason=f'not installed: {MISSING}')
def test_mypy() -> None:
    done = subprocess.run(
        [sys.executable, '-m', 'mypy', 'ros_cloud_bridge'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
