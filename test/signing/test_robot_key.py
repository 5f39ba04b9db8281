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

"""The robot's own key: made once, kept, and never replaced."""

from pathlib import Path
import stat
import threading

import pytest

from ros_cloud_bridge.signing.files import KeyFileError
from ros_cloud_bridge.signing.keys import PrivateKey, PublicKey
from ros_cloud_bridge.signing.places import keys_directory, load_pinned, robots_directory
from ros_cloud_bridge.signing.robot_key import load_or_make, robot_key_path
from ros_cloud_bridge.values import BridgeConfig

ROVER = BridgeConfig(robot_id='rover')


def test_it_is_made_at_the_first_start_and_kept(tmp_path: Path) -> None:
    directory = tmp_path / 'state'
    first = load_or_make(ROVER, directory)
    path = directory / 'robot-rover.key'
    assert robot_key_path(ROVER, directory) == path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_make(ROVER, directory).public == first.public
    assert load_or_make(BridgeConfig(robot_id='other'), directory).public != first.public


def test_it_can_stand_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('HOME', str(tmp_path))
    config = BridgeConfig(robot_id='rover', robot_key_file='~/secret/own.key')
    made = load_or_make(config, tmp_path / 'state')
    assert PrivateKey.load(tmp_path / 'secret' / 'own.key').public == made.public
    assert not (tmp_path / 'state').exists()


@pytest.mark.parametrize('what', ['empty', 'open', 'dangling'])
def test_one_that_cannot_be_used_is_not_replaced(tmp_path: Path, what: str) -> None:
    path = tmp_path / 'robot-rover.key'
    if what == 'dangling':
        path.symlink_to(tmp_path / 'nowhere')
    else:
        PrivateKey.generate().save(path)
        path.chmod(0o644 if what == 'open' else 0o600)
        if what == 'empty':
            path.write_text('')
    before = path.lstat()
    with pytest.raises(KeyFileError, match=str(path)):
        load_or_make(ROVER, tmp_path)
    assert path.lstat() == before
    assert not (tmp_path / 'nowhere').exists()


def test_starts_at_the_same_time_agree(tmp_path: Path) -> None:
    ready = threading.Barrier(8)
    found: list[PublicKey] = []

    def start() -> None:
        ready.wait(10.0)
        found.append(load_or_make(ROVER, tmp_path).public)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20.0)
    assert len(found) == 8
    assert len(set(found)) == 1


def test_keys_stand_where_the_user_keeps_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.setenv('XDG_CONFIG_HOME', 'relative/counts/as/unset')
    assert keys_directory() == tmp_path / '.config/ros_cloud_bridge/keys'
    monkeypatch.setenv('XDG_CONFIG_HOME', str(tmp_path / 'xdg'))
    assert keys_directory() == tmp_path / 'xdg/ros_cloud_bridge/keys'


def test_a_pinned_key_is_found_by_its_robot(tmp_path: Path) -> None:
    robots = robots_directory(tmp_path)
    key = PrivateKey.generate().public
    key.save(robots / 'rover.pub')
    assert load_pinned(robots, 'rover') == key
    with pytest.raises(KeyFileError, match='other.pub: No such file'):
        load_pinned(robots, 'other')
