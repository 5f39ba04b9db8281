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

"""Whoever wastes the station's time in an operator's name is not listened to without end."""

from collections.abc import Sequence

import pytest

pytest.importorskip('cryptography', reason='cryptography is missing')

from ros_cloud_bridge.command.operators import Operators  # noqa: E402
from ros_cloud_bridge.values import BridgeConfig  # noqa: E402


def heard(sizes: Sequence[int], seconds: float) -> int:
    """
    Say what proves nothing, evenly.

    :param sizes: of the messages
    :param seconds: for how long in all
    :returns: how many were looked at
    """
    operators = Operators(BridgeConfig(robot_id='r'), lambda level, text: None, 0.0)
    looked = 0
    for number, size in enumerate(sizes):
        now = number * seconds / len(sizes)
        if operators.bears('alice', now):
            looked += 1
            operators.suspect('alice', size, now)
        assert operators.bears('bob', now)
    return looked


def test_small_messages_are_looked_at_so_often() -> None:
    assert 2400 <= heard([0] * 20_000, 10.0) <= 2501


def test_large_ones_much_less_often() -> None:
    # Each is as good as 17 small ones.
    assert 140 <= heard([65536] * 20_000, 10.0) <= 149


def test_somebody_is_listened_to_again() -> None:
    operators = Operators(BridgeConfig(robot_id='r'), lambda level, text: None, 0.0)
    while operators.bears('alice', 0.0):
        operators.suspect('alice', 60_000, 0.0)
    assert not operators.bears('alice', 0.0)
    assert operators.bears('alice', 1.0)
