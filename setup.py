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

"""Package description that colcon (ament_python) and pip share."""

from pathlib import Path

from setuptools import find_packages, setup

NAME = 'ros_cloud_bridge'
HERE = Path(__file__).parent


def files(folder: str, pattern: str) -> list[str]:
    """
    Name the files of a folder that go into share/.

    :param folder: relative to this file
    :param pattern: glob within the folder
    :returns: paths relative to this file, as setuptools wants them
    """
    return sorted(str(path.relative_to(HERE)) for path in (HERE / folder).glob(pattern))


setup(
    name=NAME,
    version='0.1.0',
    description='Joins ROS 2 robots to the cloud over MQTT on slow, shared or broken links.',
    author='The ros_cloud_bridge authors',
    maintainer='The ros_cloud_bridge authors',
    maintainer_email='maintainers@ros-cloud-bridge.example.com',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    # The page that `ros-cloud-bridge web` serves, as web/ builds it.
    package_data={
        NAME: ['py.typed'],
        f'{NAME}.cloud.web': ['assets/*', 'assets/immutable/*'],
    },
    zip_safe=True,
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (f'share/{NAME}', ['package.xml']),
        (f'share/{NAME}/launch', files('launch', '*.launch.py')),
        (f'share/{NAME}/config', files('config', '*.yaml')),
    ],
    # ROS 2 itself is no dependency that pip can bring: package.xml names it for rosdep.
    install_requires=[
        'cbor2>=5.4',
        'cryptography>=3.4',
        'numpy>=1.21',
        'paho-mqtt>=1.6.1',
        'PyYAML>=5.4',
        'zstandard>=0.17',
    ],
    extras_require={
        # Fields of samples without ROS, MCAP files, and what top draws with.
        'cloud': ['mcap>=1.6', 'rich>=11.2', 'rosbags>=0.10'],
        # Tables of recordings.
        'export': ['mcap>=1.6', 'pyarrow>=14.0', 'rosbags>=0.10'],
        # What foxglove serves with.
        'foxglove': ['foxglove-sdk>=0.14'],
        # What the reducers jpeg and webp write with.
        'images': ['pillow>=9.0'],
        # What plan draws with.
        'plan': ['matplotlib>=3.5', 'mcap>=1.6'],
        # colcon runs the tests by pytest because it stands here.
        'test': [
            'hypothesis>=6.36',
            'mcap>=1.6',
            'mcap-ros2-support>=0.5',
            'pillow>=9.0',
            'pytest>=7.0',
            'rich>=11.2',
            'rosbags>=0.10',
        ],
    },
    entry_points={
        'console_scripts': [
            'bridge = ros_cloud_bridge.ros.main:main',
            'mirror = ros_cloud_bridge.ros.mirror.main:main',
            'rover = ros_cloud_bridge.ros.rover.node:main',
            'ros-cloud-bridge = ros_cloud_bridge.cli.main:main',
        ],
        'ros_cloud_bridge.reducers': [
            'aggregate = ros_cloud_bridge.reducers.aggregate:AggregateKind',
            'cloud_crop = ros_cloud_bridge.reducers.clouds:CropKind',
            'cloud_fields = ros_cloud_bridge.reducers.clouds:FieldsKind',
            'cloud_quantize = ros_cloud_bridge.reducers.cloud_forms:QuantizeKind',
            'cloud_voxel = ros_cloud_bridge.reducers.clouds:VoxelKind',
            'deadband = ros_cloud_bridge.reducers.deadband:DeadbandKind',
            'depth = ros_cloud_bridge.reducers.depth:DepthKind',
            'grid_diff = ros_cloud_bridge.reducers.grids:GridKind',
            'jpeg = ros_cloud_bridge.reducers.images:JpegKind',
            'laser_quantize = ros_cloud_bridge.reducers.laser:LaserKind',
            'precision = ros_cloud_bridge.reducers.precision:PrecisionKind',
            'select = ros_cloud_bridge.reducers.select_fields:SelectKind',
            'stamps = ros_cloud_bridge.reducers.stamps:StampsKind',
            'tf_motion = ros_cloud_bridge.reducers.tf_motion:TfMotionKind',
            'webp = ros_cloud_bridge.reducers.images:WebpKind',
        ],
    },
)
