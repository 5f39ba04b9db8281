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

"""package.xml against its schema, by ament_xmllint."""

from pathlib import Path

import pytest

main = pytest.importorskip('ament_xmllint.main', reason='ament_xmllint is not here').main

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.xmllint
@pytest.mark.linter
def test_xmllint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert main(argv=['package.xml']) == 0, 'package.xml breaks its schema'
