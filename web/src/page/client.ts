// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** The page's side of the worker: what is known, as signals, and what is to be watched. */

import { batch, signal } from '@preact/signals';

import type { FleetRow } from '../link/fleet';
import type {
  FromWorker,
  LinkState,
  Login,
  RobotNews,
  ToWorker,
  TreeNode,
  Watch,
} from '../link/messages';
import link from '../link/worker?worker&url';
import type { View } from '../link/views';
import { Series } from './series';

export interface Tree {
  readonly root: TreeNode;
  readonly type: string;
}

type Viewer = (view: View) => void | Promise<void>;

/** Fleet rows by robot; a new map whenever something changed. */
export const fleet = signal<ReadonlyMap<string, FleetRow>>(new Map());
export const linkState = signal<{ state: LinkState; reason: string }>({
  state: 'connecting',
  reason: '',
});
/** Of the open robot; null until something of it has come. */
export const robotNews = signal<RobotNews | null>(null);
export const figures = signal({ messages: 0, samples: 0, errors: 0, lastError: '' });

class Client {
  private readonly worker: Worker;
  private readonly watches = new Map<string, Watch>();
  private readonly viewers = new Map<string, Viewer>();
  private readonly series = new Map<string, Series>();
  private readonly trees = new Map<string, (tree: Tree) => void>();
  private telling = false;
  private numbers = 0;
  private onMessage: ((topic: string, payload: Uint8Array) => void) | null = null;
  private opened: string | null = null;

  constructor() {
    this.worker = new Worker(workerUrl(), { type: 'module', name: 'link' });
    this.worker.addEventListener('message', (event: MessageEvent<FromWorker>) => this.take(event.data));
    addEventListener('pagehide', () => this.tell({ kind: 'farewell' }));
  }

  connect(url: string, root: string, login: Login | null): void {
    // A new name per page: two pages of one user lease apart from each other.
    const bytes = crypto.getRandomValues(new Uint8Array(6));
    const consumer = `web-${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
    this.tell({ kind: 'connect', url, root, login, consumer });
  }

  open(robot: string | null): void {
    if (robot === this.opened) return;
    this.opened = robot;
    robotNews.value = null;
    this.tell({ kind: 'open', robot });
    this.tellWatches();
  }

  /** @returns ends it */
  plot(topic: string, fields: readonly string[], series: Series): () => void {
    const id = this.add({ topic, as: 'plot', fields });
    this.series.set(id, series);
    return () => this.remove(id);
  }

  /** The worker makes the next view only when `viewer` is done with the last. */
  view(topic: string, as: 'view' | 'place', viewer: Viewer, maxHz = 60): () => void {
    const id = this.add({ topic, as, maxHz });
    this.viewers.set(id, viewer);
    return () => this.remove(id);
  }

  tree(topic: string, taker: (tree: Tree) => void): () => void {
    const id = this.add({ topic, as: 'tree' });
    this.trees.set(id, taker);
    return () => this.remove(id);
  }

  listen(filters: readonly string[], taker: (topic: string, payload: Uint8Array) => void): void {
    this.onMessage = taker;
    this.tell({ kind: 'listen', filters });
  }

  publish(topic: string, payload: Uint8Array, expiryS: number): void {
    this.tell({ kind: 'publish', topic, payload, expiryS });
  }

  private add(watch: Omit<Watch, 'id'>): string {
    this.numbers += 1;
    const id = String(this.numbers);
    this.watches.set(id, { id, ...watch });
    this.tellWatches();
    return id;
  }

  private remove(id: string): void {
    this.watches.delete(id);
    this.viewers.delete(id);
    this.series.delete(id);
    this.trees.delete(id);
    this.tellWatches();
  }

  /** Once for all that changes in one go, as when a whole tab opens. */
  private tellWatches(): void {
    if (this.telling) return;
    this.telling = true;
    queueMicrotask(() => {
      this.telling = false;
      this.tell({ kind: 'watch', watches: [...this.watches.values()] });
    });
  }

  private tell(message: ToWorker): void {
    this.worker.postMessage(message);
  }

  private take(message: FromWorker): void {
    switch (message.kind) {
      case 'link':
        linkState.value = { state: message.state, reason: message.reason };
        break;
      case 'fleet': {
        const rows = new Map(fleet.value);
        for (const row of message.rows) rows.set(row.robot, row);
        for (const robot of message.gone) rows.delete(robot);
        batch(() => (fleet.value = rows));
        break;
      }
      case 'robot':
        if (message.news.robot.robotId === this.opened) robotNews.value = message.news;
        break;
      case 'points':
        this.series.get(message.id)?.append(message.times, message.values);
        break;
      case 'view':
        void this.show(message.id, message.view);
        break;
      case 'tree':
        this.trees.get(message.id)?.({ root: message.tree, type: message.type });
        break;
      case 'message':
        this.onMessage?.(message.topic, message.payload);
        break;
      case 'figures':
        figures.value = message;
        break;
    }
  }

  private async show(id: string, view: View): Promise<void> {
    const viewer = this.viewers.get(id);
    try {
      if (viewer === undefined) {
        if ('bitmap' in view) view.bitmap.close();
      } else await viewer(view);
    } finally {
      // One that could not be drawn must not be the last that comes.
      this.tell({ kind: 'drawn', id });
    }
  }
}

/** The page's policy forbids text as a script's address; this one address is ours. */
function workerUrl(): string {
  const types = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes;
  if (types === undefined) return link;
  return types.createPolicy('page', { createScriptURL: () => link }).createScriptURL(link);
}

interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { createScriptURL(text: string): string },
  ): { createScriptURL(text: string): string };
}

export const client = new Client();
