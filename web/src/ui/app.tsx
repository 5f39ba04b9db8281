// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import icon from '../icon.svg';
import { figures, fleet, linkState } from '../page/client';
import { route } from '../page/route';
import { configuration, trouble } from '../page/start';
import { choice, theme } from '../page/theme';
import { FleetList } from './fleet';
import { Guard } from './guard';
import { Login } from './login';
import { RobotPage } from './robot';

export function App() {
  if (trouble.value !== '') {
    return (
      <div class="login" role="alert">
        <div class="card">
          <h2>The page cannot start</h2>
          <p class="dim">{trouble.value}</p>
        </div>
      </div>
    );
  }
  const { robot } = route.value;
  return (
    <div class="app">
      <Bar />
      {linkState.value.state === 'refused' ? (
        <Login />
      ) : (
        <div class={robot === null ? 'body' : 'body split'}>
          <Guard>
            <FleetList wide={robot === null} />
          </Guard>
          {robot !== null && <RobotPage key={robot} robot={robot} />}
        </div>
      )}
    </div>
  );
}

function Bar() {
  const rows = [...fleet.value.values()];
  const online = rows.filter((row) => row.online === true).length;
  return (
    <header class="bar">
      <a class="brand" href="#/">
        {route.value.robot !== null && <span class="back" aria-hidden="true">‹</span>}
        <img src={icon} alt="" />
        <span>Robots</span>
      </a>
      <span class="dim">
        {online} of {rows.length} online
      </span>
      <span class="grow" />
      <Link />
      <button
        class="quiet"
        aria-label={theme.value === 'dark' ? 'Light colours' : 'Dark colours'}
        onClick={() => (choice.value = theme.value === 'dark' ? 'light' : 'dark')}
      >
        {theme.value === 'dark' ? '☀' : '☾'}
      </button>
    </header>
  );
}

const LINK = {
  connecting: ['warn', 'Connecting'],
  connected: ['good', 'Connected'],
  lost: ['bad', 'Broker not reachable'],
  refused: ['bad', 'Refused'],
} as const;

function Link() {
  const { state, reason } = linkState.value;
  const [kind, text] = LINK[state];
  const { errors, lastError } = figures.value;
  return (
    <>
      {errors > 0 && (
        <span class="pill warn" title={lastError}>
          {errors} bad messages
        </span>
      )}
      <span class="state" role="status" title={reason}>
        <span class={`dot ${kind}`} />
        {text}
        <span class="long faint">{configuration.value?.url ?? ''}</span>
      </span>
    </>
  );
}
