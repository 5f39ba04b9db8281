// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** The robot that is open: its samples, made into what the page watches. */

import { Decoder, type Sample } from '../protocol';
import { BoxEvents, type BoxEvent } from './boxes';
import { isTransform, Places } from './frames';
import type { FromWorker, TopicRow, Watch } from './messages';
import { PlotFeed } from './plots';
import { Traffic, type TopicTraffic } from './traffic';
import { transferred, viewOf } from './views';
import { treeOf } from './values';

export type Post = (message: FromWorker, transfer?: Transferable[]) => void;

/** A view is made again only once the page has drawn the last one, and not too often. */
interface ViewState {
  readonly watch: Watch;
  busy: boolean;
  waiting: Sample | null;
  last: number;
}

const TREE_MS = 500;

export class RobotSession {
  private readonly traffic = new Traffic();
  private readonly places = new Places();
  private readonly boxes = new BoxEvents();
  private readonly latest = new Map<string, Sample>();
  private plots = new Map<string, { watch: Watch; feed: PlotFeed }>();
  private views = new Map<string, ViewState>();
  private trees = new Map<string, { watch: Watch; last: number }>();
  private byTopic = new Map<string, Watch[]>();
  private leased = new Set<string>();
  private maps = false;

  constructor(
    readonly robot: string,
    private readonly decoder: Decoder,
    private readonly post: Post,
  ) {}

  watch(watches: readonly Watch[]): void {
    const plots = new Map<string, { watch: Watch; feed: PlotFeed }>();
    const views = new Map<string, ViewState>();
    const trees = new Map<string, { watch: Watch; last: number }>();
    this.byTopic = new Map();
    this.maps = watches.some((watch) => watch.as === 'place');
    for (const watch of watches) {
      const known = this.byTopic.get(watch.topic);
      if (known === undefined) this.byTopic.set(watch.topic, [watch]);
      else known.push(watch);
      if (watch.as === 'plot') {
        const before = this.plots.get(watch.id);
        plots.set(watch.id, before ?? { watch, feed: new PlotFeed(watch.id, watch.fields ?? []) });
      } else if (watch.as === 'tree') {
        trees.set(watch.id, this.trees.get(watch.id) ?? { watch, last: -Infinity });
      } else {
        const fresh = { watch, busy: false, waiting: null, last: -Infinity };
        views.set(watch.id, this.views.get(watch.id) ?? fresh);
      }
    }
    const added = watches.filter(
      ({ id }) => !this.plots.has(id) && !this.views.has(id) && !this.trees.has(id),
    );
    this.plots = plots;
    this.views = views;
    this.trees = trees;
    this.lease();
    // What has come already is shown at once, as a latched map or a slow topic's last value.
    for (const { topic } of added) {
      const sample = this.latest.get(topic);
      const seen = this.traffic.topics.get(topic);
      if (sample === undefined || seen === undefined) continue;
      this.read(seen, () => this.show(sample, performance.now(), added));
    }
  }

  /** Leases the streams on demand that are watched, and gives back the others. */
  lease(): void {
    const wanted = new Set<string>();
    for (const topic of this.byTopic.keys()) {
      const stream = this.streamOf(topic);
      if (stream !== null && this.isOnDemand(stream)) wanted.add(stream);
    }
    for (const stream of wanted) {
      if (!this.leased.has(stream)) this.decoder.lease(this.robot, stream, null);
    }
    for (const stream of this.leased) {
      if (!wanted.has(stream)) this.decoder.release(this.robot, stream);
    }
    this.leased = wanted;
  }

  add(sample: Sample): void {
    const now = performance.now();
    const topic = this.traffic.add(sample, now, Date.now());
    if (topic === null) return;
    this.read(topic, () => this.boxes.add(sample));
    // Of the past: it is counted, and nothing of it is drawn as the present.
    if (sample.historical) return;
    this.latest.set(sample.topic, sample);
    const watches = this.byTopic.get(sample.topic);
    this.read(topic, () => {
      if (isTransform(sample.typeName)) this.places.learn(sample);
      else if (this.maps && watches === undefined) this.places.view(sample);
      if (watches !== undefined) this.show(sample, now, watches);
      topic.error = sample.error;
    });
  }

  drawn(id: string): void {
    const view = this.views.get(id);
    if (view === undefined) return;
    view.busy = false;
    const { waiting } = view;
    if (waiting !== null) this.offer(view, waiting, performance.now());
  }

