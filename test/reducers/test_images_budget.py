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

"""The search for a quality comes within a tenth, and stays there with hardly a second try."""

from hypothesis import given
from hypothesis import strategies as st

from ros_cloud_bridge.reducers.images_budget import BytesBudget


class Encoder:
    """Makes pictures whose bytes follow quality and scale as a JPEG's do, roughly."""

    def __init__(self, size: float, curve: float) -> None:
        self.size = size
        self.curve = curve
        self.calls = 0

    def __call__(self, quality: int, scale: float) -> bytes:
        self.calls += 1
        part = (quality / 100.0) ** 0.8 + self.curve * (quality / 100.0) ** 8
        return bytes(int(600 + self.size * scale**2 * part))


@given(st.floats(20_000, 2_000_000), st.floats(0.0, 2.0), st.integers(1500, 400_000))
def test_within_a_tenth_wherever_that_can_be(size: float, curve: float, target: int) -> None:
    encoder, budget = Encoder(size, curve), BytesBudget()
    for _ in range(3):
        data = budget.fit(encoder, target)
    best = len(encoder(95, 1.0))
    if best < 0.9 * target:
        assert len(data) == best
    else:
        assert 0.9 * target <= len(data) <= 1.1 * target


def test_a_steady_picture_takes_one_try() -> None:
    encoder, budget = Encoder(300_000, 0.5), BytesBudget()
    budget.fit(encoder, 40_000)
    encoder.calls = 0
    for _ in range(20):
        budget.fit(encoder, 40_000)
    assert encoder.calls == 20


def test_what_cannot_be_is_near() -> None:
    budget = BytesBudget()
    assert len(budget.fit(Encoder(0.0, 0.0), 500)) == 600


def test_large_again_after_it_had_to_be_small() -> None:
    budget = BytesBudget()
    for _ in range(4):
        budget.fit(Encoder(2_000_000, 0.5), 10_000)
    assert budget.steps > 0
    for _ in range(8):
        data = budget.fit(Encoder(20_000, 0.5), 10_000)
    assert budget.steps <= 1
    assert 9_000 <= len(data) <= 11_000
