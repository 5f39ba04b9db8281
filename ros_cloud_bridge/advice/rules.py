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
What kinds of topics there are, and how each is best sent: the table by which a plan recommends.

What an operator steers by and what says where the robot is comes first and fresh; what must not be
lost goes by the disk; what is large gives way, and waits for somebody to look at it in the end.
"""

from dataclasses import dataclass
from enum import IntEnum

from ros_cloud_bridge.values import Keep, Key, Priority

_WEEK_S = 604_800.0
# What is this rare and this small, and of no type that is known, is an event.
EVENT_MAX_HZ = 1.0
EVENT_MAX_BYTES = 2048.0


class Thrift(IntEnum):
    """How long samples wait for each other; the index into a rule's delays."""

    FRESH = 0
    THIN = 1
    METERED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """
    How topics of one kind are sent.

    ``delays_s`` are by :class:`Thrift`. ``reducers`` are those at default errors,
    ``coarse`` those that give up more, each more than the one before it. ``rates`` in Hz are what
    it is slowed down to, fastest first; from ``ample_hz`` on nobody misses any, below
    ``useful_hz`` it is of little use.
    ``levels`` are steps of the ladder that the reducers know.
    """

    kind: str
    what: str
    priority: Priority
    keep: Keep
    delays_s: tuple[float, float, float]
    key: Key = Key.ROUTE
    max_age_s: float = 0.0
    ttl_s: float = 0.0
    reducers: tuple[str, ...] = ()
    coarse: tuple[str, ...] = ()
    rates: tuple[float, ...] = ()
    ample_hz: float = 10.0
    useful_hz: float = 1.0
    levels: tuple[str, ...] = ()
    on_demand: bool = False


_QUICK = (0.1, 0.25, 1.0)
_CALM = (0.2, 0.5, 2.0)
_SLOW = (0.5, 1.0, 5.0)
_AT_ONCE = (0.0, 0.0, 0.0)

