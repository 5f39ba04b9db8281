// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** What the page makes of messages that do not keep to their own numbers. */

import { describe, expect, it } from 'vitest';

import { BoxEvents } from '../src/link/boxes';
import { cloudView } from '../src/link/clouds';
import { Places } from '../src/link/frames';
import { numberAt, parsePath, treeOf } from '../src/link/values';
import type { Message, Sample } from '../src/protocol';

function sample(typeName: string, message: Message, topic = '/t'): Sample {
  return { typeName, topic, message: () => message } as unknown as Sample;
}

describe('paths', () => {
  it('name fields and elements', () => {
    const message = { pose: { covariance: Float64Array.of(1, 2, 3) }, names: ['a'], big: 5n };
    expect(numberAt(message, parsePath('pose.covariance[2]')!)).toBe(3);
    expect(numberAt(message, parsePath('big')!)).toBe(5);
    for (const path of ['pose.covariance[9]', 'pose.x.y', 'names[0]', 'pose']) {
      expect(numberAt(message, parsePath(path)!)).toBeNaN();
    }
  });

  it('are refused when they are none', () => {
    for (const path of ['', 'a..b', 'a[x]', 'a b', '[0]', '__proto__[', 'a[99999999999]']) {
      expect(parsePath(path)).toBeNull();
    }
  });
});

describe('a tree of fields', () => {
  it('is bounded whatever the message', () => {
    let deep: Message = {};
    for (let i = 0; i < 100; i++) deep = { deep };
    const wide: Message = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`f${i}`, i]));
    const count = (node: { children?: readonly object[] }): number =>
      1 + (node.children ?? []).reduce((sum, child) => sum + count(child), 0);
    const tree = treeOf('/t', { deep, wide, long: new Float32Array(1e6) });
    expect(count(tree)).toBeLessThan(2100);
  });
});

function cloud(change: Message): Message {
  const field = (name: string, offset: number) => ({ name, offset, datatype: 7, count: 1 });
  const points = Float32Array.of(1, 2, 3, 9, NaN, 0, 0, 9, 4, 5, 6, 7);
  return {
    header: { frame_id: 'lidar' },
    height: 1,
    width: 3,
    fields: [field('x', 0), field('y', 4), field('z', 8), field('intensity', 12)],
    is_bigendian: false,
    point_step: 16,
    row_step: 48,
    data: new Uint8Array(points.buffer),
    ...change,
  };
}

describe('a point cloud', () => {
  it('leaves out points that are nowhere', () => {
    const view = cloudView(cloud({}))!;
    expect([...view.points]).toEqual([1, 2, 3, 4, 5, 6]);
    expect([...view.intensity]).toEqual([9, 7]);
    expect(view.total).toBe(3);
  });

  it('is refused when its numbers do not fit its bytes', () => {
    const wrong: Message[] = [
      { width: 4 },
      { width: 1e9 },
      { height: 2 },
      { point_step: 0 },
      { point_step: 8 },
      { data: 'text' },
      { fields: 7 },
    ];
    for (const change of wrong) expect(cloudView(cloud(change))).toBeNull();
  });
});

describe('places', () => {
  const transform = (parent: string, child: string, x: number, yaw = 0): Sample =>
    sample('geometry_msgs/msg/TransformStamped', {
      header: { frame_id: parent },
      child_frame_id: child,
      transform: {
        translation: { x, y: 0, z: 0 },
        rotation: { x: 0, y: 0, z: Math.sin(yaw / 2), w: Math.cos(yaw / 2) },
      },
    });

  it('are joined to the map', () => {
    const places = new Places();
    places.learn(transform('map', 'odom', 10, Math.PI / 2));
    places.learn(transform('odom', 'base_link', 2));
    const at = places.onMap('base_link')!;
    expect(at.x).toBeCloseTo(10);
    expect(at.y).toBeCloseTo(2);
    expect(places.onMap('unmounted_sensor')).toEqual(at);
  });

  it('stand a circle of frames, and frames that lead nowhere', () => {
    const places = new Places();
    places.learn(transform('a', 'b', 1));
    places.learn(transform('b', 'a', 1));
    expect(places.onMap('a')).toBeNull();
    expect(new Places().onMap('x')).toBeNull();
  });
});

describe('captures of black boxes', () => {
  it('are read from what the robot tells, and nonsense is passed over', () => {
    const events = new BoxEvents();
    const tell = (data: string, topic = '/black_box/crash/events') =>
      events.add(sample('std_msgs/msg/String', { data }, topic));
    tell('{"event": "triggered", "black_box": "crash", "trigger": "t", "time_ns": 2000000}');
    tell('{"event": "ended", "black_box": "crash", "to_ns": 9000000, "samples": 4, "complete": false}');
    for (const data of ['', 'null', '[]', '{"triggers": [null]}', '{"time_ns": "x"}']) tell(data);
    tell('{"event": "triggered"}', '/other');
    expect(events.all.map(({ event, timeMs }) => [event, timeMs])).toEqual([
      ['ended', 9],
      ['triggered', 2],
    ]);
    expect(events.all[0]!.complete).toBe(false);
  });
});
