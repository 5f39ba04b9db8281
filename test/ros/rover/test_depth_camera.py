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

"""The rover's depth camera and its survey: both agree with the building and with each other."""

import math

import numpy as np
import pytest

from ros_cloud_bridge.ros.rover.building import CRATE_M
from ros_cloud_bridge.ros.rover.camera import CAMERA_X_M, CAMERA_Z_M
from ros_cloud_bridge.ros.rover.depth_camera import DepthCamera
from ros_cloud_bridge.ros.rover.drive import Pose
from ros_cloud_bridge.ros.rover.simulation import Simulation
from ros_cloud_bridge.ros.rover.world import Box, FREE, OCCUPIED, UNKNOWN, World

AHEAD = Pose(0.0, 0.0, 0.0)


def room(*boxes: Box) -> DepthCamera:
    wall = Box(x0=6.0, y0=-9.0, x1=6.2, y1=9.0, height_m=2.6)
    world = World([wall, *boxes], Simulation().world.rooms, (-1.0, -9.0, 6.2, 9.0))
    return DepthCamera(world, np.random.default_rng(1))


def test_a_wall_has_one_depth_however_far_to_the_side() -> None:
    picture = room().picture(AHEAD)
    assert picture.shape == (120, 160)
    away = 1000.0 * (6.0 - CAMERA_X_M)
    middle = picture[55:62].astype(float)
    assert abs(middle - away).max() < 0.01 * away * 6
    assert middle.mean() == pytest.approx(away, rel=0.005)


def test_points_lie_on_floor_crate_and_wall() -> None:
    camera = room(Box(x0=3.0, y0=-0.5, x1=3.5, y1=0.5, height_m=CRATE_M))
    places = camera.points(camera.picture(AHEAD)).places
    # Optical: x to the right, y down, z ahead.
    assert places[60, 80, 2] == pytest.approx(3.0 - CAMERA_X_M, rel=0.03)
    assert places[60, 10, 2] == pytest.approx(6.0 - CAMERA_X_M, rel=0.03)
    assert places[60, 10, 0] < -3.0
    assert places[-1, :, 1] == pytest.approx(np.full(160, CAMERA_Z_M), rel=0.03)
    assert (places[..., 1][np.isfinite(places[..., 1])] < 1.1 * CAMERA_Z_M).all()


def test_too_near_and_too_far_is_not_seen() -> None:
    near = Pose(6.0 - CAMERA_X_M - 0.1, 0.0, 0.0)
    picture = room().picture(near)
    points = room().points(picture)
    assert (picture[60] == 0).all()
    assert np.isnan(points.places[60]).all()
    assert (points.intensities[60] == 0.0).all()
    away = room().picture(Pose(-3.0, 0.0, 0.0))
    assert away.max() <= 8000
    assert (away[60] == 0).all()


def test_what_was_explored_is_what_there_is_and_grows() -> None:
    rover = Simulation(4)
    truth = rover.world.grid(0.1).cells
    before = UNKNOWN * np.ones_like(truth)
    for _ in range(5):
        for _ in range(200):
            rover.step(0.02)
        rover.scan()
        cells = rover.explored().cells.copy()
        assert (cells != UNKNOWN).sum() > (before != UNKNOWN).sum()
        before = cells
    # Half a cell of noise and of rounding: a cell or its neighbour.
    padded = np.pad(truth, 1, constant_values=OCCUPIED)
    rows, columns = truth.shape
    around = [
        padded[down : down + rows, right : right + columns]
        for down in range(3)
        for right in range(3)
    ]
    near_wall = np.any([part == OCCUPIED for part in around], axis=0)
    near_free = np.any([part == FREE for part in around], axis=0)
    assert near_wall[before == OCCUPIED].mean() > 0.99
    assert near_free[before == FREE].mean() > 0.99


def test_a_survey_is_drawn_where_the_scan_was_taken() -> None:
    one, other = Simulation(4), Simulation(4)
    one.scan()
    other.scan()
    first = one.explored().cells.copy()
    for _ in range(50):
        other.step(0.02)
    assert (other.explored().cells == first).all()
    assert math.hypot(other.pose.x - one.pose.x, other.pose.y - one.pose.y) > 0.1
