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

"""``sensor_msgs/msg/Image`` and ``CompressedImage``, read in place."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers.sensor_cdr import CdrReader, CdrWriter, Header
from ros_cloud_bridge.wire.limits import MAX_BATCH_RAW

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """
    A picture.

    ``data`` has ``step`` bytes for each row, of which the first hold pixels; ``big`` says in which
    byte order numbers of more than a byte are.
    """

    header: Header
    height: int
    width: int
    encoding: str
    big: bool
    step: int
    data: memoryview

    def rows(self, pixel_bytes: int) -> NDArray[np.uint8]:
        """
        Give the rows without what pads them.

        :param pixel_bytes: bytes of a pixel
        :returns: shape (height, width × pixel_bytes), a view
        :raises ProtocolError: when the image has fewer bytes
        """
        length = self.width * pixel_bytes
        if self.step < length or len(self.data) < self.step * (self.height - 1) + length:
            raise ProtocolError(f'an image of {self.encoding} has fewer bytes than pixels')
        flat = np.frombuffer(self.data, np.uint8)
        if len(flat) < self.step * self.height:
            # The last row may lack its padding.
            flat = np.concatenate((flat, np.zeros(self.step * self.height - len(flat), np.uint8)))
        return flat[: self.step * self.height].reshape(self.height, self.step)[:, :length]

    def write(self) -> bytes:
        """
        Serialize.

        :returns: CDR, little endian
        """
        writer = CdrWriter()
        self.header.write(writer)
        writer.numbers('II', self.height, self.width)
        writer.text(self.encoding)
        writer.numbers('?I', self.big, self.step)
        writer.sequence(self.data, 1)
        return writer.done()


def read_image(cdr: bytes) -> Image:
    """
    Read a picture.

    :param cdr: the message, either byte order
    :returns: the picture; its data is a view of the message
    :raises ProtocolError: when it is malformed, or empty, or too large
    """
    reader = CdrReader(cdr)
    header = Header.read(reader)
    height, width = reader.whole(), reader.whole()
    encoding = reader.text()
    big, step = bool(reader.whole('B')), reader.whole()
    data = reader.sequence(1)
    reader.end()
    check_size(height, width, step)
    return Image(
        header=header,
        height=height,
        width=width,
        encoding=encoding,
        big=big,
        step=step,
        data=data,
    )


def check_size(height: int, width: int, step: int) -> None:
    """
    Check a picture's size before anything is allocated for it.

    :param height: rows
    :param width: pixels of a row
    :param step: bytes of a row
    :raises ProtocolError: when it is empty or too large
    """
    if not height or not width:
        raise ProtocolError('an empty image')
    if height * max(step, width) > MAX_BATCH_RAW:
        raise ProtocolError(f'an image of {width} x {height} pixels')


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressedImage:
    """A picture as a file's bytes; ``format`` is as compressed_image_transport writes it."""

    header: Header
    format: str
    data: bytes | memoryview

    def write(self) -> bytes:
        """
        Serialize.

        :returns: CDR, little endian
        """
        writer = CdrWriter()
        self.header.write(writer)
        writer.text(self.format)
        writer.sequence(self.data, 1)
        return writer.done()


def read_compressed(cdr: bytes) -> CompressedImage:
    """
    Read a compressed picture.

    :param cdr: the message, either byte order
    :returns: the picture; its data is a view of the message
    :raises ProtocolError: when it is malformed
    """
    reader = CdrReader(cdr)
    header = Header.read(reader)
    text = reader.text()
    data = reader.sequence(1)
    reader.end()
    return CompressedImage(header=header, format=text, data=data)
