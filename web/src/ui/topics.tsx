// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import { useState } from 'preact/hooks';

import { robotNews } from '../page/client';
import { byteRate, count, rate, span } from '../page/format';
import { linkTo } from '../page/route';
import { Panel } from './panel';
import { pickFrom } from './plots';

export function Topics({ robot }: { robot: string }) {
  const [query, setQuery] = useState('');
  const news = robotNews.value;
  const rows = (news?.topics ?? []).filter((row) =>
    `${row.topic} ${row.type} ${row.stream}`.toLowerCase().includes(query.trim().toLowerCase()),
  );
  const problems = Object.entries(news?.robot.health?.problems ?? {});
  return (
    <div class="panels">
      <Panel
        title={`${rows.length} topics`}
        size="full"
        tools={
          <input
            type="search"
            placeholder="Search topics"
            aria-label="Search topics"
            value={query}
            onInput={(event) => setQuery(event.currentTarget.value)}
          />
        }
      >
        <div class="inside tablebox">
          <table>
            <thead>
              <tr>
                <th>Topic</th>
                <th>Type</th>
                <th>Stream</th>
                <th class="num">Rate</th>
                <th class="num">Data</th>
                <th class="num">Age</th>
                <th class="num">Samples</th>
                <th />
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr key={row.topic}>
                  <td class="mono">
                    <a href={linkTo(robot, 'plots')} onClick={() => pickFrom(row.topic)}>{row.topic}</a>
                    {row.error !== '' && <div class="warn">{row.error}</div>}
                  </td>
                  <td class="dim">{row.type}</td>
                  <td>
                    {row.stream} {row.onDemand && <span class="pill">on demand</span>}
                  </td>
                  <td class="num">{rate(row.hz)} Hz</td>
                  <td class="num">{byteRate(row.bytesPerS)}</td>
                  <td class="num">{row.ageMs === null || row.ageMs < 0 ? '–' : span(row.ageMs / 1000)}</td>
                  <td class="num">{count(row.samples)}</td>
                  <td class="num">
                    <a class="pill" href={linkTo(robot, 'plots')} onClick={() => pickFrom(row.topic)}>
                      Fields
                    </a>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </Panel>
      {problems.length > 0 && (
        <Panel title="Not bridged" size="full">
          <div class="inside tablebox">
            <table>
              <tbody>
                {problems.map(([topic, why]) => (
                  <tr key={topic}>
                    <td class="mono">{topic}</td>
                    <td class="warn">{why}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </Panel>
      )}
    </div>
  );
}
