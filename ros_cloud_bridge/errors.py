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
Every error that this package raises on purpose.

::

    BridgeError
      ConfigError          the user's configuration is wrong; names key, value and what is allowed
      LocalFault           this machine lacks something or failed
        MissingTypeSupport   a ROS type whose package is not installed
        SchemaMismatch       a message class differs from what the graph publishes
        DuplicateRobotId     another bridge of this robot id runs on this host
        BadFields            values that do not fit a ROS message, or a message too large to tell
      RemoteFault          the other side failed or is hostile
        ProtocolError        bytes from the wire that break the protocol or a limit
        UnknownSchema        a sample's fields were asked for before its schema arrived
        UnknownForm          a sample in a form of a reducer that is not installed here
"""


class BridgeError(Exception):
    """Root of this package's errors."""


class ConfigError(BridgeError):
    """
    A configuration that cannot be used.

    :param key: full dotted key, as in ``stream.pose.max_hz``
    :param problem: what is wrong with it and what is allowed
    """

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f'{key}: {problem}')
        self.key = key
        self.problem = problem


class LocalFault(BridgeError):
    """This machine lacks something or failed."""


class MissingTypeSupport(LocalFault):
    """
    A ROS type cannot be loaded here.

    :param type_name: as in ``tf2_msgs/msg/TFMessage``
    :param reason: what the import said
    """

    def __init__(self, type_name: str, reason: str) -> None:
        package = type_name.partition('/')[0]
        super().__init__(
            f"no type support for {type_name}: install the package '{package}' ({reason})"
        )
        self.type_name = type_name
        self.package = package


class SchemaMismatch(LocalFault):
    """
    The installed message class is not the one that the graph publishes.

    :param type_name: as in ``sensor_msgs/msg/Imu``
    :param installed: RIHS01 of the installed class
    :param published: RIHS01 that the publisher announces
    """

    def __init__(self, type_name: str, installed: str, published: str) -> None:
        super().__init__(
            f'{type_name}: installed definition {installed} differs from the published '
            f"{published}; install the publisher's version of the package"
        )
        self.type_name = type_name


class DuplicateRobotId(LocalFault):
    """Another bridge of this robot id runs on this host."""


class BadFields(LocalFault):
    """
    Values do not fit a ROS message, or a message is too large to be told.

    The text is one line: the field's path, what was expected there and what was given.
    """


class RemoteFault(BridgeError):
    """The other side failed, refused or is hostile."""


class ProtocolError(RemoteFault):
    """Bytes from the wire that break the protocol or one of its limits."""


class UnknownSchema(RemoteFault):
    """
    A sample's fields were asked for before its schema arrived.

    :param type_name: the type whose definition is missing
    """

    def __init__(self, type_name: str) -> None:
        super().__init__(f'no schema for {type_name} has arrived yet')
        self.type_name = type_name


class UnknownForm(RemoteFault):
    """
    A sample is in the compact form of a reducer that is not installed here.

    :param form: as in ``cloud_quantize/1``
    :param reason: why it cannot be used, if it is installed
    """

    def __init__(self, form: str, reason: str = '') -> None:
        shown = form[:64] if form.isprintable() else repr(form[:64])
        why = f' ({reason})' if reason else ''
        super().__init__(f'no reducer here knows the form {shown}{why}')
        self.form = form
