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

"""What the fault scenarios share: their options, their results and the clock that they wait by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
import os
from pathlib import Path
import random
import sys
import threading
import time
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# The tests' helpers run the same processes; and here as there robots of others are not disturbed.
sys.path[:0] = [str(ROOT / 'test'), str(ROOT)]
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
os.environ.setdefault('ROS_DOMAIN_ID', '87')

from support.fault_reckoning import Reckoning  # noqa: E402
from support.fault_rig import Rig, Setup  # noqa: E402

DEFAULT_FACTOR = 60.0


class Missing(Exception):
    """A scenario needs what this machine does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """
    How a scenario runs.

    ``rounds`` 0 are as many as the scenario thinks right; ``factor`` divides the minutes of the
    offline/online matrix.
    """

    seed: int = 1
    rounds: int = 0
    confirm: str = 'consumer'
    factor: float = DEFAULT_FACTOR
    quick: bool = False

    def drawn(self, name: str) -> random.Random:
        """
        Give a scenario its dice.

        :param name: of the scenario
        :returns: seeded with the seed and the name
        """
        return random.Random(f'{self.seed}:{name}')

    def count(self, usual: int, quick: int) -> int:
        """
        Say how many rounds.

        :param usual: when nothing is asked for
        :param quick: with ``--quick``
        :returns: rounds
        """
        return self.rounds or (quick if self.quick else usual)

    def setup(self, **fields: Any) -> Setup:
        """
        Make a rig's setup.

        :param fields: of :class:`Setup`
        :returns: the setup
        """
        return Setup(seed=self.seed, confirm=self.confirm, **fields)


@dataclass(slots=True, kw_only=True)
class Result:
    """
    What became of a scenario.

    ``faults`` counts what was done to the bridge, ``notes`` is what this scenario measures beside
    the reckoning, ``findings`` what the reckoning found wrong, in words. ``told`` where the spool
    has said of all that is unaccounted for that it lost something, without knowing what.
    """

    reckoning: Reckoning
    faults: int
    notes: dict[str, object] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    told: bool = False


Scenario = Callable[[Options], Result]


def wait(seconds: float) -> None:
    """
    Let time pass.

    :param seconds: how much
    """
    threading.Event().wait(seconds)


def result(rig: Rig, faults: int, notes: Mapping[str, object], **how: Any) -> Result:
    """
    Finish a rig and sum up.

    :param rig: after its faults, everything healed
    :param faults: how many there were
    :param notes: what was measured
    :param how: as :meth:`Rig.finish` takes it
    :returns: the result
    """
    begin = time.monotonic()
    reckoning = rig.finish(**how)
    assert reckoning.committed and reckoning.arrived, 'nothing came: there is nothing to reckon'
    return Result(
        reckoning=reckoning,
        faults=faults,
        notes={**notes, 'drained_s': round(time.monotonic() - begin, 1)},
        findings=rig.book.findings,
    )


def started(rig: Rig) -> Rig:
    """
    Start consumer, bridge and publisher, and wait until samples come.

    :param rig: new
    :returns: the same
    """
    rig.sink.start()
    rig.start_bridge()
    rig.start_publisher()
    rig.wait_for_more()
    return rig
