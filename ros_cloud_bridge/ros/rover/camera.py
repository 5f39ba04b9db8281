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
The rover's camera: a picture of the rooms as seen from its front, with a small map in a corner.

A column of the picture is one ray over the floor. Boxes of one height hide each other strictly by
distance as long as the camera is lower than all of them, so one cast per height is enough; where
heights overlap in the picture the nearer wins. All of it is a handful of numpy operations per
picture.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.ros.rover.building import CRATE_M, SHELF_M, WALL_M
from ros_cloud_bridge.ros.rover.drive import Pose
from ros_cloud_bridge.ros.rover.world import FREE, Hits, OCCUPIED, World

# The camera's place on the rover; the URDF says the same.
CAMERA_X_M = 0.17
CAMERA_Z_M = 0.42
FIELD_OF_VIEW_RAD = math.radians(78.0)

_DOORWAY = (120, 96, 72)
_SHELF = (86, 98, 118)
_CRATE = (172, 128, 78)
_FLOOR = ((118, 112, 104), (136, 130, 121))
_CEILING = (226, 228, 230)
_HAZE = np.array((188.0, 192.0, 198.0))
_TILE_M = 0.5
# Of each height of boxes, how far its panels reach.
_PANEL_M = {WALL_M: 1.2, SHELF_M: 0.3, CRATE_M: 0.15}
# Brightness steps that the height over the floor chooses from.
_BAND_LIGHT = np.array((0.45, 1.0, 0.8, 1.12))
_MAP_CELLS = 5  # cells of the grid per pixel of the small map

_Image = NDArray[np.uint8]
_Packed = NDArray[np.uint32]  # four bytes: red, green, blue, 0; one number is quick to choose
_Floats = NDArray[np.float64]


