// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import { useMemo, useState } from 'preact/hooks';

import type { TopicRow } from '../link/messages';
import { robotNews } from '../page/client';
import { keep, keptValue } from '../page/kept';
import { BatteryPanel, DiagnosticsPanel, TextPanel } from './readings';
import { DrivePanel } from './drive';
import { CloudPanel, FixPanel, ImagePanel, MapPanel, ScanPanel } from './pictures';

const KINDS: Readonly<Record<string, string>> = {
  'sensor_msgs/msg/Image': 'image',
  'sensor_msgs/msg/CompressedImage': 'image',
  'sensor_msgs/msg/PointCloud2': 'cloud',
  'sensor_msgs/msg/LaserScan': 'scan',
  'sensor_msgs/msg/NavSatFix': 'fix',
  'sensor_msgs/msg/BatteryState': 'battery',
  'diagnostic_msgs/msg/DiagnosticArray': 'diagnostics',
  'std_msgs/msg/String': 'text',
  'rcl_interfaces/msg/Log': 'text',
};
const POSES = [
  'geometry_msgs/msg/PoseWithCovarianceStamped',
  'nav_msgs/msg/Odometry',
  'geometry_msgs/msg/PoseStamped',
];
const MAP = 'map';

/** What stands in the narrow column. */
const SMALL = new Set(['image', 'battery', 'diagnostics', 'fix', 'text']);

/** Kinds of which the first topic is shown unasked, if its stream flows anyway. */
const UNASKED = ['image', 'battery', 'diagnostics', 'cloud', 'fix'];

function isNames(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((name) => typeof name === 'string');
}

export function Live({ robot }: { robot: string }) {
  const rows = robotNews.value?.topics ?? [];
  const [chosen, setChosen] = useState<string[] | null>(() =>
    keptValue<string[] | null>(`live.${robot}`, null, isNames),
  );
  const names = rows.map((row) => `${row.topic} ${row.type} ${row.onDemand}`).join('\n');
  const topics = useMemo(() => rows, [names]);
  const shown = chosen ?? unasked(topics);
  const choose = (next: string[]) => {
    setChosen(next);
    keep(`live.${robot}`, next);
  };
  const closer = (name: string) => () => choose(shown.filter((entry) => entry !== name));
  const of = (type: string) => ranked(topics, type)[0]?.topic ?? null;
  const pose = POSES.map(of).find((topic) => topic !== null) ?? null;
  const scan = topics.find((row) => row.type === 'sensor_msgs/msg/LaserScan' && !row.onDemand);
  const others = topics.filter((row) => Object.hasOwn(KINDS, row.type) && !shown.includes(row.topic));
  if (topics.length === 0) {
    return <p class="dim">Nothing has come of this robot yet.</p>;
  }
  const kindOf = (topic: string) => {
    const type = topics.find((row) => row.topic === topic)?.type ?? '';
    return Object.hasOwn(KINDS, type) ? KINDS[type] : undefined;
  };
  const small = shown.filter((topic) => SMALL.has(kindOf(topic) ?? ''));
  const large = shown.filter((topic) => topic !== MAP && !small.includes(topic));
  return (
    <>
      <div class="row wrap" style={{ marginBottom: '12px' }}>
        <AddPanel
          topics={others}
          map={!shown.includes(MAP)}
          onAdd={(topic) => choose([...shown, topic])}
        />
        {chosen !== null && (
          <button class="quiet" onClick={() => {
            setChosen(null);
            keep(`live.${robot}`, null);
          }}>
            Reset
          </button>
        )}
      </div>
      <div class="columns">
        <div class="column">
          {shown.includes(MAP) && (
            <MapPanel
              grid={of('nav_msgs/msg/OccupancyGrid')}
              pose={pose}
              scan={scan?.topic ?? null}
              onClose={closer(MAP)}
            />
          )}
          {large.map((topic) => view(topic, kindOf(topic), closer(topic)))}
        </div>
        <div class="column">
          <DrivePanel robot={robot} />
          {small.map((topic) => view(topic, kindOf(topic), closer(topic)))}
        </div>
      </div>
    </>
  );
}

function unasked(topics: readonly TopicRow[]): string[] {
  const found: string[] = [];
  if (topics.some((row) => row.type === 'nav_msgs/msg/OccupancyGrid' || POSES.includes(row.type))) {
    found.push(MAP);
  }
  for (const kind of UNASKED) {
    const types = Object.keys(KINDS).filter((type) => KINDS[type] === kind);
    const first = ranked(topics, ...types).find((row) => !row.onDemand);
    if (first !== undefined) found.push(first.topic);
  }
  return found;
}

/** Topics of these types, those first that their names tell to be the plain ones. */
function ranked(topics: readonly TopicRow[], ...types: string[]): TopicRow[] {
  const rank = ({ topic }: TopicRow) =>
    (topic === '/map' ? -1 : 0) + (/depth|mono|infra|mask|costmap/.test(topic) ? 1 : 0);
  return topics
    .filter((row) => types.includes(row.type))
    .sort((one, other) => rank(one) - rank(other) || (one.topic < other.topic ? -1 : 1));
}

function view(topic: string, kind: string | undefined, onClose: () => void) {
  switch (kind) {
    case 'image':
      return <ImagePanel key={topic} topic={topic} onClose={onClose} />;
    case 'cloud':
      return <CloudPanel key={topic} topic={topic} onClose={onClose} />;
    case 'scan':
      return <ScanPanel key={topic} topic={topic} onClose={onClose} />;
    case 'fix':
      return <FixPanel key={topic} topic={topic} onClose={onClose} />;
    case 'battery':
      return <BatteryPanel key={topic} topic={topic} onClose={onClose} />;
    case 'diagnostics':
      return <DiagnosticsPanel key={topic} topic={topic} onClose={onClose} />;
    case 'text':
      return <TextPanel key={topic} topic={topic} onClose={onClose} />;
    default:
      return null;
  }
}

interface AddProps {
  readonly topics: readonly TopicRow[];
  readonly map: boolean;
  readonly onAdd: (topic: string) => void;
}

function AddPanel({ topics, map, onAdd }: AddProps) {
  return (
    <select
      aria-label="Add a panel"
      value=""
      onChange={(event) => {
        const topic = event.currentTarget.value;
        event.currentTarget.value = '';
        if (topic !== '') onAdd(topic);
      }}
    >
      <option value="">+ Add a panel</option>
      {map && <option value={MAP}>Map</option>}
      {topics.map((row) => (
        <option key={row.topic} value={row.topic}>
          {row.topic} ({KINDS[row.type]}{row.onDemand ? ', on demand' : ''})
        </option>
      ))}
    </select>
  );
}
