// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import { isLoss, words } from '../link/fleet';
import type { RobotNews } from '../link/messages';
import { robotNews } from '../page/client';
import { byteRate, bytes, count, span } from '../page/format';
import { Panel } from './panel';
import { StatusTable, useStatuses } from './readings';

export function Health() {
  const news = robotNews.value;
  if (news === null || news.robot.health === null) {
    return <p class="dim">The robot has not told of its health yet.</p>;
  }
  const diagnostics = news.topics.filter((row) => row.type === 'diagnostic_msgs/msg/DiagnosticArray');
  return (
    <div class="panels">
      <Streams news={news} />
      <Drops news={news} />
      <Backlog news={news} />
      <BlackBoxes news={news} />
      {diagnostics.map((row) => (
        <Statuses key={row.topic} topic={row.topic} />
      ))}
    </div>
  );
}

function Statuses({ topic }: { topic: string }) {
  const statuses = useStatuses(topic);
  return (
    <Panel title="Diagnostics" hint={topic} size="full">
      <div class="inside">
        {statuses.size === 0 && <p class="dim">Waiting for the first message</p>}
        <StatusTable statuses={[...statuses.values()]} />
      </div>
    </Panel>
  );
}

function Streams({ news }: { news: RobotNews }) {
  const { health, info } = news.robot;
  const { leases, refusedLeases } = health!;
  return (
    <Panel title="Streams" size="full">
      <div class="inside tablebox">
        <table>
          <thead>
            <tr>
              <th>Stream</th>
              <th>Priority</th>
              <th>Kept</th>
              <th>Now</th>
              <th class="num">Step</th>
              <th class="num">Demand</th>
              <th>Leased by</th>
            </tr>
          </thead>
          <tbody>
            {health!.streams.map((stream) => {
              const about = info?.streams.find((entry) => entry.name === stream.stream);
              const holders = leases.filter((lease) => lease.stream === stream.stream);
              return (
                <tr key={stream.stream}>
                  <td>{stream.stream}</td>
                  <td class="dim">{stream.priority}</td>
                  <td class="dim">
                    {about?.keep ?? '–'}
                    {about?.confirmBy ? `, confirmed by ${about.confirmBy}` : ''}
                  </td>
                  <td class={stream.step ? 'warn' : 'dim'}>{stream.now || 'full'}</td>
                  <td class={`num ${stream.step ? 'warn' : ''}`}>
                    {stream.steps ? `${stream.step ?? 0} of ${stream.steps}` : '–'}
                  </td>
                  <td class="num">
                    {stream.demandHz === null ? '–' : stream.demandHz === 0 ? 'nobody' : `${stream.demandHz} Hz`}
                  </td>
                  <td class="mono">
                    {holders.map((lease) => `${lease.consumer} (${span(lease.endsInS)})`).join(', ') || '–'}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
        {Object.entries(refusedLeases).map(([what, why]) => (
          <p key={what} class="warn">
            Lease {what} refused: {why}
          </p>
        ))}
      </div>
    </Panel>
  );
}

/** Reasons that are shown as columns only where any route has them. */
function Drops({ news }: { news: RobotNews }) {
  const { routes } = news.robot;
  const reasons = [...new Set(routes.flatMap((route) => Object.keys(route.dropped)))]
    .filter((reason) => routes.some((route) => (route.dropped[reason] ?? 0) > 0))
    .sort((one, other) => Number(isLoss(other)) - Number(isLoss(one)) || (one < other ? -1 : 1));
  return (
    <Panel title="Drops by topic and reason" hint="since the bridge's start" size="full">
      <div class="inside tablebox">
        <table>
          <thead>
            <tr>
              <th>Topic</th>
              <th class="num">Accepted</th>
              <th class="num">Delivered</th>
              <th class="num">Waiting</th>
              <th class="num">On the wire</th>
              {reasons.map((reason) => (
                <th key={reason} class="num">{words(reason)}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {routes.map((route) => (
              <tr key={String(route.route)}>
                <td class="mono">{route.topic}</td>
                <td class="num">{count(route.figures['accepted'])}</td>
                <td class="num">{count(route.figures['delivered'])}</td>
                <td class="num">
                  {count((route.figures['queued'] ?? 0) + (route.figures['in_flight'] ?? 0))}
                </td>
                <td class="num">{bytes(route.figures['wire_bytes'])}</td>
                {reasons.map((reason) => {
                  const amount = route.dropped[reason] ?? 0;
                  return (
                    <td key={reason} class={`num ${amount === 0 ? 'faint' : isLoss(reason) ? 'warn' : 'dim'}`}>
                      {amount === 0 ? '·' : count(amount)}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
        {reasons.length === 0 && <p class="good">Nothing was dropped.</p>}
      </div>
    </Panel>
  );
}

function Backlog({ news }: { news: RobotNews }) {
  const spool = news.robot.health?.spool ?? null;
  if (spool === null) return null;
  const { figures } = spool;
  return (
    <Panel
      title="Backlog on the robot's disk"
      hint={`${bytes(figures['bytes'])} of ${bytes(figures['max_bytes'])}`}
      size="full"
    >
      <div class="inside tablebox">
        {spool.state !== 'ok' && <p class="bad">Disk: {words(spool.state)}</p>}
        {spool.recovered !== '' && <p class="warn">Recovered: {spool.recovered}</p>}
        <table>
          <thead>
            <tr>
              <th>Stream</th>
              <th class="num">Samples</th>
              <th class="num">Bytes</th>
              <th class="num">Oldest</th>
              <th class="num">Of earlier boots</th>
              <th class="num">Not confirmed</th>
              <th>Waits for</th>
            </tr>
          </thead>
          <tbody>
            {spool.streams.map((stream) => (
              <tr key={stream.stream}>
                <td>{stream.stream}</td>
                <td class="num">{count(stream.figures['samples'])}</td>
                <td class="num">{bytes(stream.figures['bytes'])}</td>
                <td class="num">{span(stream.figures['oldest_age_s'])}</td>
                <td class="num">{count(stream.figures['earlier_boots'])}</td>
                <td class="num">{count(stream.figures['unconfirmed'])}</td>
                <td class={stream.waitsFor ? 'warn' : 'dim'}>{stream.waitsFor || '–'}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {(figures['dead_letters'] ?? 0) > 0 && (
          <p class="warn">{count(figures['dead_letters'])} samples that the broker refuses are kept aside.</p>
        )}
        <p class="faint">Written today: {bytes(figures['written_bytes_today'])}</p>
      </div>
    </Panel>
  );
}

function BlackBoxes({ news }: { news: RobotNews }) {
  const { boxEvents } = news;
  if (boxEvents.length === 0) return null;
  return (
    <Panel title="Black-box captures" size="full">
      <div class="inside tablebox">
        <table>
          <thead>
            <tr>
              <th>When</th>
              <th>Box</th>
              <th>What</th>
              <th>Trigger</th>
              <th class="num">Samples</th>
              <th class="num">Bytes</th>
              <th>Complete</th>
            </tr>
          </thead>
          <tbody>
            {boxEvents.map((event, i) => (
              <tr key={i}>
                <td class="mono">{new Date(event.timeMs).toLocaleString()}</td>
                <td>{event.box}</td>
                <td class={event.event === 'triggered' ? 'warn' : ''}>{event.event}</td>
                <td>{event.trigger}</td>
                <td class="num">{count(event.samples)}</td>
                <td class="num">{bytes(event.bytes)}</td>
                <td class={event.complete === false ? 'warn' : 'dim'}>
                  {event.complete === null ? '–' : event.complete ? 'yes' : event.cutShort || 'no'}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

export function LinkBudget({ news }: { news: RobotNews }) {
  const budget = news.robot.health?.link.budget ?? null;
  if (budget === null) return null;
  return (
    <p class={budget.exhausted ? 'bad' : 'dim'}>
      Month's budget: {bytes(budget.leftBytes)} of {bytes(budget.limitBytes)} left, allows{' '}
      {byteRate(budget.rateBytesPerS)}
    </p>
  );
}
