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

"""Style by ruff, which finds the same as the ament linters, in a moment."""

from pathlib import Path
import shutil
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parents[1]
RUFF = shutil.which('ruff', path=str(Path(sys.executable).parent)) or shutil.which('ruff')


@pytest.mark.ruff
@pytest.mark.linter
@pytest.mark.skipif(RUFF is None, reason='ruff is not installed')
def test_ruff() -> None:
    assert RUFF is not None
    done = subprocess.run(
        [RUFF, 'check', '.'], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