class Camera:
    """
    A pinhole camera with square pixels that looks ahead, level.

    :param world: what it sees; of boxes as high as walls, shelves or crates
    :param width: of the picture in pixels
    :param height: of the picture in pixels
    """

    def __init__(self, world: World, width: int = 320, height: int = 240) -> None:
        if not set(world.heights.tolist()) <= set(_PANEL_M):
            raise ValueError('the camera knows no look for boxes of this height')
        self.width, self.height = width, height
        self.focal_px = width / 2.0 / math.tan(FIELD_OF_VIEW_RAD / 2.0)
        self.centre_px = ((width - 1) / 2.0, (height - 1) / 2.0)
        self._world = world
        self._levels = levels(world)
        # Of each column to the right, of each row downwards, per metre of depth.
        self._right = (np.arange(width) - self.centre_px[0]) / self.focal_px
        self._down = ((np.arange(height) - self.centre_px[1]) / self.focal_px).astype(np.float32)
        middle = height // 2
        floor_depth = CAMERA_Z_M / self._down[middle:].astype(float)
        self._floor_depth = floor_depth.astype(np.float32)[:, None]
        self._floor = [_pack(_hazy(np.array(c), floor_depth))[:, None] for c in _FLOOR]
        above = (WALL_M - CAMERA_Z_M) / -self._down[:middle].astype(float)
        self._ceiling = _pack(_hazy(np.array(_CEILING), above))[:, None]
        self._room_areas = np.array([(r.x0, r.y0, r.x1, r.y1) for r in world.rooms])
        self._room_colours = np.array([*(r.colour for r in world.rooms), _DOORWAY], dtype=float)
        self._map, self._map_scale = _small_map(world)

    def picture(self, pose: Pose) -> _Image:
        """
        Take a picture.

        :param pose: of base_link
        :returns: shape (height, width, 3), red, green, blue
        """
        eye, rays = look(pose, self._right)
        packed = self._background(eye, rays)
        depth = np.full((self.height, self.width), np.inf, dtype=np.float32)
        for top, boxes in self._levels:
            hits = self._world.cast(float(eye[0]), float(eye[1]), rays, boxes)
            met = np.flatnonzero(np.isfinite(hits.distance))
            if len(met):
                self._draw_faces(packed, depth, top, eye, rays, hits, met)
        image = np.ascontiguousarray(packed.view(np.uint8).reshape(*packed.shape, 4)[..., :3])
        self._draw_map(image, pose)
        return image

    def _background(self, eye: _Floats, rays: _Floats) -> _Packed:
        packed = np.empty((self.height, self.width), dtype=np.uint32)
        tiles = np.zeros(self._floor_depth.shape[:1] + rays.shape[:1], dtype=np.int32)
        for axis in (0, 1):
            # A large even number of tiles makes the cut-off towards zero a floor.
            start = np.float32(eye[axis] / _TILE_M + 4096.0)
            tiles += (
                start + self._floor_depth * (rays[:, axis] / _TILE_M).astype(np.float32)
            ).astype(np.int32)
        tiles &= 1
        packed[: len(self._ceiling)] = self._ceiling
        packed[len(self._ceiling) :] = np.where(tiles, self._floor[1], self._floor[0])
        return packed

    def _draw_faces(
        self,
        packed: _Packed,
        depth: NDArray[np.float32],
        top: float,
        eye: _Floats,
        rays: _Floats,
        hits: Hits,
        met: NDArray[np.intp],
    ) -> None:
        """Draw what the columns ``met`` show of the boxes that are ``top`` high."""
        columns = slice(int(met[0]), int(met[-1]) + 1)
        far = hits.distance.astype(np.float32)[columns]
        nearest = float(far.min())
        centre = self.centre_px[1]
        first = max(0, int(centre - self.focal_px * (top - CAMERA_Z_M) / nearest))
        last = min(self.height, int(centre + self.focal_px * CAMERA_Z_M / nearest) + 2)
        part = np.s_[first:last, columns]
        # Centimetres over the floor, of each pixel on the hit face; inf - inf never arises.
        far = np.where(np.isfinite(far), far, np.float32(1e6))
        over = np.float32(100.0 * CAMERA_Z_M) - self._down[first:last, None] * (far * 100.0)
        seen = (over >= 0.0) & (over <= 100.0 * top) & (far < depth[part])
        bands = _BANDS[top][np.where(seen, over, 0.0).astype(np.intp)]
        table = self._face_colours(
            top, eye, rays[columns], far.astype(float), hits.on_x_face[columns]
        )
        colours = table.ravel()[bands * table.shape[1] + np.arange(table.shape[1])]
        np.copyto(packed[part], colours, where=seen)
        np.copyto(depth[part], np.broadcast_to(far, seen.shape), where=seen)

    def _face_colours(
        self, top: float, eye: _Floats, rays: _Floats, far: _Floats, on_x_face: NDArray[np.bool_]
    ) -> _Packed:
        """Give the colour of each column's face in each band: shape (bands, columns)."""
        points = eye + rays * far[:, None]
        if top == WALL_M:
            colours = self._wall_colours(eye + rays * (far - 0.02)[:, None])
        else:
            colours = np.array([_SHELF if top == SHELF_M else _CRATE], dtype=float)
        along = np.where(on_x_face, points[:, 1], points[:, 0])
        # Light falls in from one side, and panels meet in a seam.
        light = np.where(on_x_face, 0.78, 1.0)
        pitch = _PANEL_M[top]
        seam = (along / pitch) % 1.0 < 0.02 + 0.012 * far / pitch
        light = np.where(seam & (far < 12.0 * pitch), light * 0.84, light)
        base = _hazy(colours * light[:, None], far)
        return _pack(base[None] * _BAND_LIGHT[:, None, None])

    def _wall_colours(self, points: _Floats) -> _Floats:
        areas = self._room_areas[None]
        x, y = points[:, 0, None], points[:, 1, None]
        inside = (areas[..., 0] <= x) & (x <= areas[..., 2])
        inside &= (areas[..., 1] <= y) & (y <= areas[..., 3])
        # The last colour is that of door frames, which lie in no room.
        index = np.where(inside.any(axis=1), inside.argmax(axis=1), -1)
        chosen: _Floats = self._room_colours[index]
        return chosen

    def _draw_map(self, image: _Image, pose: Pose) -> None:
        rows, columns = self._map.shape[:2]
        small = self._map.copy()
        origin_x, origin_y, metres = self._map_scale

        def dot(x: float, y: float, size: int, colour: tuple[int, int, int]) -> None:
            column = int((x - origin_x) / metres)
            row = rows - 1 - int((y - origin_y) / metres)
            small[
                max(0, row - size) : row + size + 1, max(0, column - size) : column + size + 1
            ] = colour

        for reach in np.arange(0.0, 2.2, metres):
            dot(
                pose.x + reach * math.cos(pose.yaw),
                pose.y + reach * math.sin(pose.yaw),
                0,
                (255, 170, 0),
            )
        dot(pose.x, pose.y, 1, (220, 30, 40))
        corner = image[self.height - rows - 4 : self.height - 4, self.width - columns - 4 : -4]
        corner[:] = (corner.astype(np.uint16) + 3 * small.astype(np.uint16)) // 4