RULES = {
    rule.kind: rule
    for rule in (
        Rule(
            kind='pose',
            what='where the robot is: first and fresh, an old one is worth nothing',
            priority=Priority.HIGH,
            keep=Keep.LATEST,
            delays_s=_QUICK,
            reducers=('precision', 'stamps | precision'),
            coarse=('stamps | select drop=*covariance | precision',),
            rates=(20.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2),
        ),
        Rule(
            kind='velocity',
            what='how the robot moves: first and fresh, an old one is worth nothing',
            priority=Priority.HIGH,
            keep=Keep.LATEST,
            delays_s=_QUICK,
            reducers=('precision', 'stamps | precision'),
            coarse=('stamps | select drop=*covariance | precision',),
            rates=(20.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2),
        ),
        Rule(
            kind='fix',
            what='where the robot is on the map: first and fresh',
            priority=Priority.HIGH,
            keep=Keep.LATEST,
            delays_s=_QUICK,
            reducers=('precision', 'stamps | precision'),
            coarse=('stamps | select drop=*covariance | precision',),
            rates=(10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1),
            ample_hz=5.0,
            useful_hz=0.5,
        ),
        Rule(
            kind='battery',
            what='whether the robot comes home: first, but it changes slowly',
            priority=Priority.HIGH,
            keep=Keep.LATEST,
            delays_s=_SLOW,
            reducers=('precision', 'stamps | precision'),
            rates=(2.0, 1.0, 0.5, 0.2, 0.1, 0.02),
            ample_hz=1.0,
            useful_hz=0.1,
        ),
        Rule(
            kind='transforms',
            what='several publishers share it, so none may push the newest of another out: all of '
            'them, early',
            priority=Priority.HIGH,
            keep=Keep.FIFO,
            delays_s=_QUICK,
            max_age_s=5.0,
            reducers=('tf_motion', 'stamps | tf_motion'),
            coarse=(
                'stamps | tf_motion metres=0.05 radians=0.05',
                'stamps | tf_motion metres=0.2 radians=0.1 max_s=5',
                'stamps | tf_motion metres=0.5 radians=0.2 max_s=10',
            ),
            levels=('reduced', 'minimal'),
        ),
        Rule(
            kind='joints',
            what='what the arms and wheels do: the newest',
            priority=Priority.NORMAL,
            keep=Keep.LATEST,
            delays_s=_CALM,
            reducers=('precision tolerance=0.0005', 'stamps | precision tolerance=0.0005'),
            coarse=('stamps | precision tolerance=0.005',),
            rates=(20.0, 10.0, 5.0, 2.0, 1.0, 0.5),
            levels=('reduced', 'minimal'),
        ),
        Rule(
            kind='inertial',
            what='for analysis later, not for steering: after all else, together',
            priority=Priority.LOW,
            keep=Keep.FIFO,
            delays_s=_SLOW,
            max_age_s=60.0,
            reducers=('precision', 'stamps | precision'),
            coarse=('stamps | select drop=*covariance | precision',),
            rates=(50.0, 20.0, 10.0, 5.0, 2.0, 1.0, 0.2),
            ample_hz=20.0,
            levels=('reduced',),
            on_demand=True,
        ),
        Rule(
            kind='magnetic',
            what='for analysis later: after all else, together',
            priority=Priority.LOW,
            keep=Keep.FIFO,
            delays_s=_SLOW,
            max_age_s=60.0,
            reducers=(
                'precision fields=*covariance:5b,*:1e-7',
                'stamps | precision fields=*covariance:5b,*:1e-7',
            ),
            rates=(20.0, 10.0, 5.0, 2.0, 1.0, 0.2),
            on_demand=True,
        ),
        Rule(
            kind='vectors',
            what='a vector of whatever unit, for analysis later: after all else, together',
            priority=Priority.LOW,
            keep=Keep.FIFO,
            delays_s=_SLOW,
            max_age_s=60.0,
            # Tesla, newton or metres per second squared: only a share of the value suits all.
            reducers=('precision bits=12', 'stamps | precision bits=12'),
            rates=(20.0, 10.0, 5.0, 2.0, 1.0, 0.2),
            levels=('reduced',),
            on_demand=True,
        ),
        Rule(
            kind='readings',
            what='a single value of a sensor: small, the newest',
            priority=Priority.NORMAL,
            keep=Keep.LATEST,
            delays_s=_CALM,
            reducers=('precision', 'stamps | precision'),
            rates=(10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1),
            ample_hz=5.0,
            useful_hz=0.5,
            levels=('reduced',),
        ),
        Rule(
            kind='scan',
            what='what stands around the robot: the newest, behind what is small and urgent',
            priority=Priority.NORMAL,
            keep=Keep.LATEST,
            delays_s=_CALM,
            reducers=('laser_quantize', 'stamps | laser_quantize'),
            coarse=(
                'stamps | laser_quantize intensity_bits=0',
                'stamps | laser_quantize resolution=0.05 intensity_bits=0',
            ),
            rates=(20.0, 10.0, 5.0, 2.0, 1.0, 0.5),
            ample_hz=5.0,
            levels=('reduced', 'minimal'),
            on_demand=True,
        ),
        Rule(
            kind='cloud',
            what='large: the newest, after all else',
            priority=Priority.LOW,
            keep=Keep.LATEST,
            delays_s=_AT_ONCE,
            reducers=('cloud_quantize',),
            coarse=(
                'cloud_quantize resolution=0.01',
                'cloud_voxel leaf=0.2 point=first | cloud_quantize resolution=0.01',
                'cloud_voxel leaf=0.5 point=first | cloud_quantize resolution=0.02',
            ),
            rates=(10.0, 5.0, 2.0, 1.0, 0.5, 0.2),
            ample_hz=5.0,
            useful_hz=0.5,
            levels=('reduced', 'minimal'),
            on_demand=True,
        ),
        Rule(
            kind='image',
            what='large: the newest, after all else',
            priority=Priority.LOW,
            keep=Keep.LATEST,
            delays_s=_AT_ONCE,
            reducers=('jpeg',),
            coarse=('webp', 'webp quality=50 width=640', 'webp quality=40 width=320'),
            rates=(20.0, 15.0, 10.0, 5.0, 3.0, 2.0, 1.0, 0.5, 0.2),
            levels=('reduced', 'minimal'),
            on_demand=True,
        ),
        Rule(
            kind='depth',
            what='large: the newest, after all else; its distances are kept as numbers',
            priority=Priority.LOW,
            keep=Keep.LATEST,
            delays_s=_AT_ONCE,
            reducers=('depth',),
            coarse=('depth resolution=0.01', 'depth resolution=0.05'),
            rates=(20.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2),
            levels=('reduced', 'minimal'),
            on_demand=True,
        ),
        Rule(
            kind='pictures',
            what='compressed already: the newest as they are, only fewer; after all else',
            priority=Priority.LOW,
            keep=Keep.LATEST,
            delays_s=_AT_ONCE,
            coarse=(
                'webp',
                'webp quality=50',
                'webp quality=50 width=640',
                'webp quality=40 width=320',
            ),
            rates=(20.0, 15.0, 10.0, 5.0, 3.0, 2.0, 1.0, 0.5, 0.2),
            levels=('reduced', 'minimal'),
            on_demand=True,
        ),
        Rule(
            kind='map',
            what='a map that changes: the newest, as differences',
            priority=Priority.LOW,
            keep=Keep.LATEST,
            delays_s=_AT_ONCE,
            reducers=('grid_diff',),
            rates=(5.0, 2.0, 1.0, 0.5, 0.2, 0.1),
            ample_hz=1.0,
            useful_hz=0.1,
            on_demand=True,
        ),
        Rule(
            kind='latched',
            what='said once, for whoever comes later: stands retained at the broker',
            priority=Priority.NORMAL,
            keep=Keep.LATEST,
            delays_s=_CALM,
        ),
        Rule(
            kind='latched_transforms',
            what='said once, for whoever comes later: stands retained at the broker, each frame',
            priority=Priority.HIGH,
            keep=Keep.FIFO,
            delays_s=_CALM,
        ),
        Rule(
            kind='diagnostics',
            what='a failure must arrive, also one from a time without a link: by the disk',
            priority=Priority.NORMAL,
            keep=Keep.DURABLE,
            delays_s=_SLOW,
            ttl_s=_WEEK_S,
            reducers=('deadband fields=status.level,status.name,status.message max_s=10',),
            coarse=(
                'select drop=status.values | '
                'deadband fields=status.level,status.name,status.message max_s=10',
                'select drop=status.values,status.hardware_id | '
                'deadband fields=status.level,status.name max_s=60',
            ),
        ),
        Rule(
            kind='log',
            what='the log is read when something went wrong, and must be whole then: by the disk',
            priority=Priority.LOW,
            keep=Keep.DURABLE,
            delays_s=_SLOW,
            ttl_s=_WEEK_S,
        ),
        Rule(
            kind='events',
            what='small and rare, so each counts: by the disk',
            priority=Priority.NORMAL,
            keep=Keep.DURABLE,
            delays_s=_SLOW,
            ttl_s=_WEEK_S,
        ),
        Rule(
            kind='drawings',
            what='for looking at: the newest, after all else',
            priority=Priority.LOW,
            keep=Keep.LATEST,
            delays_s=_SLOW,
            reducers=('precision', 'stamps | precision'),
            rates=(5.0, 2.0, 1.0, 0.5, 0.2, 0.1),
            ample_hz=1.0,
            useful_hz=0.1,
            on_demand=True,
        ),
        Rule(
            kind='other',
            what='of no kind that is known here: the newest; look whether that suits',
            priority=Priority.NORMAL,
            keep=Keep.LATEST,
            delays_s=_CALM,
            # Nobody knows the units: only a share of the value suits all.
            reducers=('precision bits=16',),
            rates=(20.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2),
            useful_hz=0.5,
            on_demand=True,
        ),
    )
}

