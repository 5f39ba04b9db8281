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

"""Finds the quality at which a picture has as many bytes as it may, starting from the last one."""

from collections.abc import Callable
import math

LOWEST, HIGHEST = 10, 95
WITHIN = 0.1
# Edge by edge what the next smaller size has of a size.
_SMALLER = 0.8
# By that the logarithm of its bytes grows, about.
_STEP_GROWTH = -2.0 * math.log(_SMALLER)
_MOST_STEPS = 16
# Growth of the logarithm of a picture's bytes with its quality; a first guess.
_GROWTH = 0.025
# A smaller picture whose quality is so good may be a larger one.
_GOOD = 70
_TRIES = 10


class BytesBudget:
    """
    Keeps pictures to a number of bytes.

    ``quality`` and ``steps`` (how many times the picture is shrunk) are those of the last one.
    """

    def __init__(self) -> None:
        self.quality = 60
        self.steps = 0

    def fit(self, encode: Callable[[int, float], bytes], target: int) -> bytes:
        """
        Encode within a tenth of a number of bytes.

        :param encode: makes a picture of a quality (10 to 95) and a scale (up to 1)
        :param target: bytes
        :returns: the picture; smaller than that when the best quality takes no more, larger only
            when even the smallest scale takes more
        """
        if self.steps and self.quality >= _GOOD:
            self.steps -= 1
            self.quality = 40
        low, high, growth = LOWEST, HIGHEST, _GROWTH
        best: tuple[float, bytes] | None = None
        before: tuple[int, float] | None = None
        for _ in range(_TRIES):
            data = encode(self.quality, _SMALLER**self.steps)
            off = math.log(max(1, len(data)) / target)
            miss = abs(off) if off <= math.log1p(WITHIN) else 10.0 + off
            if best is None or miss < best[0]:
                best = miss, data
            if 1.0 - WITHIN <= len(data) / target <= 1.0 + WITHIN:
                break
            if before is not None and before[0] != self.quality:
                slope = (off - before[1]) / (self.quality - before[0])
                growth = min(max(slope, 0.005), 0.3)
            before = self.quality, off
            if off > 0:
                high = self.quality - 1
            else:
                low = self.quality + 1
            if low <= high:
                self.quality = min(max(round(self.quality - off / growth), low), high)
            elif off > 0 and high < LOWEST and self.steps < _MOST_STEPS:
                # Even the worst is too large: as many pixels fewer as bytes, about.
                self.steps = min(_MOST_STEPS, self.steps + max(1, math.ceil(off / _STEP_GROWTH)))
                low, high, before, self.quality = LOWEST, HIGHEST, None, 30
            elif off < 0 and low > HIGHEST and self.steps:
                self.steps = max(0, self.steps - max(1, round(-off / _STEP_GROWTH)))
                low, high, before, self.quality = LOWEST, HIGHEST, None, 60
            else:
                break
        assert best is not None
        return best[1]
