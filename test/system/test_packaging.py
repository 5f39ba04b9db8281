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

"""What colcon, rosdep and pip are told of the package, against what the package is."""

import ast
from collections.abc import Iterator
from configparser import ConfigParser
from importlib.util import find_spec
from pathlib import Path
import re
import subprocess
import sys
from typing import Any
from xml.etree import ElementTree
import zipfile

import pytest

import ros_cloud_bridge
from ros_cloud_bridge.cli.main import SUBCOMMANDS

ROOT = Path(__file__).resolve().parents[2]
NAME = 'ros_cloud_bridge'

# import -> rosdep key, where the key is not the module's own name; zstandard and mcap have none,
# and mcap-ros2-support brings both.
KEYS = {
    'cbor2': 'python3-cbor2',
    'cryptography': 'python3-cryptography',
    'matplotlib': 'python3-matplotlib',
    'mcap': 'mcap-ros2-support',
    'numpy': 'python3-numpy',
    'paho': 'python3-paho-mqtt',
    'PIL': 'python3-pil',
    'rich': 'python3-rich',
    'rosbags': 'python3-rosbags-pip',
    'yaml': 'python3-yaml',
    'zstandard': 'mcap-ros2-support',
}
# import -> distribution that pip knows
DISTRIBUTIONS = {'PIL': 'pillow', 'paho': 'paho-mqtt', 'yaml': 'PyYAML'}
# Modules of rclpy's and the interface packages' own dependencies, which come with these.
COME_ALONG = {'rpyutils': 'rclpy', 'rosidl_runtime_py': 'rclpy'}


def imported_by_package() -> set[str]:
    """
    Collect the package's imports of others.

    :returns: top-level module names, without the standard library's
    """
    found: set[str] = set()
    for path in (ROOT / NAME).rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                found.add(node.module.partition('.')[0])
    return found - set(sys.stdlib_module_names) - {NAME}


def manifest() -> ElementTree.Element:
    """
    Read package.xml.

    :returns: its root
    """
    return ElementTree.parse(ROOT / 'package.xml').getroot()


def dependencies() -> set[str]:
    """
    Collect what package.xml depends on to run.

    :returns: rosdep keys
    """
    tags = ('depend', 'exec_depend')
    return {element.text or '' for tag in tags for element in manifest().iter(tag)}


@pytest.fixture(scope='module')
def setup_arguments() -> Iterator[dict[str, Any]]:
    """
    Run setup.py with a setuptools that only listens.

    :returns: keyword arguments of its ``setup`` call
    """
    setuptools = pytest.importorskip('setuptools', reason='setuptools is not installed')
    heard: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, 'setup', lambda **arguments: heard.update(arguments))
        patch.chdir(ROOT)
        code = compile((ROOT / 'setup.py').read_text(encoding='utf-8'), 'setup.py', 'exec')
        exec(code, {'__name__': '__main__', '__file__': str(ROOT / 'setup.py')})
        yield heard


def test_versions_agree(setup_arguments: dict[str, Any]) -> None:
    assert setup_arguments['version'] == ros_cloud_bridge.__version__
    assert manifest().findtext('version') == ros_cloud_bridge.__version__


def test_changelog_has_this_version_or_what_comes() -> None:
    text = (ROOT / 'CHANGELOG.rst').read_text(encoding='utf-8')
    version = re.escape(ros_cloud_bridge.__version__)
    headings = re.findall(r'^(.+)\n-+$', text, flags=re.MULTILINE)
    assert re.fullmatch(rf'Forthcoming|{version} \(\d{{4}}-\d\d-\d\d\)', headings[0])


def test_colcon_s_reader_takes_the_manifest() -> None:
    catkin_pkg = pytest.importorskip('catkin_pkg.package', reason='catkin_pkg is not installed')
    package = catkin_pkg.parse_package(str(ROOT))
    package.validate()
    assert package.name == NAME
    assert package.get_build_type() == 'ament_python'


