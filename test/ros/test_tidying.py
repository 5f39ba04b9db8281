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

"""What holds itself in a cycle goes once a minute, whatever the collector's thresholds."""

import gc
import weakref

from ros_cloud_bridge.ros.tidying import Tidying


class Loop:
    """Holds itself."""

    def __init__(self) -> None:
        self.own = self


def test_a_cycle_goes_when_the_minute_is_over() -> None:
    thresholds = gc.get_threshold()
    gc.set_threshold(0)
    try:
        tidying = Tidying(100.0)
        gone = weakref.ref(Loop())
        assert not tidying.look(159.9) and gone() is not None
        assert tidying.look(160.0) and gone() is None
        assert not tidying.look(219.9) and tidying.look(220.0)
    finally:
        gc.set_threshold(*thresholds)
