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

"""Pictures as the bytes of a JPEG."""

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers.images import JpegKind
from ros_cloud_bridge.reducers.images_messages import COMPRESSED, IMAGE, read_compressed
from ros_cloud_bridge.reducers.interface import Level
from ros_cloud_bridge.wire.limits import MAX_BATCH_RAW

_JPEG = b'\xff\xd8\xff'
_QUALITY = 70
DEFAULT_WIDTH = 640


class Pictures:
    """
    Makes JPEGs of the pictures of one topic.

    :param type_name: Image or CompressedImage
    :param definition: of the type
    :param width: widest picture; None leaves JPEGs as they are, and others get
        :data:`DEFAULT_WIDTH`
    :param converts: whether what is no JPEG is made one, which takes the time of an encoder
    :raises ValueError: when the encoder is missing
    """

    def __init__(
        self, type_name: str, definition: str, width: int | None, *, converts: bool
    ) -> None:
        self._compressed = type_name == COMPRESSED
        self._as_it_is = self._compressed and width is None
        self._reducer = None
        if converts:
            options = {'width': str(width or DEFAULT_WIDTH), 'quality': str(_QUALITY)}
            self._reducer = JpegKind().make(type_name, definition, options, MAX_BATCH_RAW)

    def jpeg(self, cdr: bytes) -> bytes | None:
        """
        Make a picture.

        :param cdr: the message
        :returns: a JPEG file; None for what is none where none is made
        :raises ProtocolError: when the message is malformed, or no picture
        """
        if self._as_it_is:
            data = bytes(read_compressed(cdr).data)
            if data.startswith(_JPEG):
                return data
        if self._reducer is None:
            return None
        made = self._reducer.reduce(cdr, Level.FULL)
        if made is None:
            raise ProtocolError('a picture that is left out')
        return bytes(read_compressed(made).data)


def is_picture(type_name: str) -> bool:
    """
    Tell whether a type's messages are pictures.

    :param type_name: as in ``sensor_msgs/msg/Image``
    :returns: whether they are
    """
    return type_name in (IMAGE, COMPRESSED)
