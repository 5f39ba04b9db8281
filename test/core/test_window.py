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

"""What the link takes: in-flight limits and rates."""

import pytest

from ros_cloud_bridge.core.window import SendWindow


def test_limits_in_flight() -> None:
    window = SendWindow(1000, 0.0)
    assert window.wait_s(0, 0, 10, 0.0) == 0.0
    assert window.wait_s(9, 999, 10, 0.0) == 0.0
    assert window.wait_s(10, 0, 10, 0.0) is None
    assert window.wait_s(1, 1000, 10, 0.0) is None


def test_one_message_always_fits() -> None:
    assert SendWindow(0, 0.0).wait_s(0, 0, 1, 0.0) == 0.0


def test_both_rates_hold() -> None:
    for bytes_per_s, messages_per_s, size, expected in (
        (10_000.0, 0.0, 500, 20.0),
        (0.0, 5.0, 500, 5.0),
        (10_000.0, 5.0, 500, 5.0),
        (1_000.0, 5.0, 500, 2.0),
    ):
        window = SendWindow(1 << 30, 0.0)
        window.set_rates(bytes_per_s, messages_per_s, 0.0)
        now, sent = 0.0, 0
        while now < 200.0:
            wait = window.wait_s(0, 0, 10, now)
            assert wait is not None
            if wait > 0.0:
                now += wait
                continue
            window.sent(size, now)
            sent += 1
        assert sent / 200.0 == pytest.approx(expected, rel=0.02)


def test_setting_the_same_rate_again_gives_no_new_burst() -> None:
    window = SendWindow(1000, 0.0)
    window.set_rates(100.0, 0.0, 0.0)
    window.sent(1000, 0.0)
    before = window.wait_s(0, 0, 1, 0.0)
    window.set_rates(100.0, 0.0, 0.0)
    assert window.wait_s(0, 0, 1, 0.0) == before
    window.set_rates(0.0, 0.0, 0.0)
    assert window.wait_s(0, 0, 1, 0.0) == 0.0
