// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** The worker: connection, decoder, and what the page is told of both. */

import { Decoder } from '../protocol';
import { Connection } from './connection';
import { RobotFigures } from './fleet';
import type { FromWorker, ToWorker, Watch } from './messages';
import { RobotSession } from './session';

const FLUSH_MS = 20;
const FLEET_MS = 250;
const ROBOT_MS = 500;
const ASK_MS = 250;
const SILENCE_MS = 5000;
const MOST_ROBOTS = 16_384;

class Worker {
  private connection: Connection | null = null;
  private decoder = new Decoder();
  private root = '';
  private opened: string | null = null;
  private watches: readonly Watch[] = [];
  private session: RobotSession | null = null;
  private listened: readonly string[] = [];
  private readonly figures = new Map<string, RobotFigures>();
  private readonly changed = new Set<string>();
  private readonly gone = new Set<string>();
  private counts = { messages: 0, samples: 0, errors: 0, lastError: '' };

  constructor(private readonly post: (message: FromWorker, transfer?: Transferable[]) => void) {
    setInterval(() => this.session?.flush(), FLUSH_MS);
    setInterval(() => this.tellFleet(), FLEET_MS);
    setInterval(() => this.tellRobot(), ROBOT_MS);
    setInterval(() => this.ask(), ASK_MS);
    setInterval(() => this.lookForSilence(), SILENCE_MS);
  }

  take(message: ToWorker): void {
    switch (message.kind) {
      case 'connect':
        this.connect(message);
        break;
      case 'open':
        this.open(message.robot);
        break;
      case 'watch':
        this.watches = message.watches;
        this.session?.watch(this.watches);
        this.ask();
        break;
      case 'listen':
        this.listened = message.filters;
        this.subscribe();
        break;
      case 'publish':
        this.connection?.publish(message.topic, message.payload, message.expiryS);
        break;
      case 'drawn':
        this.session?.drawn(message.id);
        break;
      case 'farewell':
        for (const ask of this.decoder.farewell()) {
          this.connection?.publish(ask.topic, ask.payload, ask.expiryS);
        }
        break;
    }
  }

  private connect(message: ToWorker & { kind: 'connect' }): void {
    this.leave();
    this.connection?.close();
    this.root = message.root;
    this.decoder = new Decoder({
      root: message.root,
      consumer: message.consumer,
      maxRobots: MOST_ROBOTS,
    });
    this.connection = new Connection({
      url: message.url,
      login: message.login,
      onMessage: (topic, payload) => this.arrived(topic, payload),
      onState: (state, reason) => {
        if (state === 'connected') this.decoder.reconnected();
        this.post({ kind: 'link', state, reason });
      },
    });
    this.enter();
  }

  private open(robot: string | null): void {
    if (this.opened === robot) return;
    this.leave();
    this.opened = robot;
    this.enter();
  }

  private leave(): void {
    this.session?.close();
    this.session = null;
    this.ask();
  }

  /** The page may name a robot before it knows where the broker is. */
  private enter(): void {
    if (this.connection === null) return;
    if (this.opened !== null) {
      this.session = new RobotSession(this.opened, this.decoder, this.post);
      this.session.watch(this.watches);
    }
    this.subscribe();
  }

  private subscribe(): void {
    if (this.connection === null) return;
    const fleet = ['state', 'health'];
    const own = this.session === null ? [] : this.decoder.filters(this.session.robot);
    // Of two filters that overlap a broker may send each message twice.
    const others = own.filter((filter) => !fleet.some((kind) => filter.endsWith(`/${kind}`)));
    const all = fleet.map((kind) => `${this.root}/+/${kind}`);
    this.connection.want([...all, ...others, ...this.listened]);
  }

  private arrived(topic: string, payload: Uint8Array): void {
    const levels = topic.slice(this.root.length + 1).split('/');
    const [robot = '', kind = ''] = levels;
    this.counts.messages += 1;
    if (kind === 'ack') {
      this.post({ kind: 'message', topic, payload: payload.slice() });
      return;
    }
    if (kind === 'state' && payload.length === 0) {
      this.gone.add(robot);
      this.figures.delete(robot);
      return;
    }
    try {
      const samples = this.decoder.feed(topic, payload);
      this.counts.samples += samples.length;
      if (this.session?.robot === robot) for (const sample of samples) this.session.add(sample);
      if (kind === 'state' || kind === 'health') this.heard(robot, kind);
      if (kind === 'info' && this.session?.robot === robot) this.session.lease();
    } catch (error) {
      // Hostile, broken or of a later version: it is counted, and all else goes on.
      this.counts.errors += 1;
      this.counts.lastError = error instanceof Error ? error.message.slice(0, 256) : 'unknown';
    }
  }

  private heard(robotId: string, kind: string): void {
    const robot = this.decoder.robot(robotId);
    if (robot === null) return;
    let figures = this.figures.get(robotId);
    if (figures === undefined) {
      figures = new RobotFigures();
      this.figures.set(robotId, figures);
    }
    if (kind === 'health') figures.addHealth(robot, performance.now(), Date.now());
    this.changed.add(robotId);
    this.gone.delete(robotId);
  }

  private tellFleet(): void {
    if (this.changed.size === 0 && this.gone.size === 0) return;
    const now = performance.now();
    const rows = [...this.changed].flatMap((robotId) => {
      const robot = this.decoder.robot(robotId);
      return robot === null ? [] : (this.figures.get(robotId)?.row(robot, now) ?? []);
    });
    this.post({ kind: 'fleet', rows, gone: [...this.gone] });
    this.changed.clear();
    this.gone.clear();
  }

  private tellRobot(): void {
    this.post({ kind: 'figures', ...this.counts });
    const { session } = this;
    if (session === null) return;
    const robot = this.decoder.robot(session.robot);
    if (robot === null) return;
    const now = performance.now();
    const figures = this.figures.get(session.robot) ?? new RobotFigures();
    this.post({
      kind: 'robot',
      news: {
        // What is typed suffices; the documents would be copied for nothing.
        robot: { ...robot, documents: {} },
        row: figures.row(robot, now),
        topics: session.topics(now),
        leases: this.decoder.leases().filter((lease) => lease.robotId === session.robot),
        boxEvents: session.boxEvents,
        clockOffsetMs: session.clockOffsetMs,
      },
    });
  }

  private ask(): void {
    if (this.connection?.connected !== true) return;
    for (const ask of this.decoder.takeAsks()) {
      this.connection.publish(ask.topic, ask.payload, ask.expiryS);
    }
  }

  private lookForSilence(): void {
    const now = performance.now();
    for (const [robotId, figures] of this.figures) {
      const robot = this.decoder.robot(robotId);
      if (robot !== null && (figures.row(robot, now).silentMs ?? 0) > 45_000) this.changed.add(robotId);
    }
  }
}

const worker = new Worker((message, transfer) => postMessage(message, { transfer: transfer ?? [] }));
addEventListener('message', (event: MessageEvent<ToWorker>) => worker.take(event.data));
