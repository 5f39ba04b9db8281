// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** What the address bar says: `#/` is the fleet, `#/robots/amr-07/plots` a robot's tab. */

import { effect, signal } from '@preact/signals';

import { client } from './client';

export const TABS = ['live', 'plots', 'topics', 'health', 'commands'] as const;
export type Tab = (typeof TABS)[number];

export interface Route {
  readonly robot: string | null;
  readonly tab: Tab;
}

function parse(): Route {
  const [, first, robot, tab] = location.hash.split('/');
  if (first !== 'robots' || !robot) return { robot: null, tab: 'live' };
  const known = TABS.find((name) => name === tab) ?? 'live';
  try {
    return { robot: decodeURIComponent(robot), tab: known };
  } catch {
    return { robot: null, tab: 'live' };
  }
}

export const route = signal(parse());

addEventListener('hashchange', () => (route.value = parse()));
effect(() => client.open(route.value.robot));

export function linkTo(robot: string, tab: Tab = 'live'): string {
  return `#/robots/${encodeURIComponent(robot)}/${tab}`;
}
