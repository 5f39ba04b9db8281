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

"""
Shifts the wall clock of a Python process by the seconds that a file holds.

Python imports a module of this name by itself when its folder is on PYTHONPATH; the file's name
stands in RCB_FAULT_CLOCK. The monotonic clock is left alone.
"""

import os
import time

_PATH = os.environ['RCB_FAULT_CLOCK']
_time, _time_ns = time.time, time.time_ns


def _shift_s() -> int:
    try:
        with open(_PATH, encoding='utf-8') as file:
            return int(file.read() or 0)
    except OSError:
        return 0


time.time = lambda: _time() + _shift_s()
time.time_ns = lambda: _time_ns() + _shift_s() * 1_000_000_000