_KINDS = {
    'pose': (
        'geometry_msgs/msg/Pose',
        'geometry_msgs/msg/Pose2D',
        'geometry_msgs/msg/PoseStamped',
        'geometry_msgs/msg/PoseWithCovariance',
        'geometry_msgs/msg/PoseWithCovarianceStamped',
        'nav_msgs/msg/Odometry',
    ),
    'velocity': (
        'geometry_msgs/msg/Accel',
        'geometry_msgs/msg/AccelStamped',
        'geometry_msgs/msg/Twist',
        'geometry_msgs/msg/TwistStamped',
        'geometry_msgs/msg/TwistWithCovarianceStamped',
    ),
    'fix': (
        'geographic_msgs/msg/GeoPointStamped',
        'geographic_msgs/msg/GeoPoseStamped',
        'sensor_msgs/msg/NavSatFix',
    ),
    'battery': ('sensor_msgs/msg/BatteryState',),
    'transforms': ('geometry_msgs/msg/TransformStamped', 'tf2_msgs/msg/TFMessage'),
    'joints': ('sensor_msgs/msg/JointState', 'sensor_msgs/msg/MultiDOFJointState'),
    'inertial': ('sensor_msgs/msg/Imu',),
    'magnetic': ('sensor_msgs/msg/MagneticField',),
    'vectors': (
        'geometry_msgs/msg/Vector3',
        'geometry_msgs/msg/Vector3Stamped',
        'geometry_msgs/msg/Wrench',
        'geometry_msgs/msg/WrenchStamped',
    ),
    'readings': (
        'sensor_msgs/msg/FluidPressure',
        'sensor_msgs/msg/Illuminance',
        'sensor_msgs/msg/Range',
        'sensor_msgs/msg/RelativeHumidity',
        'sensor_msgs/msg/Temperature',
    ),
    'scan': ('sensor_msgs/msg/LaserScan',),
    'cloud': ('sensor_msgs/msg/PointCloud2',),
    'image': ('sensor_msgs/msg/Image',),
    'pictures': ('sensor_msgs/msg/CompressedImage',),
    'map': ('nav_msgs/msg/OccupancyGrid',),
    'diagnostics': ('diagnostic_msgs/msg/DiagnosticArray',),
    'log': ('rcl_interfaces/msg/Log',),
    'events': (
        'diagnostic_msgs/msg/DiagnosticStatus',
        'lifecycle_msgs/msg/TransitionEvent',
        'rcl_interfaces/msg/ParameterEvent',
    ),
    'drawings': (
        'geometry_msgs/msg/PoseArray',
        'nav_msgs/msg/Path',
        'visualization_msgs/msg/Marker',
        'visualization_msgs/msg/MarkerArray',
    ),
}
_KIND_OF_TYPE = {type_name: kind for kind, types in _KINDS.items() for type_name in types}


def kind_of(
    type_name: str,
    *,
    latched: bool = False,
    hz: float = 0.0,
    message_bytes: float = 0.0,
    distances: bool = False,
) -> str:
    """
    Tell a topic's kind.

    :param type_name: as in ``sensor_msgs/msg/Imu``
    :param latched: whether it is offered transient local
    :param hz: its rate
    :param message_bytes: of a message, the mean
    :param distances: whether an image's pixels are distances
    :returns: a key of :data:`RULES`
    """
    kind = _KIND_OF_TYPE.get(type_name, '')
    if latched:
        return 'latched_transforms' if kind == 'transforms' else 'latched'
    if kind == 'image' and distances:
        return 'depth'
    if kind:
        return kind
    rare = hz < EVENT_MAX_HZ and message_bytes < EVENT_MAX_BYTES
    return 'events' if rare else 'other'
