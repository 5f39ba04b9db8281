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

"""Golden vectors of compact forms: the committed ones are restored, and reducers mean the same."""

from typing import Any

import pytest

pytest.importorskip('rosbags')
from vectors.form_cases import FormCase, forms, restored_each  # noqa: E402
from vectors.generate import load  # noqa: E402

from ros_cloud_bridge.reducers import sensor_columns, sensor_words  # noqa: E402

COMMITTED = load('forms.json')


def check(case: dict[str, Any]) -> None:
    restored = restored_each(
        case['form'], [bytes.fromhex(sample['data']) for sample in case['samples']]
    )
    for sample, message in zip(case['samples'], restored, strict=True):
        if sample.get('expect') == 'error':
            assert message is None
        else:
            assert message is not None
            assert message.hex() == sample['cdr']


@pytest.mark.parametrize('case', COMMITTED, ids=lambda case: str(case['name']))
def test_committed_forms_are_restored(case: dict[str, Any]) -> None:
    check(case)


def test_names_are_the_committed_ones() -> None:
    names = [case['name'] for case in COMMITTED]
    assert [case.name for case in forms()] == names
    assert len(set(names)) == len(names)


@pytest.mark.parametrize('made', forms(), ids=lambda case: str(case.name))
def test_reducers_still_mean_the_same(made: FormCase) -> None:
    (committed,) = [case for case in COMMITTED if case['name'] == made.name]
    for fresh, old in zip(made.document()['samples'], committed['samples'], strict=True):
        assert fresh.get('cdr') == old.get('cdr')
        assert fresh.get('expect') == old.get('expect')


def test_every_predictor_and_kind_of_column_is_among_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    predictors, heads = set(), set()
    head = sensor_columns.ColumnReader.head

    def watched(left: Any, width: int, predictor: int) -> Any:
        predictors.add(predictor)
        return sensor_words.restore(left, width, predictor)

    def watched_head(reader: sensor_columns.ColumnReader, length: int) -> bytes:
        raw = head(reader, length)
        heads.add(raw)
        return raw

    monkeypatch.setattr(sensor_columns, 'restore', watched)
    monkeypatch.setattr(sensor_columns.ColumnReader, 'head', watched_head)
    for case in COMMITTED:
        check(case)
    assert {0, 1, 2, 3, 4} <= predictors
    # Constants, palettes; scaled ones as they are, masked, of the same mask, both filled, wide.
    assert {b'\0', b'\x20'} <= heads
    assert {bytes((0x30, flags)) for flags in (0, 1, 2, 5, 6, 8)} <= heads