  /** Hands on what was collected for plots, and views that had to wait. */
  flush(): void {
    for (const { feed } of this.plots.values()) {
      const taken = feed.take();
      if (taken === null) continue;
      this.post({ kind: 'points', id: feed.id, ...taken }, [
        taken.times.buffer as ArrayBuffer,
        taken.values.buffer as ArrayBuffer,
      ]);
    }
    const now = performance.now();
    for (const view of this.views.values()) {
      if (view.waiting !== null) this.offer(view, view.waiting, now);
    }
  }

  topics(now: number): TopicRow[] {
    const rows = new Map<string, TopicRow>();
    for (const route of this.decoder.robot(this.robot)?.info?.routes ?? []) {
      rows.set(route.topic, {
        topic: route.topic,
        type: route.typeName,
        stream: route.stream,
        onDemand: this.isOnDemand(route.stream),
        samples: 0,
        hz: 0,
        bytesPerS: 0,
        ageMs: null,
        error: '',
      });
    }
    for (const [topic, traffic] of this.traffic.topics) {
      const { type, stream, samples, ageMs, error } = traffic;
      const onDemand = this.isOnDemand(stream);
      rows.set(topic, { topic, type, stream, onDemand, samples, ageMs, error, ...traffic.rates(now) });
    }
    return [...rows.values()].sort((one, other) => (one.topic < other.topic ? -1 : 1));
  }

  get boxEvents(): readonly BoxEvent[] {
    return this.boxes.all;
  }

  get clockOffsetMs(): number {
    return this.traffic.clockOffsetMs;
  }

  close(): void {
    for (const stream of this.leased) this.decoder.release(this.robot, stream);
    this.leased.clear();
  }

  /** What a message holds is the robot's word: one that cannot be read stops nothing. */
  private read(topic: TopicTraffic, act: () => void): void {
    try {
      act();
    } catch (error) {
      topic.error = error instanceof Error ? error.message.slice(0, 256) : 'cannot be read';
    }
  }

  private show(sample: Sample, now: number, watches: readonly Watch[]): void {
    for (const watch of watches) {
      if (watch.topic !== sample.topic) continue;
      if (watch.as === 'plot') {
        const timeS = Number(sample.sourceTimeNs / 1000n) / 1e6;
        this.plots.get(watch.id)?.feed.add(timeS, sample.message());
      } else if (watch.as === 'tree') {
        const tree = this.trees.get(watch.id);
        if (tree === undefined || now - tree.last < TREE_MS) continue;
        tree.last = now;
        this.post({
          kind: 'tree',
          id: watch.id,
          tree: treeOf(sample.topic, sample.message()),
          type: sample.typeName,
          timeMs: Number(sample.sourceTimeNs / 1000n) / 1000,
        });
      } else {
        const view = this.views.get(watch.id);
        if (view !== undefined) this.offer(view, sample, now);
      }
    }
  }

  private offer(view: ViewState, sample: Sample, now: number): void {
    const least = 1000 / (view.watch.maxHz ?? 60);
    if (view.busy || now - view.last < least) {
      view.waiting = sample;
      return;
    }
    view.busy = true;
    view.waiting = null;
    view.last = now;
    viewOf(sample, this.places).then(
      (made) => {
        if (made === null) view.busy = false;
        else {
          const timeMs = Number(sample.sourceTimeNs / 1000n) / 1000;
          const message: FromWorker = { kind: 'view', id: view.watch.id, view: { ...made, timeMs } };
          this.post(message, transferred(made));
        }
      },
      (error: unknown) => {
        view.busy = false;
        const topic = this.traffic.topics.get(sample.topic);
        if (topic) topic.error = error instanceof Error ? error.message.slice(0, 256) : 'cannot be shown';
      },
    );
  }

  private streamOf(topic: string): string | null {
    const seen = this.traffic.topics.get(topic);
    if (seen !== undefined) return seen.stream;
    const routes = this.decoder.robot(this.robot)?.info?.routes ?? [];
    return routes.find((route) => route.topic === topic)?.stream ?? null;
  }

  private isOnDemand(stream: string): boolean {
    const streams = this.decoder.robot(this.robot)?.info?.streams ?? [];
    return streams.some((entry) => entry.name === stream && entry.onDemand);
  }
}
