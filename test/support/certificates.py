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

"""Certificates made on the spot by the openssl command."""

from pathlib import Path
import shutil
import subprocess

import pytest


def _openssl(*arguments: str) -> None:
    program = shutil.which('openssl')
    if program is None:
        pytest.skip('the openssl command is not installed')
    subprocess.run([program, *arguments], check=True, capture_output=True)


class Authority:
    """
    A certificate authority of its own.

    :param directory: where its files go
    :param name: its common name and the stem of its files
    """

    def __init__(self, directory: Path, name: str = 'ca') -> None:
        self._directory = directory
        self._key = directory / f'{name}.key'
        self.certificate = directory / f'{name}.pem'
        _openssl(
            *('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'),
            *('-nodes', '-days', '2', '-subj', f'/CN={name}'),
            *('-keyout', str(self._key), '-out', str(self.certificate)),
        )

    def issue(self, name: str, password: str = '') -> tuple[Path, Path]:
        """
        Issue a certificate for localhost and 127.0.0.1.

        :param name: common name and stem of the files
        :param password: encrypts the key when given
        :returns: paths of certificate and key
        """
        key, request = self._directory / f'{name}.key', self._directory / f'{name}.csr'
        certificate = self._directory / f'{name}.pem'
        extensions = self._directory / f'{name}.ext'
        extensions.write_text('subjectAltName=DNS:localhost,IP:127.0.0.1\n')
        _openssl(
            *('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'),
            *(('-passout', f'pass:{password}') if password else ('-nodes',)),
            *('-subj', f'/CN={name}', '-keyout', str(key), '-out', str(request)),
        )
        _openssl(
            *('x509', '-req', '-in', str(request), '-days', '2', '-extfile', str(extensions)),
            *('-CA', str(self.certificate), '-CAkey', str(self._key), '-CAcreateserial'),
            *('-out', str(certificate)),
        )
        key.chmod(0o600)
        return certificate, key