def brightness(picture: _Image) -> _Image:
    """
    Make a grey picture of a coloured one.

    :param picture: shape (height, width, 3), red, green, blue
    :returns: shape (height, width)
    """
    # ITU-R BT.601, in 256th.
    grey = picture.astype(np.uint16) @ np.array((77, 150, 29), np.uint16)
    return (grey >> 8).astype(np.uint8)


def levels(world: World) -> list[tuple[float, NDArray[np.intp]]]:
    """
    Sort boxes by their height.

    :param world: of boxes
    :returns: heights in metres, the highest first, and the indices of their boxes
    """
    return [
        (float(top), np.flatnonzero(world.heights == top))
        for top in sorted(set(world.heights.tolist()), reverse=True)
    ]


def look(pose: Pose, right: NDArray[np.floating[Any]]) -> tuple[_Floats, _Floats]:
    """
    Cast a ray over the floor for each column of a picture.

    :param pose: of base_link
    :param right: of each column to the right, per metre of depth
    :returns: where the camera is, shape (2,), and its rays, shape (columns, 2); the forward part
        of every ray is 1, so distances along them are depths
    """
    ahead = np.array((math.cos(pose.yaw), math.sin(pose.yaw)))
    sideways = np.array((ahead[1], -ahead[0]))
    eye: _Floats = np.array((pose.x, pose.y)) + CAMERA_X_M * ahead
    rays: _Floats = ahead + right[:, None] * sideways
    return eye, rays


def _band_table(top: float) -> NDArray[np.intp]:
    """Choose the band of each centimetre: 0 dark edge, 1 plain, 2 stripe, 3 light upper part."""
    over = np.arange(int(100 * top) + 2)
    if top == WALL_M:
        return np.where(over < 12, 0, np.where(over < 96, 1, np.where(over < 105, 2, 3)))
    pitch = 42 if top == SHELF_M else 30
    part = over % pitch
    return np.where(part < 4, 0, np.where(part > 0.75 * pitch, 2, 1))


_BANDS = {top: _band_table(top) for top in _PANEL_M}


def _hazy(colour: _Floats, depth: _Floats) -> _Floats:
    """Fade colours (one, or one per depth) into haze: shape (depths, 3)."""
    clear = np.exp(-depth / 14.0)[:, None]
    near = np.clip(1.15 - 0.03 * depth, 0.75, 1.15)[:, None]
    faded: _Floats = clear * near * colour + (1.0 - clear) * _HAZE
    return faded


def _pack(colours: _Floats) -> _Packed:
    """Pack red, green and blue (last axis, 0..255) into one number per colour."""
    bytes_ = np.zeros((*colours.shape[:-1], 4), dtype=np.uint8)
    bytes_[..., :3] = np.clip(colours, 0.0, 255.0)
    packed: _Packed = bytes_.view(np.uint32)[..., 0]
    return packed


def _small_map(world: World) -> tuple[_Image, tuple[float, float, float]]:
    """Draw the map small: the image (north up) and its (origin x, origin y, metres per pixel)."""
    grid = world.grid()
    n = _MAP_CELLS
    rows, columns = (side // n for side in grid.cells.shape)
    blocks = grid.cells[: rows * n, : columns * n].reshape(rows, n, columns, n)
    occupied = (blocks == OCCUPIED).any(axis=(1, 3))
    free = (blocks == FREE).any(axis=(1, 3))
    image = np.full((rows, columns, 3), 96, dtype=np.uint8)
    image[free] = (244, 244, 240)
    image[occupied] = (40, 44, 52)
    return image[::-1].copy(), (grid.origin_x, grid.origin_y, n * grid.resolution_m)
