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

"""What the rover has seen of the building so far, as a map that grows."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.ros.rover.drive import Pose
from ros_cloud_bridge.ros.rover.sensors import Lidar, LIDAR_X_M, Scan
from ros_cloud_bridge.ros.rover.world import Floats, FREE, Grid, OCCUPIED, UNKNOWN, World

_CELL_M = 0.1


class Survey:
    """
    A map drawn from scans.

    :param world: what it is a map of; only its outline is taken from it
    :param angles: of a scan's rays, radians from ahead
    """

    def __init__(self, world: World, angles: NDArray[np.floating[Any]]) -> None:
        outline = world.grid(_CELL_M)
        self._grid = Grid(
            resolution_m=_CELL_M,
            origin_x=outline.origin_x,
            origin_y=outline.origin_y,
            cells=np.full_like(outline.cells, UNKNOWN),
        )
        self._steps = np.arange(0.0, Lidar.RANGE_MAX_M, _CELL_M)
        self._angles = angles

    def add(self, pose: Pose, scan: Scan) -> Grid:
        """
        Draw a scan into the map.

        :param pose: of base_link
        :param scan: taken from there
        :returns: the map; the same one every time
        """
        ranges = np.where(np.isfinite(scan.ranges), scan.ranges, Lidar.RANGE_MAX_M)
        directions = pose.yaw + self._angles
        cos, sin = np.cos(directions), np.sin(directions)
        x = pose.x + LIDAR_X_M * math.cos(pose.yaw)
        y = pose.y + LIDAR_X_M * math.sin(pose.yaw)
        passed = self._steps[None] < ranges[:, None]
        ways = np.broadcast_to(self._steps, passed.shape)[passed]
        rays = np.nonzero(passed)[0]
        self._draw(x + ways * cos[rays], y + ways * sin[rays], FREE)
        met = np.isfinite(scan.ranges)
        self._draw(x + ranges[met] * cos[met], y + ranges[met] * sin[met], OCCUPIED)
        return self._grid

    def _draw(self, x: Floats, y: Floats, value: int) -> None:
        cells = self._grid.cells
        columns = ((x - self._grid.origin_x) / _CELL_M).astype(np.intp)
        rows = ((y - self._grid.origin_y) / _CELL_M).astype(np.intp)
        inside = (columns >= 0) & (columns < cells.shape[1]) & (rows >= 0) & (rows < len(cells))
        cells[rows[inside], columns[inside]] = value