def test_every_import_has_its_rosdep_key() -> None:
    wanted = {COME_ALONG.get(name, KEYS.get(name, name)) for name in imported_by_package()}
    # They belong to the consumer's side or to the desk's, where pip installs.
    elsewhere = {'python3-rosbags-pip', 'python3-matplotlib', 'foxglove', 'pyarrow'}
    assert wanted - dependencies() - elsewhere == set()


def test_every_import_from_pypi_is_required(setup_arguments: dict[str, Any]) -> None:
    extras = setup_arguments['extras_require']
    lines = [*setup_arguments['install_requires']]
    lines += [*extras['cloud'], *extras['images'], *extras['plan']]
    required = {re.split(r'[<>=]', line)[0] for line in lines}
    wanted = {DISTRIBUTIONS.get(name, name) for name in imported_by_package() & set(KEYS)}
    assert wanted == required


def test_executables_lead_somewhere(setup_arguments: dict[str, Any]) -> None:
    scripts = setup_arguments['entry_points']['console_scripts']
    assert {line.partition(' ')[0] for line in scripts} >= {'bridge', 'ros-cloud-bridge'}
    for line in scripts:
        module, _, function = line.partition(' = ')[2].partition(':')
        tree = ast.parse((ROOT / f'{module.replace(".", "/")}.py').read_text(encoding='utf-8'))
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_ros2_run_looks_where_colcon_installs() -> None:
    parser = ConfigParser()
    parser.read(ROOT / 'setup.cfg')
    assert parser['develop']['script_dir'] == f'$base/lib/{NAME}'
    assert parser['install']['install_scripts'] == f'$base/lib/{NAME}'


def test_share_holds_marker_launch_and_config(setup_arguments: dict[str, Any]) -> None:
    share = dict(setup_arguments['data_files'])
    assert share['share/ament_index/resource_index/packages'] == [f'resource/{NAME}']
    for folder, pattern in (('launch', '*.py'), ('config', '*')):
        present = {str(path.relative_to(ROOT)) for path in (ROOT / folder).glob(pattern)}
        assert present
        assert set(share[f'share/{NAME}/{folder}']) == present


@pytest.mark.slow
@pytest.mark.skipif(find_spec('pip') is None, reason='pip is not installed')
@pytest.mark.skipif(find_spec('setuptools') is None, reason='setuptools is not installed')
def test_wheel_holds_every_module(tmp_path: Path) -> None:
    # A copy: the build writes beside the sources, where a second test run may be at it too.
    source = tmp_path / 'source'
    source.mkdir()
    parts = [NAME, 'launch', 'config', 'resource', 'package.xml', 'setup.py', 'setup.cfg']
    subprocess.run(
        ['cp', '-r', *(ROOT / part for part in [*parts, 'pyproject.toml', 'LICENSE']), source],
        check=True,
    )
    command = [sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '--no-build-isolation']
    done = subprocess.run(
        [*command, '-w', tmp_path, source], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob('*.whl')
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / NAME).rglob('*.py')}
    page = {
        str(path.relative_to(ROOT))
        for path in (ROOT / NAME / 'cloud' / 'web' / 'assets').rglob('*')
        if path.is_file()
    }
    assert modules | page | {f'{NAME}/py.typed'} <= names
    assert not [name for name in names if name.startswith('test')]
    assert [name for name in names if name.endswith(f'share/{NAME}/launch/bridge.launch.py')]


def test_readme_leads_to_every_subcommand_and_every_page() -> None:
    readme = (ROOT / 'README.md').read_text()
    table = readme[readme.index('## The command line') : readme.index('## More')]
    for name in SUBCOMMANDS:
        assert re.search(rf'^\|.*`{name}[ `]', table, re.MULTILINE), name
    linked = {Path(link).name for link in re.findall(r'\]\((docs/\w+\.md)', readme)}
    pages = {path.name: path.read_text() for path in (ROOT / 'docs').glob('*.md')}
    # In two steps.
    near = {name for page in linked for name in re.findall(r'\]\((\w+\.md)', pages[page])}
    assert pages.keys() <= linked | near
