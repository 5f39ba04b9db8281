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
A flat world of axis-aligned boxes: what the rover sees, and what it bumps into.

The scan, the camera and the map all come from the same boxes. Rays meet them exactly (slab test
over all rays and boxes at once), which is both cheaper and truer than walking over grid cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FREE, OCCUPIED, UNKNOWN = 0, 100, -1
_PARALLEL = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """An obstacle from the floor up to ``height_m``, in the map frame."""

    x0: float
    y0: float
    x1: float
    y1: float
    height_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A rectangle with a name and a wall colour (red, green, blue in 0..255)."""

    name: str
    x0: float
    y0: float
    x1: float
    y1: float
    colour: tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """
    An occupancy grid as nav_msgs/OccupancyGrid has it.

    ``cells`` is int8 of shape (rows, columns); row 0 lies at ``origin_y``.
    """

    resolution_m: float
    origin_x: float
    origin_y: float
    cells: NDArray[np.int8]


class Hits(NamedTuple):
    """What rays met; arrays with one entry per ray."""

    distance: Floats  # in lengths of the ray's direction vector; inf where nothing was met
    box: NDArray[np.intp]  # index of the box; meaningless where the distance is inf
    on_x_face: NDArray[np.bool_]  # True where the face looks along x, False along y


class World:
    """
    Boxes and rooms inside a rectangle.

    :param boxes: the obstacles
    :param rooms: the rooms, for names and colours; they must not overlap
    :param inside: (x0, y0, x1, y1) of the building; what lies outside is unknown on the map
    """

    def __init__(
        self,
        boxes: Sequence[Box],
        rooms: Sequence[Room],
        inside: tuple[float, float, float, float],
    ) -> None:
        self.boxes = tuple(boxes)
        self.rooms = tuple(rooms)
        self.inside = inside
        self._low = np.array([(box.x0, box.y0) for box in boxes])
        self._high = np.array([(box.x1, box.y1) for box in boxes])
        self.heights = np.array([box.height_m for box in boxes])

    def cast(
        self, x: float, y: float, directions: Floats, chosen: NDArray[np.intp] | None = None
    ) -> Hits:
        """
        Follow rays until they meet a box.

        :param x: where all rays begin, outside of every box
        :param y: where all rays begin
        :param directions: shape (rays, 2), of any length; distances count in this length
        :param chosen: indices of the boxes to look at; all when left out
        :returns: the nearest hit of each ray
        """
        low = self._low if chosen is None else self._low[chosen]
        high = self._high if chosen is None else self._high[chosen]
        safe = np.where(np.abs(directions) < _PARALLEL, _PARALLEL, directions)
        # One axis at a time: numpy is slow at reducing over an axis of two.
        enter, leave = [], []
        for axis, origin in enumerate((x, y)):
            inverse = 1.0 / safe[:, axis, None]
            to_low = (low[:, axis] - origin) * inverse
            to_high = (high[:, axis] - origin) * inverse
            enter.append(np.minimum(to_low, to_high))
            leave.append(np.maximum(to_low, to_high))
        entered = np.maximum(enter[0], enter[1])
        hit = (np.minimum(leave[0], leave[1]) >= entered) & (entered > 0.0)
        distance = np.where(hit, entered, np.inf)
        nearest = distance.argmin(axis=1)
        rays = np.arange(len(directions))
        on_x_face = enter[0][rays, nearest] >= enter[1][rays, nearest]
        box = nearest if chosen is None else chosen[nearest]
        return Hits(distance[rays, nearest], box, on_x_face)

    def clearance(self, x: float, y: float) -> float:
        """
        Measure how far the nearest box is.

        :param x: a point in the map frame
        :param y: a point in the map frame
        :returns: metres; 0 inside a box
        """
        point = np.array((x, y))
        gap = np.maximum(np.maximum(self._low - point, point - self._high), 0.0)
        return float(np.sqrt((gap * gap).sum(axis=1).min()))

    def room(self, x: float, y: float) -> Room | None:
        """
        Find the room of a point.

        :param x: a point in the map frame
        :param y: a point in the map frame
        :returns: its room, or None in a wall, in a doorway and outside
        """
        for room in self.rooms:
            if room.x0 <= x <= room.x1 and room.y0 <= y <= room.y1:
                return room
        return None

    def grid(self, resolution_m: float = 0.05, margin_m: float = 0.2) -> Grid:
        """
        Draw the map.

        :param resolution_m: side of a cell; boxes whose edges are multiples of it come out exact
        :param margin_m: unknown ground kept around the building
        :returns: free, occupied and unknown cells
        """
        x0, y0, x1, y1 = self.inside
        origin_x, origin_y = x0 - margin_m, y0 - margin_m

        def cells(x: float, y: float) -> tuple[int, int]:
            return round((x - origin_x) / resolution_m), round((y - origin_y) / resolution_m)

        columns, rows = cells(x1 + margin_m, y1 + margin_m)
        drawn = np.full((rows, columns), UNKNOWN, dtype=np.int8)
        for area, value in [((x0, y0, x1, y1), FREE)] + [
            ((box.x0, box.y0, box.x1, box.y1), OCCUPIED) for box in self.boxes
        ]:
            left, bottom = cells(area[0], area[1])
            right, top = cells(area[2], area[3])
            drawn[bottom:top, left:right] = value
        return Grid(resolution_m=resolution_m, origin_x=origin_x, origin_y=origin_y, cells=drawn)
