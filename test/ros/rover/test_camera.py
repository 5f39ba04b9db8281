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

"""The rover's camera against geometry done by hand."""

import math

import numpy as np
from numpy.typing import NDArray
import pytest

from ros_cloud_bridge.ros.rover.building import CRATE_M, PLACES
from ros_cloud_bridge.ros.rover.camera import Camera, CAMERA_X_M, CAMERA_Z_M
from ros_cloud_bridge.ros.rover.drive import Pose
from ros_cloud_bridge.ros.rover.simulation import Simulation
from ros_cloud_bridge.ros.rover.world import Box, World


@pytest.fixture(scope='module')
def camera() -> Camera:
    return Camera(Simulation().world)


def brightness(picture: NDArray[np.uint8], column: int) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = picture[:, column].astype(float).mean(axis=1)
    return mean


def test_a_picture_is_rgb_and_the_same_again(camera: Camera) -> None:
    picture = camera.picture(Pose(0.0, 0.0, 0.3))
    assert picture.shape == (240, 320, 3)
    assert picture.dtype == np.uint8
    assert picture.flags.c_contiguous
    assert picture.tobytes() == camera.picture(Pose(0.0, 0.0, 0.3)).tobytes()


@pytest.mark.parametrize('away_m', [1.5, 3.0, 6.0])
def test_the_foot_of_a_wall_stands_where_geometry_puts_it(camera: Camera, away_m: float) -> None:
    # Facing the end of the corridor; the dark skirting meets the floor at this row.
    picture = camera.picture(Pose(9.6 - CAMERA_X_M - away_m, 0.0, 0.0))
    foot = camera.centre_px[1] + camera.focal_px * CAMERA_Z_M / away_m
    column = brightness(picture, 130)
    jumps = np.abs(np.diff(column))
    below = int(foot)
    assert below < 240
    assert jumps[below - 1 : below + 2].max() > 15.0
    assert column[below - 1] < column[below + 3] - 15.0


def test_a_crate_hides_the_lower_part_of_a_wall_only() -> None:
    wall = Box(x0=6.0, y0=-3.0, x1=6.2, y1=3.0, height_m=2.6)
    crate = Box(x0=3.0, y0=-0.5, x1=3.5, y1=0.5, height_m=CRATE_M)
    inside = (-1.0, -3.0, 6.2, 3.0)
    both = Camera(World([wall, crate], Simulation().world.rooms, inside))
    bare = Camera(World([wall], Simulation().world.rooms, inside))
    pose = Pose(0.0, 0.0, 0.0)
    with_crate, without = both.picture(pose), bare.picture(pose)
    away = 3.0 - CAMERA_X_M
    top = both.centre_px[1] - both.focal_px * (CRATE_M - CAMERA_Z_M) / away
    foot = both.centre_px[1] + both.focal_px * CAMERA_Z_M / away
    changed = np.flatnonzero((with_crate != without).any(axis=2)[:, 160])
    assert abs(changed.min() - top) <= 1.5
    assert abs(changed.max() - foot) <= 1.5
    # A crate behind the wall is not seen, but for the small map, which lies at the lower right.
    hidden = Box(x0=8.0, y0=-0.5, x1=8.5, y1=0.5, height_m=CRATE_M)
    behind = Camera(World([wall, hidden], Simulation().world.rooms, inside)).picture(pose)
    assert (behind[:, :220] == without[:, :220]).all()


def test_each_room_has_its_own_colour(camera: Camera) -> None:
    seen = {}
    # In the workshop a machine stands in the west: look south there.
    for name in ('kitchen', 'lab', 'office', 'workshop', 'store'):
        x, y = PLACES[name]
        picture = camera.picture(Pose(x, y, -math.pi / 2 if name == 'workshop' else math.pi))
        seen[name] = picture[50:70, 100:200].reshape(-1, 3).astype(float).mean(axis=0)
    hues = {name: colour / colour.sum() for name, colour in seen.items()}
    assert hues['lab'].argmax() == 2
    assert hues['office'].argmax() == 1
    assert hues['workshop'].argmax() == 0
    names = sorted(hues)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            assert np.abs(hues[one] - hues[other]).max() > 0.02, f'{one} looks like {other}'


def test_the_small_map_shows_where_the_rover_is(camera: Camera) -> None:
    grid = Simulation().world.grid()
    rows, columns = (side // 5 for side in grid.cells.shape)
    for x, y in PLACES.values():
        picture = camera.picture(Pose(x, y, 0.0)).astype(int)
        small = picture[240 - rows - 4 : 236, 320 - columns - 4 : 316]
        red = (small[..., 0] > 130) & (small[..., 1] < 110) & (small[..., 2] < 110)
        red &= small[..., 0] - small[..., 1] > 80
        row, column = (values.mean() for values in np.nonzero(red))
        assert abs(grid.origin_x + (column + 0.5) * 0.25 - x) < 0.3
        assert abs(grid.origin_y + (rows - row - 0.5) * 0.25 - y) < 0.3


def test_a_world_without_a_look_is_refused() -> None:
    odd = Box(x0=1.0, y0=1.0, x1=2.0, y1=2.0, height_m=1.234)
    with pytest.raises(ValueError, match='height'):
        Camera(World([odd], Simulation().world.rooms, (0.0, 0.0, 3.0, 3.0)))
