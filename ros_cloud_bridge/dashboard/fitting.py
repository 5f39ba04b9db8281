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

"""What a robot makes dashboards of: a stream's samples, as they come out of its reducer."""

from collections.abc import Iterator

from ros_cloud_bridge.dashboard.painter import Painter, Settings, Shown
from ros_cloud_bridge.reducers.interface import RememberingKind
from ros_cloud_bridge.reducers.registry import kind_of, restore
from ros_cloud_bridge.values import StreamConfig


class FormPainter(Painter):
    """
    Paints samples that have a compact form.

    :param form: its name
    :param topic: see :class:`Painter`
    :param type_name: of what is restored
    :param definition: of that type
    :param settings: what is shown
    :raises ValueError: when the form cannot be restored one by one, or nothing can be shown
    """

    def __init__(
        self, form: str, topic: str, type_name: str, definition: str, settings: Settings
    ) -> None:
        super().__init__(topic, type_name, definition, settings)
        if isinstance(kind_of(form), RememberingKind):
            raise ValueError(f'samples of the form {form} need those before them')
        self._form = form

    def paint(self, cdr: bytes, time_ns: int) -> Iterator[Shown]:
        """Make the messages of a sample; see :class:`Painter`."""
        return super().paint(restore(self._form, cdr), time_ns)


def painter_for(
    stream: StreamConfig, topic: str, type_name: str, definition: str, form: str
) -> Painter:
    """
    Make what paints a robot's samples.

    Pictures are shown where the stream's reducer, or the camera, has made them JPEGs: encoding
    them once more beside would take the time that batches need.

    :param stream: its policy
    :param topic: ROS topic
    :param type_name: of what goes out
    :param definition: of that type
    :param form: of what goes out; empty for plain CDR
    :returns: the painter
    :raises ValueError: says in one line why there is none
    """
    settings = Settings(fields=stream.dashboard_fields, form=stream.dashboard_form, converts=False)
    if form:
        return FormPainter(form, topic, type_name, definition, settings)
    return Painter(topic, type_name, definition, settings)
