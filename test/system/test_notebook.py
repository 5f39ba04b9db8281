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

"""The notebook of the examples, executed on the rover: its tables hold what the rover said."""

import base64
import io
import os
from pathlib import Path
import pickle
from typing import Any

import pytest
import yaml

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
pytest.importorskip('pyarrow', reason='pyarrow: install the extra export')
pytest.importorskip('matplotlib', reason='matplotlib is missing')
pytest.importorskip('ipykernel', reason='the notebook needs ipykernel')
nbclient = pytest.importorskip('nbclient', reason='nbclient, which executes notebooks, is missing')
nbformat = pytest.importorskip('nbformat', reason='nbformat, which reads notebooks, is missing')
Image = pytest.importorskip('PIL.Image', reason='Pillow is missing: install the extra images')

from support.bridge_process import BridgeProcess  # noqa: E402
from support.broker import Broker  # noqa: E402
from support.collector import Collector  # noqa: E402
from support.program import Program  # noqa: E402

PROJECT = Path(__file__).resolve().parents[2]
NOTEBOOK = PROJECT / 'examples' / 'notebook' / 'robot.ipynb'
LISTED = {'/imu/data', '/map', '/map_transform', '/odom', '/scan'}
PICTURES = 4
ODOMETRY = {
    'pose.pose.position.x': lambda message: message.pose.pose.position.x,
    'pose.pose.orientation.z': lambda message: message.pose.pose.orientation.z,
    'twist.twist.angular.z': lambda message: message.twist.twist.angular.z,
    'header.frame_id': lambda message: message.header.frame_id,
}


def outputs(notebook: Any, kind: str) -> list[str]:
    """Give what the cells show of a media type."""
    return [
        shown['data'][kind]
        for cell in notebook.cells
        for shown in cell.get('outputs', [])
        if kind in shown.get('data', {})
    ]


def colours(picture: str) -> int:
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert('RGB')
    return len(image.getcolors(image.width * image.height))


@pytest.mark.slow
def test_its_tables_hold_what_the_rover_said(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = yaml.safe_load((PROJECT / 'config' / 'rover.yaml').read_text())
    parameters = parameters['/**']['ros__parameters']
    parameters['mqtt'] = {'host': broker.host, 'port': broker.port}
    parameters['health_period_s'] = 0.5
    del parameters['commands'], parameters['command']
    for name, value in {
        'RCB_HOST': broker.host,
        'RCB_PORT': str(broker.port),
        'RCB_ROBOT': parameters['robot_id'],
        'RCB_SECONDS': '3',
        'PYTHONPATH': f'{PROJECT}:{os.environ.get("PYTHONPATH", "")}',
        'IPYTHONDIR': str(tmp_path / 'ipython'),
    }.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(NOTEBOOK, 4)
    kept = tmp_path / 'frames'
    saving = (
        'import pickle\n'
        f'Path({str(kept)!r}).write_bytes(pickle.dumps((frames, tables, losses, place)))'
    )
    notebook.cells.append(nbformat.v4.new_code_cell(saving))

    with Collector(broker, parameters['robot_id']) as collector, Program(['robot']):
        with BridgeProcess(parameters):
            for topic in LISTED:
                collector.wait_for_samples(topic)
            nbclient.NotebookClient(notebook, timeout=60, kernel_name='python3').execute()
        samples = collector.samples('/odom')

    frames, tables, losses, place = pickle.loads(kept.read_bytes())
    assert frames.keys() >= LISTED
    assert tables.keys() >= LISTED
    odometry = frames['/odom']
    published = {sample.sequence: sample for sample in samples}
    for frame in (odometry, tables['/odom']):
        assert len(frame) > 20
        said = [published[number] for number in frame['_sequence']]
        assert frame.index.astype('int64').tolist() == [one.source_time_ns for one in said]
        messages = [one.message() for one in said]
        for name, value in ODOMETRY.items():
            assert frame[name].tolist() == [value(message) for message in messages], name
    assert (odometry['arrived'] > odometry.index).all()
    assert len(frames['/map'].iloc[-1]['data']) == 400 * 320
    # The rover is in its rooms, wherever odometry has drifted to.
    assert place['x'].between(-9.6, 9.6).all() and place['y'].between(-7.6, 7.6).all()
    # Between two reports of health within those seconds.
    assert losses.loc['/odom', 'received'] >= 10
    # Its reducer makes one message of five; some are on their way when health is told.
    imu = losses.loc['/imu/data']
    assert imu['unchanged'] == pytest.approx(4 * imu['received'], rel=0.25, abs=12)
    assert (losses['unexplained'] == 0).all()
    summary = outputs(notebook, 'text/html')[0]
    assert all(topic in summary for topic in LISTED)
    pictures = outputs(notebook, 'image/png')
    assert len(pictures) == PICTURES
    # Lines, boxes and letters: an empty frame has fewer.
    assert all(colours(picture) > 100 for picture in pictures), [*map(colours, pictures)]


def test_it_reads_well_as_it_stands() -> None:
    notebook = nbformat.read(NOTEBOOK, 4)
    nbformat.validate(notebook)
    shown = outputs(notebook, 'text/html')
    assert len(outputs(notebook, 'image/png')) == PICTURES
    assert any('/odom' in text for text in shown)
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == 'code']
    assert counts == [*range(1, len(counts) + 1)]
    assert set(notebook.metadata) == {'kernelspec', 'language_info'}
    text = NOTEBOOK.read_text()
    assert len(text) < 300_000
    assert not any(word in text for word in ('Traceback', '/home/', '/root/', '/tmp/', 'WARNING'))
