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

"""Damage in the schema of a database, whose bytes SQLite quotes in what it says."""

from pathlib import Path

from ros_cloud_bridge.cloud.ledger import HELD, Ledger, LedgerEntry, Span
from ros_cloud_bridge.store.spool import reckoning
from ros_cloud_bridge.wire.batch import Descriptor
from support.spools import NEXT_BOOT, open_lane, open_spool, samples

# Where SQLite expects a name it quotes this, and it is no text in UTF-8.
NO_TEXT = b'@\xfe\xb2'
DESCRIPTOR = Descriptor(stream='s', topic='/t', type_name='std_msgs/msg/String', schema_id='')


def damage(path: Path, text: bytes) -> None:
    data = path.read_bytes()
    assert text in data
    path.write_bytes(data.replace(text, text[: -len(NO_TEXT)] + NO_TEXT))


def test_a_spool(tmp_path: Path) -> None:
    path = tmp_path / 's'
    spool = open_spool(path)
    lane = open_lane(spool)
    spool.commit([(lane, samples(1, 1, 30))])
    spool.close()
    damage(path, b'CREATE TABLE lanes(\n')
    spool = open_spool(path, NEXT_BOOT)
    assert 'malformed' in spool.recovered
    assert (tmp_path / 's.corrupt-1').exists()
    lane = open_lane(spool)
    spool.commit([(lane, samples(1, 1, 10))])
    assert lane.committed == 10 and spool.state == 'ok'
    assert reckoning(path).adds_up
    spool.close()


def test_a_ledger(tmp_path: Path) -> None:
    path = tmp_path / 'l'
    ledger = Ledger(path, 'sink')
    spans = (Span(HELD, 1, 9),)
    entry = LedgerEntry(
        robot_id='robot', boot=bytes(8), route=1, descriptor=DESCRIPTOR, spans=spans
    )
    ledger.commit([entry])
    ledger.close()
    damage(path, b'CREATE TABLE lanes (lane')
    ledger = Ledger(path, 'sink')
    assert 'malformed' in ledger.recovered
    assert ledger.entries() == []
    ledger.close()
