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
How quick and how smooth the page is, in a real Chromium without a window, and its memory.

| part | what |
|---|---|
| open | from opening the address of a robot's plots to the first value shown |
| plots | time between frames while 20 plots of 50 Hz scroll |
| fleet | the same while a list of 1,000 robots is scrolled, all of which report |
| memory | an hour's worth of those 20 plots, fed as fast as the page takes it |

Chromium draws by the processor here: with a graphics card frames are cheaper. Frames come every
16.7 ms at best; one is late when it comes after 25 ms, so that a whole one was left out. The
window has 2560 x 1440 pixels, in which all plots are in sight.
"""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, ExitStack
from importlib.util import find_spec
import json
from pathlib import Path
import statistics
import sys
import time
from typing import Any

from tables import machine, number, table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'test'))

from web_page_robots import Fleet, PLOTS, Plotted, ROBOT  # noqa: E402

from ros_cloud_bridge.cloud.web.page import Broker as BrokerPlace  # noqa: E402
from ros_cloud_bridge.cloud.web.page import Page  # noqa: E402
from ros_cloud_bridge.cloud.web.server import PageServer  # noqa: E402
from support.broker import Broker, free_port  # noqa: E402
from support.browser import chromium, find_chromium  # noqa: E402

_LATE_MS = 25.0
_WAIT_S = 60.0
_MEMORY = '--enable-blink-features=ForceEagerMeasureMemory'

_RECORD = """() => {
  const frames = (window.frames_ms = []);
  let before = performance.now();
  const next = (now) => {
    frames.push(now - before);
    before = now;
    requestAnimationFrame(next);
  };
  requestAnimationFrame(next);
}"""
# Down and up again, a screen's height in a third of a second.
_SCROLL = """() => {
  const list = document.querySelector('.fleet .scroll');
  let step = 40;
  const next = () => {
    if (list.scrollTop + list.clientHeight >= list.scrollHeight - 1) step = -40;
    if (list.scrollTop <= 0) step = 40;
    list.scrollTop += step;
    requestAnimationFrame(next);
  };
  requestAnimationFrame(next);
}"""
_SHOWN = """() => {
  const labels = [...document.querySelectorAll('.plot .keys b')];
  return labels.length >= COUNT && labels.every((label) => label.textContent !== '–');
}"""


@contextmanager
def rig() -> Iterator[tuple[Broker, str]]:
    """
    Run a broker and the page's server.

    :yields: the broker, and the page's address
    """
    port = free_port()
    lines = ['max_queued_messages 0', f'listener {port} 127.0.0.1', 'protocol websockets']
    place = BrokerPlace(url=f'ws://{{host}}:{port}/mqtt', root='rcb/v1')
    with (
        Broker(lines) as broker,
        PageServer(Page(place), host='127.0.0.1', port=0) as server,
    ):
        yield broker, server.url


@contextmanager
def opened(browser: Any) -> Iterator[Any]:
    """
    Open a page that knows which plots are wanted.

    :param browser: Chromium
    :yields: Playwright's ``Page``
    """
    context = browser.new_context(viewport={'width': 2560, 'height': 1440})
    kept = json.dumps([{'topic': topic, 'fields': fields} for topic, fields in PLOTS])
    context.add_init_script(f'localStorage.setItem("rcb.plots.{ROBOT}", {json.dumps(kept)})')
    page = context.new_page()
    page.set_default_timeout(_WAIT_S * 1000)
    yield page
    context.close()


def shown(count: int) -> str:
    """
    Ask whether plots show values.

    :param count: how many at least
    :returns: JavaScript
    """
    return _SHOWN.replace('COUNT', str(count))


def measure_open(browser: Any, rounds: int) -> dict[str, float]:
    """
    Open the page again and again.

    :param browser: Chromium
    :param rounds: how often
    :returns: milliseconds
    """
    took = []
    with rig() as (broker, url), Plotted(broker) as robot:
        robot.start()
        for _ in range(rounds):
            with opened(browser) as page:
                page.goto(f'{url}#/robots/{ROBOT}/plots')
                page.wait_for_function(shown(1), polling='raf')
                # Milliseconds since the navigation began.
                took.append(float(page.evaluate('performance.now()')))
    return {'first value p50': statistics.median(took), 'worst': max(took)}


def frames(page: Any, seconds: float) -> dict[str, float]:
    """
    Watch frames for a while.

    :param page: Playwright's
    :param seconds: how long
    :returns: milliseconds between frames, and how many were late
    """
    page.evaluate(_RECORD)
    page.wait_for_timeout(1000 * seconds)
    found = sorted(page.evaluate('window.frames_ms'))
    count = len(found)
    return {
        'frames per second': 1000 * count / sum(found),
        'p50 ms': statistics.median(found),
        'p95 ms': found[int(0.95 * count)],
        'p99 ms': found[int(0.99 * count)],
        'late %': 100 * sum(gap > _LATE_MS for gap in found) / count,
    }


def measure_plots(browser: Any, seconds: float) -> dict[str, float]:
    """
    Watch frames while plots scroll.

    :param browser: Chromium
    :param seconds: how long
    :returns: as of :func:`frames`
    """
    with rig() as (broker, url), Plotted(broker) as robot, opened(browser) as page:
        robot.start()
        page.goto(f'{url}#/robots/{ROBOT}/plots')
        page.wait_for_function(shown(len(PLOTS)))
        return frames(page, seconds)


def measure_fleet(browser: Any, seconds: float, robots: int) -> dict[str, float]:
    """
    Watch frames while a list is scrolled.

    :param browser: Chromium
    :param seconds: how long
    :param robots: in the list
    :returns: as of :func:`frames`, and the rows that the document has
    """
    with rig() as (broker, url), Fleet(broker, robots) as fleet, opened(browser) as page:
        fleet.start()
        page.goto(url)
        page.get_by_text(f'{robots} of {robots} online').wait_for()
        page.evaluate(_SCROLL)
        found = frames(page, seconds)
        return {**found, 'rows in the document': page.locator('.fleet .item').count()}


def measure_memory(browser: Any, hours: float) -> dict[str, float]:
    """
    Feed the page with data from the past up to now.

    :param browser: Chromium
    :param hours: how much data
    :returns: megabytes before and after, and how long it took
    """
    with rig() as (broker, url), Plotted(broker) as robot, opened(browser) as page:
        robot.announce()
        left = int(3600 * hours)
        page.goto(f'{url}#/robots/{ROBOT}/plots')
        page.get_by_role('button', name='1 h').click()
        # Until the page has subscribed and shows the first of it.
        while not page.evaluate(shown(len(PLOTS))):
            robot.feed(left, 1)
            left -= 1
            page.wait_for_timeout(50)
        before, process, seconds = memory_mb(page), process_mb(browser), left
        began = time.monotonic()
        for ago in range(seconds, 0, -1):
            robot.feed(ago, 1)
        took = time.monotonic() - began
        # What is under way is decoded and drawn.
        page.wait_for_timeout(5000)
        return {
            'before MB': before,
            'after MB': memory_mb(page),
            'process before MB': process,
            'process after MB': process_mb(browser),
            'times real time': seconds / took,
        }


def memory_mb(page: Any) -> float:
    """
    Ask Chromium what the page and its worker hold, after a collection.

    :param page: Playwright's
    :returns: megabytes
    """
    found = page.evaluate('performance.measureUserAgentSpecificMemory()')
    return float(found['bytes']) / 1e6


def process_mb(browser: Any) -> float:
    """
    Ask the kernel what the page's process holds, Chromium's own code and pictures included.

    :param browser: Chromium
    :returns: megabytes resident, of the largest process that draws a page
    """
    told = browser.new_browser_cdp_session().send('SystemInfo.getProcessInfo')['processInfo']
    pages = [entry['id'] for entry in told if entry['type'] == 'renderer']
    status = [Path(f'/proc/{pid}/status').read_text() for pid in pages]
    return max(int(text.split('VmRSS:')[1].split()[0]) for text in status) / 1e3


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the parts.

    :param arguments: of the command line
    :returns: exit status
    """
    parser = argparse.ArgumentParser(description='Measure the page in Chromium.')
    parser.add_argument('--quick', action='store_true', help='to try it')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write every figure')
    parser.add_argument(
        '--part', action='append', choices=('open', 'plots', 'fleet', 'memory'), help='repeatable'
    )
    args = parser.parse_args(arguments)
    if find_chromium() is None or find_spec('playwright') is None:
        print('needs Chromium (apt) and playwright (pip)', file=sys.stderr)
        return 2
    parts = args.part or ['open', 'plots', 'fleet', 'memory']
    seconds = 5.0 if args.quick else 30.0
    results: dict[str, dict[str, float]] = {}
    with ExitStack() as stack:
        # Else Chromium waits up to half a minute for a good moment to count memory.
        browser = stack.enter_context(chromium([_MEMORY]))
        if 'open' in parts:
            results['open'] = measure_open(browser, 3 if args.quick else 15)
        if 'plots' in parts:
            results['plots'] = measure_plots(browser, seconds)
        if 'fleet' in parts:
            results['fleet'] = measure_fleet(browser, seconds, 200 if args.quick else 1000)
        if 'memory' in parts:
            results['memory'] = measure_memory(browser, 0.02 if args.quick else 1.0)
    print(machine())
    rows = [
        [f'{part}: {name}', number(value, 1)]
        for part, figures in results.items()
        for name, value in figures.items()
    ]
    print(table(['', ''], rows))
    if args.json:
        args.json.write_text(json.dumps({'machine': machine(), 'results': results}, indent=1))
    return 0


if __name__ == '__main__':
    sys.exit(main())
