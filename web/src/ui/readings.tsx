// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Panels of words and figures: battery, diagnostics, text. */

import { useEffect, useState } from 'preact/hooks';

import type { BatteryView, Status, TextView } from '../link/views';
import { client } from '../page/client';
import { Panel, Waiting, waitingFor } from './panel';

interface Shown {
  readonly topic: string;
  readonly onClose?: () => void;
}

export function BatteryPanel({ topic, onClose }: Shown) {
  const [battery, setBattery] = useState<BatteryView | null>(null);
  useEffect(
    () =>
      client.view(topic, 'view', (view) => {
        if (view.kind === 'battery') setBattery(view);
      }),
    [topic],
  );
  const share = battery === null ? NaN : Math.min(1, Math.max(0, battery.share));
  const kind = share < 0.15 ? 'bad' : share < 0.3 ? 'warn' : 'good';
  return (
    <Panel title="Battery" hint={topic} onClose={onClose}>
      <div class="inside">
        {battery === null ? (
          <div class="view" style={{ height: '54px' }}>
            <Waiting topic={topic} />
          </div>
        ) : (
          <div class="row">
            <span style={{ fontSize: '22px', fontWeight: 600 }} class={kind}>
              {Number.isFinite(share) ? `${Math.round(100 * share)} %` : '–'}
            </span>
            <meter
              class="grow"
              min={0}
              max={1}
              low={0.15}
              high={0.3}
              optimum={1}
              value={Number.isFinite(share) ? share : 0}
              aria-label="Charge"
            />
            <span class="dim">
              {battery.volts.toFixed(1)} V · {battery.amperes.toFixed(1)} A{battery.charging ? ' · charging' : ''}
            </span>
          </div>
        )}
      </div>
    </Panel>
  );
}

export const LEVELS = ['OK', 'Warning', 'Error', 'Stale'] as const;
export const LEVEL_TONES = ['good', 'warn', 'bad', 'bad'] as const;
const MOST_NAMES = 500;

/** Keeps the last word of each status, since a message need not have all of them. */
export function useStatuses(topic: string): ReadonlyMap<string, Status> {
  const [statuses, setStatuses] = useState<ReadonlyMap<string, Status>>(new Map());
  useEffect(
    () =>
      client.view(topic, 'view', (view) => {
        if (view.kind !== 'diagnostics') return;
        setStatuses((before) => {
          const next = new Map(before);
          for (const status of view.statuses) {
            if (next.size < MOST_NAMES || next.has(status.name)) next.set(status.name, status);
          }
          return next;
        });
      }),
    [topic],
  );
  return statuses;
}

export function DiagnosticsPanel({ topic, onClose }: Shown) {
  const statuses = useStatuses(topic);
  return (
    <Panel title="Diagnostics" hint={topic} onClose={onClose}>
      <div class="inside tall">
        {statuses.size === 0 ? (
          <p class="dim">{waitingFor(topic)}</p>
        ) : (
          <StatusTable statuses={[...statuses.values()]} />
        )}
      </div>
    </Panel>
  );
}

export function StatusTable({ statuses }: { statuses: readonly Status[] }) {
  const sorted = [...statuses].sort(
    (one, other) => other.level - one.level || (one.name < other.name ? -1 : 1),
  );
  return (
    <div>
      {sorted.map((status) => (
        <details key={status.name}>
          <summary>
            <span class={LEVEL_TONES[status.level] ?? 'bad'}>{LEVELS[status.level] ?? status.level}</span>{' '}
            {status.name} <span class="dim">{status.message}</span>
          </summary>
          <table>
            <tbody>
              {status.values.map(([key, text], i) => (
                <tr key={i}>
                  <td class="dim">{key}</td>
                  <td class="mono">{text}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </details>
      ))}
    </div>
  );
}

const MOST_LINES = 100;

export function TextPanel({ topic, onClose }: Shown) {
  const [lines, setLines] = useState<readonly TextView[]>([]);
  useEffect(
    () =>
      client.view(topic, 'view', (view) => {
        if (view.kind === 'text') setLines((before) => [view, ...before].slice(0, MOST_LINES));
      }),
    [topic],
  );
  return (
    <Panel title="Text" hint={topic} onClose={onClose}>
      <div class="inside tall log">
        {lines.length === 0 && <span class="dim">{waitingFor(topic)}</span>}
        {lines.map((line, i) => (
          // From 30 on it is a warning, from 40 an error: rcl_interfaces/Log.
          <span key={i} class={line.level >= 40 ? 'bad' : line.level >= 30 ? 'warn' : ''}>
            {line.name !== '' && <span class="dim">{line.name} </span>}
            {line.text}
          </span>
        ))}
      </div>
    </Panel>
  );
}
