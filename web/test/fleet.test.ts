// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import { describe, expect, it } from 'vitest';

import { RobotFigures } from '../src/link/fleet';
import { Decoder } from '../src/protocol';
import { RouteTracker } from '../src/protocol/losses';

const EPOCH_MS = 1_780_000_000_000;
const text = new TextEncoder();

/** A robot whose reports come at invented times. */
class Reports {
  readonly figures = new RobotFigures();
  private readonly decoder = new Decoder();
  private readonly name = 'rcb/v1/amr-07';

  constructor(reason = 'birth') {
    this.feed('state', { state: 'online', reason, connection: 1 });
  }

  /** Has one come, and gives what is wrong then. */
  troubles(atS: number, received: Record<string, number>, more: object = {}): readonly string[] {
    const routes = Object.entries(received).map(([topic, count], index) => {
      return { route: index + 1, stream: topic.slice(1), topic, received: count, dropped: {} };
    });
    const link = { connected: true, limited_by: 'application', rtt_s: 0.05 };
    this.feed('health', { uptime_s: 100 + atS, link, routes, ...more });
    const robot = this.decoder.robot('amr-07')!;
    this.figures.addHealth(robot, 1000 * atS, EPOCH_MS + 1000 * atS);
    return this.figures.row(robot, 1000 * atS).troubles;
  }

  private feed(kind: string, document: object): void {
    const whole = { version: 1, robot_id: 'amr-07', boot_id: '00112233445566aa', ...document };
    this.decoder.feed(`${this.name}/${kind}`, text.encode(JSON.stringify(whole)), 0);
  }
}

describe('a robot in the list', () => {
  it('names a topic that stopped, and none that comes rarely', () => {
    const reports = new Reports();
    for (const turn of [0, 1, 2, 3, 4]) {
      const scan = 1000 + 100 * Math.min(turn, 2);
      const found = reports.troubles(10 * turn, { '/odom': 1000 + 100 * turn, '/scan': scan, '/map': 1 });
      const said = `no samples on the robot: /scan for ${10 * (turn - 2)} s (10 Hz before)`;
      expect(found).toEqual(turn < 3 ? [] : [said]);
    }
    expect(reports.troubles(50, { '/odom': 1500, '/scan': 1201, '/map': 1 })).toEqual([]);
  });

  it('expects nothing of what nobody asked for, or a manager has paused', () => {
    const asked = { streams: [{ stream: 'odom', demand_hz: 0 }] };
    const [reports, paused] = [new Reports(), new Reports('deactivated')];
    for (const turn of [0, 1, 2]) {
      expect(reports.troubles(10 * turn, { '/odom': 1000 }, asked)).toEqual([]);
      expect(paused.troubles(10 * turn, { '/odom': 1000 })).toEqual([]);
    }
    expect(reports.troubles(30, { '/odom': 1000 })).toHaveLength(1);
  });

  it('tells a clock that is off from a link that is slow', () => {
    const behind = { time_ns: (EPOCH_MS - 3250) * 1e6 };
    expect(new Reports().troubles(0, {}, behind)).toEqual([
      'its clock is behind ours by about 3.25 s, and ages are too high by that',
    ]);
    const link = { connected: true, limited_by: 'application', rtt_s: 1 };
    expect(new Reports().troubles(0, {}, { ...behind, link })).toEqual([]);
    expect(new Reports().troubles(0, {}, { time_ns: (EPOCH_MS + 30_000) * 1e6 })).toEqual([
      'its clock is ahead of ours by 30 s or more',
    ]);
  });

  it('counts a loss whose reason has the name of a property', () => {
    const tracker = new RouteTracker();
    tracker.hear({ constructor: 3 } as unknown as Record<string, number>);
    expect(tracker.reported()['constructor']).toBe(3);
  });
});
