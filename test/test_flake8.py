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

"""Style by ament_flake8, with the configuration that agrees with ruff's."""

import pytest

ament_flake8 = pytest.importorskip('ament_flake8.main', reason='ament_flake8 is not here')


@pytest.mark.flake8
@pytest.mark.linter
def test_flake8(linted: list[str]) -> None:
    status, errors = ament_flake8.main_with_errors(argv=['--config', 'setup.cfg', *linted])
    assert status == 0, '\n'.join(errors)
