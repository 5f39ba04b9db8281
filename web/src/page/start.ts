// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** From opening the page to a connection: the server's word where the broker is, and a login. */

import { signal } from '@preact/signals';

import type { Login } from '../link/messages';
import { client, linkState } from './client';
import { startCommands } from './commanding';

export interface Configuration {
  readonly url: string;
  readonly root: string;
  readonly username?: string;
  readonly password?: string;
}

export const configuration = signal<Configuration | null>(null);
/** What stops the page from starting at all. */
export const trouble = signal('');

/** Of this tab alone, gone with it: a login outlives a reload, and nothing else. */
const KEPT = 'rcb.login';

export async function start(): Promise<void> {
  try {
    const answer = await fetch('./config.json');
    if (!answer.ok) throw new Error(`the server answers with ${answer.status}`);
    const found = (await answer.json()) as Configuration;
    configuration.value = found;
    const kept = sessionStorage.getItem(KEPT);
    const login = kept === null ? ownLogin(found) : (JSON.parse(kept) as Login);
    client.connect(found.url, found.root, login);
    void startCommands(found.root);
  } catch (error) {
    trouble.value = error instanceof Error ? error.message : String(error);
  }
}

function ownLogin(found: Configuration): Login | null {
  return found.username ? { username: found.username, password: found.password ?? '' } : null;
}

export function logIn(login: Login): void {
  const found = configuration.value;
  if (found === null) return;
  sessionStorage.setItem(KEPT, JSON.stringify(login));
  linkState.value = { state: 'connecting', reason: '' };
  client.connect(found.url, found.root, login);
}
