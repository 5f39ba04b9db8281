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

"""Docstrings by ament_pep257."""

import pytest

main = pytest.importorskip('ament_pep257.main', reason='ament_pep257 is not here').main


@pytest.mark.pep257
@pytest.mark.linter
def test_pep257(linted: list[str]) -> None:
    # The imperative (D401) is left to ruff, which knows a property from a method.
    status = main(argv=[*linted, '--add-ignore', 'D401'])
    assert status == 0, 'docstrings break the conventions; the output says which'
