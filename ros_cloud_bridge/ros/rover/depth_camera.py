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
The rover's depth camera: how far each pixel is, as a picture and as points.

It stands where the camera stands and looks the same way. As a real one it sees nothing that is too
near or too far, and its error grows with the square of the depth.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.ros.rover.building import WALL_M
from ros_cloud_bridge.ros.rover.camera import CAMERA_Z_M, FIELD_OF_VIEW_RAD, levels, look
from ros_cloud_bridge.ros.rover.drive import Pose
from ros_cloud_bridge.ros.rover.world import World

_NEAR_M, _FAR_M = 0.3, 8.0
# One deviation at a metre's depth.
_NOISE_M = 0.0015
_MM = 1000.0


class Points(NamedTuple):
    """
    What a depth picture shows, in the optical frame (REP-103).

    Both have the picture's shape: ``places`` (height, width, 3) is x, y and z in metres, NaN where
    nothing was seen; ``intensities`` is how bright the answer was, 0 to 1.
    """

    places: NDArray[np.float32]
    intensities: NDArray[np.float32]


class DepthCamera:
    """
    A pinhole camera with square pixels that measures depths.

    :param world: what it sees
    :param noise: where its errors come from
    :param width: of the picture in pixels
    :param height: of the picture in pixels
    """

    def __init__(
        self, world: World, noise: np.random.Generator, width: int = 160, height: int = 120
    ) -> None:
        self._world = world
        self._noise = noise
        self._levels = levels(world)
        focal_px = width / 2.0 / np.tan(FIELD_OF_VIEW_RAD / 2.0)
        # Of each column to the right, of each row downwards, per metre of depth.
        self._right = (np.arange(width) - (width - 1) / 2.0) / focal_px
        self._down = (np.arange(height) - (height - 1) / 2.0) / focal_px
        # No row is level: one lies above the middle, the next below.
        below = np.where(self._down > 0.0, CAMERA_Z_M, CAMERA_Z_M - WALL_M)
        self._background = (below / self._down)[:, None]

    def picture(self, pose: Pose) -> NDArray[np.uint16]:
        """
        Measure.

        :param pose: of base_link
        :returns: millimetres, shape (height, width); 0 where nothing was seen (REP-118)
        """
        eye, rays = look(pose, self._right)
        depths = np.repeat(self._background, len(rays), axis=1)
        for top, boxes in self._levels:
            far = self._world.cast(float(eye[0]), float(eye[1]), rays, boxes).distance
            far = np.where(np.isfinite(far), far, 1e6)
            over = CAMERA_Z_M - self._down[:, None] * far
            seen = (over >= 0.0) & (over <= top) & (far < depths)
            np.copyto(depths, np.broadcast_to(far, depths.shape), where=seen)
        depths += _NOISE_M * depths**2 * self._noise.standard_normal(depths.shape)
        known = (depths >= _NEAR_M) & (depths <= _FAR_M)
        measured: NDArray[np.uint16] = np.where(known, np.rint(depths * _MM), 0).astype(np.uint16)
        return measured

    def points(self, picture: NDArray[np.uint16]) -> Points:
        """
        Turn a picture into points.

        :param picture: what :meth:`picture` gave
        :returns: one point for each pixel
        """
        depths = np.where(picture, picture / np.float32(_MM), np.nan).astype(np.float32)
        places = np.empty((*picture.shape, 3), np.float32)
        places[..., 0] = depths * self._right
        places[..., 1] = depths * self._down[:, None]
        places[..., 2] = depths
        near = np.nan_to_num(_NEAR_M / depths) ** 2
        return Points(places, near.astype(np.float32))
