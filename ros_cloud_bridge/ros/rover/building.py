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
The building that the rover patrols: a corridor, five rooms, furniture, and ways between them.

It is 19.6 m by 15.6 m with the dock, where the rover starts, in the middle of the map frame. Every
edge is a multiple of 0.05 m, so the map shows the boxes exactly.
"""

from collections.abc import Iterable

from ros_cloud_bridge.ros.rover.world import Box, Room, World

WALL_M, SHELF_M, CRATE_M = 2.6, 1.7, 0.9
THICK_M = 0.15
DOOR_M = 1.3

_Areas = tuple[tuple[float, float, float, float], ...]

_INSIDE = (-9.8, -7.8, 9.8, 7.8)

# (y of the lower face, x from, x to, x of the middle of each door)
_WALLS_ALONG_X: tuple[tuple[float, float, float, tuple[float, ...]], ...] = (
    (1.2, -9.6, 9.6, (-6.4, 0.4, 6.4)),
    (-1.35, -9.6, 9.6, (-6.0, 1.0, 7.5)),
)
# (x of the left face, y from, y to, y of the middle of each door)
_WALLS_ALONG_Y: tuple[tuple[float, float, float, tuple[float, ...]], ...] = (
    (-3.2, 1.35, 7.6, (5.0,)),
    (3.2, 1.35, 7.6, (5.4,)),
    (-2.0, -7.6, -1.35, (-5.5,)),
)
_OUTER: _Areas = (
    (-9.8, -7.8, 9.8, -7.6),
    (-9.8, 7.6, 9.8, 7.8),
    (-9.8, -7.6, -9.6, 7.6),
    (9.6, -7.6, 9.8, 7.6),
)
_SHELVES: _Areas = (
    (2.2, -5.9, 2.8, -2.6),  # store
    (4.6, -5.9, 5.2, -2.6),
    (4.5, 7.0, 7.5, 7.6),  # office
    (-9.1, -4.6, -7.9, -3.2),  # workshop: a milling machine
    (-9.6, 6.6, -8.6, 7.6),  # kitchen: refrigerators
    (0.2, 5.0, 0.5, 5.3),  # lab: a column
)
_CRATES: _Areas = (
    (-9.6, 2.4, -9.0, 5.6),  # kitchen: counter and table
    (-7.6, 5.8, -5.8, 6.6),
    (-1.6, 6.8, 1.6, 7.6),  # lab: benches
    (-3.05, 1.8, -2.3, 3.4),
    (7.8, 2.2, 9.6, 3.0),  # office: desks
    (7.8, 5.0, 9.6, 5.8),
    (-8.6, -7.6, -5.2, -6.9),  # workshop: bench and boxes
    (-3.1, -2.4, -2.4, -1.7),
    (-3.9, -2.1, -3.4, -1.6),
    (8.4, -6.8, 9.2, -6.0),  # store: boxes
    (8.6, -5.2, 9.1, -4.7),
    (-1.5, -3.0, -0.8, -2.3),
)
_ROOMS = (
    Room(name='corridor', x0=-9.6, y0=-1.2, x1=9.6, y1=1.2, colour=(206, 202, 190)),
    Room(name='kitchen', x0=-9.6, y0=1.35, x1=-3.2, y1=7.6, colour=(224, 176, 84)),
    Room(name='lab', x0=-3.05, y0=1.35, x1=3.2, y1=7.6, colour=(96, 152, 196)),
    Room(name='office', x0=3.35, y0=1.35, x1=9.6, y1=7.6, colour=(132, 178, 120)),
    Room(name='workshop', x0=-9.6, y0=-7.6, x1=-2.0, y1=-1.35, colour=(196, 104, 88)),
    Room(name='store', x0=-1.85, y0=-7.6, x1=9.6, y1=-1.35, colour=(150, 130, 184)),
)

# Where the ways turn. Straight lines between neighbours keep well off the walls.
PLACES: dict[str, tuple[float, float]] = {
    'dock': (0.0, 0.0),
    'corridor west': (-6.2, 0.0),
    'corridor lab': (0.5, 0.0),
    'corridor east': (7.0, 0.0),
    'corridor end': (8.8, 0.0),
    'kitchen door': (-6.4, 1.3),
    'kitchen': (-6.4, 4.0),
    'kitchen east': (-4.2, 5.0),
    'lab west': (-2.0, 5.0),
    'lab door': (0.4, 1.3),
    'lab': (0.4, 3.2),
    'lab east': (2.2, 5.4),
    'office west': (4.4, 5.4),
    'office': (6.3, 3.8),
    'office door': (6.4, 1.3),
    'workshop door': (-6.0, -1.3),
    'workshop': (-6.0, -4.2),
    'workshop east': (-3.4, -5.5),
    'store west': (-0.6, -5.5),
    'store door': (1.0, -1.3),
    'store': (1.0, -3.4),
    'store south': (1.2, -6.7),
    'store aisle south': (3.7, -6.7),
    'store aisle': (3.7, -3.8),
    'store aisle north': (3.7, -2.0),
    'store lane': (1.1, -2.0),
    'store east south': (6.6, -6.5),
    'store east': (7.4, -3.4),
    'store east door': (7.5, -1.3),
}
WAYS: tuple[tuple[str, str], ...] = (
    ('corridor west', 'dock'),
    ('dock', 'corridor lab'),
    ('corridor lab', 'corridor east'),
    ('corridor east', 'corridor end'),
    ('corridor west', 'kitchen door'),
    ('kitchen door', 'kitchen'),
    ('kitchen', 'kitchen east'),
    ('kitchen east', 'lab west'),
    ('lab west', 'lab'),
    ('corridor lab', 'lab door'),
    ('lab door', 'lab'),
    ('lab', 'lab east'),
    ('lab east', 'office west'),
    ('office west', 'office'),
    ('office', 'office door'),
    ('office door', 'corridor east'),
    ('corridor west', 'workshop door'),
    ('workshop door', 'workshop'),
    ('workshop', 'workshop east'),
    ('workshop east', 'store west'),
    ('store west', 'store'),
    ('corridor lab', 'store door'),
    ('store door', 'store lane'),
    ('store lane', 'store'),
    ('store', 'store south'),
    ('store south', 'store aisle south'),
    ('store aisle south', 'store aisle'),
    ('store aisle', 'store aisle north'),
    ('store aisle north', 'store lane'),
    ('store aisle south', 'store east south'),
    ('store east south', 'store east'),
    ('store east', 'store east door'),
    ('store east door', 'corridor east'),
)
# What the patrol visits; the other places are on the way.
WAYPOINTS = ('kitchen', 'lab', 'office', 'workshop', 'store aisle', 'store east', 'corridor end')
START = 'dock'


def _between_doors(start: float, end: float, doors: Iterable[float]) -> list[tuple[float, float]]:
    pieces = []
    for door in sorted(doors):
        pieces.append((start, door - DOOR_M / 2))
        start = door + DOOR_M / 2
    return [*pieces, (start, end)]


def default_world() -> World:
    """
    Build the building.

    :returns: its walls, furniture and rooms
    """
    walls = list(_OUTER)
    for y, start, end, doors in _WALLS_ALONG_X:
        walls += [(a, y, b, y + THICK_M) for a, b in _between_doors(start, end, doors)]
    for x, start, end, doors in _WALLS_ALONG_Y:
        walls += [(x, a, x + THICK_M, b) for a, b in _between_doors(start, end, doors)]
    boxes = [
        Box(x0=x0, y0=y0, x1=x1, y1=y1, height_m=height)
        for areas, height in ((walls, WALL_M), (_SHELVES, SHELF_M), (_CRATES, CRATE_M))
        for x0, y0, x1, y1 in areas
    ]
    return World(boxes, _ROOMS, _INSIDE)
