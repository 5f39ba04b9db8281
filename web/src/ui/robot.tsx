// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import { useEffect, useState } from 'preact/hooks';

import { fleet, linkState, robotNews } from '../page/client';
import { byteRate, count, rate, span } from '../page/format';
import { linkTo, route, TABS, type Tab } from '../page/route';
import { Commands } from './commands';
import { limitTone, limitWords, tone } from './fleet';
import { Guard } from './guard';
import { Health } from './health';
import { Live } from './live';
import { forgetHistories, Plots } from './plots';
import { Topics } from './topics';

const PATIENCE_MS = 3000;
const NAMES: Readonly<Record<Tab, string>> = {
  live: 'Live',
  plots: 'Plots',
  topics: 'Topics',
  health: 'Health',
  commands: 'Commands',
};

export function RobotPage({ robot }: { robot: string }) {
  const { tab } = route.value;
  useEffect(() => forgetHistories, []);
  return (
    <main class="robot">
      <Guard>
        <Header robot={robot} tab={tab} />
      </Guard>
      <div class="content" key={tab}>
        <Unheard robot={robot} />
        <Guard>
          {tab === 'live' && <Live robot={robot} />}
          {tab === 'plots' && <Plots robot={robot} />}
          {tab === 'topics' && <Topics robot={robot} />}
          {tab === 'health' && <Health />}
          {tab === 'commands' && <Commands robot={robot} />}
        </Guard>
      </div>
    </main>
  );
}

/** Says so where a robot is not known, once it had the time to be. */
function Unheard({ robot }: { robot: string }) {
  const waits = linkState.value.state === 'connected' && robotNews.value === null && !fleet.value.has(robot);
  const [late, setLate] = useState(false);
  useEffect(() => {
    if (!waits) return undefined;
    const timer = setTimeout(() => setLate(true), PATIENCE_MS);
    return () => {
      clearTimeout(timer);
      setLate(false);
    };
  }, [waits]);
  if (!late) return null;
  return (
    <section class="card" style={{ marginBottom: '12px' }}>
      <p>
        No robot named <b>{robot}</b> has said anything to this broker.{' '}
        <a href="#/" style={{ textDecoration: 'underline' }}>
          All robots
        </a>
      </p>
    </section>
  );
}

function Header({ robot, tab }: { robot: string; tab: Tab }) {
  const news = robotNews.value;
  const row = fleet.value.get(robot) ?? news?.row;
  const health = news?.robot.health ?? null;
  const streams = health?.streams ?? [];
  const steps = streams.filter((stream) => (stream.step ?? 0) > 0).length;
  const online = row?.online ?? null;
  return (
    <header>
      <div class="title">
        <h1 class="cut">{robot}</h1>
        {row !== undefined && (
          <span class={`pill ${tone(row)}`}>
            {online === true ? 'online' : online === false ? 'offline' : 'not heard yet'}
          </span>
        )}
        {row?.troubles.map((trouble) => (
          <span key={trouble} class={`pill ${row.severity >= 7 ? 'bad' : 'warn'}`}>{trouble}</span>
        ))}
      </div>
      <dl class="stats">
        <Stat name="Limited by" kind={limitTone(row?.limitedBy ?? '')}>
          {online === false ? '–' : limitWords(row?.limitedBy ?? '')}
        </Stat>
        <Stat name="Link">{byteRate(health?.link.rateBytesPerS)}</Stat>
        <Stat name="Sending">{byteRate(row?.sentBytesPerS)}</Stat>
        <Stat name="Round trip">{span(health?.link.rttS)}</Stat>
        <Stat name="Queue">{span(health?.link.queueDelayS)}</Stat>
        <Stat name="Lost" kind={row?.lostPerS ? 'warn' : ''}>{row?.lostPerS == null ? '–' : `${rate(row.lostPerS)}/s`}</Stat>
        <Stat name="Stepped down" kind={steps > 0 ? 'warn' : ''}>
          {health === null ? '–' : `${steps} of ${streams.length}`}
        </Stat>
        <Stat name="Backlog">{row === undefined ? '–' : count(row.backlog)}</Stat>
        <Stat name="Up">{span(health?.uptimeS)}</Stat>
      </dl>
      <nav class="tabs" aria-label="Of this robot">
        {TABS.map((name) => (
          <a key={name} href={linkTo(robot, name)} aria-current={name === tab ? 'page' : undefined}>
            {NAMES[name]}
          </a>
        ))}
      </nav>
    </header>
  );
}

function Stat({ name, kind, children }: { name: string; kind?: string; children: unknown }) {
  return (
    <div class="stat">
      <dt>{name}</dt>
      <dd class={kind === 'dim' ? '' : kind}>{children as never}</dd>
    </div>
  );
}
