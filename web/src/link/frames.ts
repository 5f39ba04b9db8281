// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Where things are, seen from above: the newest transform of each frame (REP-105), and poses on the
 * map made of them. Transforms are taken as they come, not interpolated: this is for looking.
 */

import type { FieldValue, Message, Sample } from '../protocol';
import { numberOf, record, textOf } from './values';
import type { PlaceView } from './views';

export interface Pose2 {
  readonly x: number;
  readonly y: number;
  readonly yaw: number;
}

const MOST_FRAMES = 1024;
const MOST_DEPTH = 32;
const MAP = 'map';

type Source = (message: Message) => { frame: string; child: string; pose: Message };

const POSES: Readonly<Record<string, Source>> = {
  'nav_msgs/msg/Odometry': (message) => ({
    frame: frameOf(message),
    child: textOf(message['child_frame_id']),
    pose: record(record(message['pose'])['pose']),
  }),
  'geometry_msgs/msg/PoseStamped': (message) => ({
    frame: frameOf(message),
    child: '',
    pose: record(message['pose']),
  }),
  'geometry_msgs/msg/PoseWithCovarianceStamped': (message) => ({
    frame: frameOf(message),
    child: '',
    pose: record(record(message['pose'])['pose']),
  }),
};

const TRANSFORMS = new Set(['tf2_msgs/msg/TFMessage', 'geometry_msgs/msg/TransformStamped']);

export function isPlace(type: string): boolean {
  return type in POSES;
}

/** Types that tell where frames are; the page watches them while it shows a map. */
export function isTransform(type: string): boolean {
  return TRANSFORMS.has(type);
}

function frameOf(message: Message): string {
  return plain(textOf(record(message['header'])['frame_id'], 256));
}

/** tf2 takes frames without the leading slash that old publishers write. */
function plain(frame: string): string {
  return frame.startsWith('/') ? frame.slice(1) : frame;
}

export function compose(outer: Pose2, inner: Pose2): Pose2 {
  const cos = Math.cos(outer.yaw);
  const sin = Math.sin(outer.yaw);
  return {
    x: outer.x + cos * inner.x - sin * inner.y,
    y: outer.y + sin * inner.x + cos * inner.y,
    yaw: outer.yaw + inner.yaw,
  };
}

export class Places {
  private readonly parents = new Map<string, { parent: string; pose: Pose2 }>();
  /** The robot's own frame, as its odometry names it. */
  private base = 'base_link';

  /** Takes in transforms; of other types nothing. */
  learn(sample: Sample): void {
    if (sample.typeName === 'geometry_msgs/msg/TransformStamped') this.add(sample.message());
    else if (sample.typeName === 'tf2_msgs/msg/TFMessage') {
      const transforms = sample.message()['transforms'];
      if (!Array.isArray(transforms)) return;
      for (const transform of transforms) this.add(record(transform as FieldValue));
    }
  }

  /** @returns where a frame is on the map, or null if it is not known to be joined to it */
  onMap(frame: string): Pose2 | null {
    let at: Pose2 = { x: 0, y: 0, yaw: 0 };
    let name = plain(frame);
    for (let depth = 0; name !== MAP; depth++) {
      const known = this.parents.get(name);
      // A sensor whose mount nobody tells is drawn where the robot is.
      if (known === undefined && depth === 0 && name !== 'odom') {
        name = this.base;
        if (this.parents.has(name)) continue;
      }
      if (known === undefined || depth > MOST_DEPTH) return null;
      at = compose(known.pose, at);
      name = known.parent;
    }
    return at;
  }

  view(sample: Sample): PlaceView | null {
    const source = POSES[sample.typeName];
    if (source === undefined) return null;
    const { frame, child, pose } = source(sample.message());
    const local = Places.flat(record(pose['position']), record(pose['orientation']));
    if (!Number.isFinite(local.x + local.y + local.yaw)) return null;
    if (child !== '' && child !== frame) {
      // Odometry is the transform of the same two frames, for robots that send no tf.
      this.base = plain(child);
      this.join(this.base, frame, local);
    }
    const joint = frame === MAP ? { x: 0, y: 0, yaw: 0 } : this.onMap(frame);
    return {
      kind: 'place',
      frame,
      pose: joint === null ? local : compose(joint, local),
      onMap: joint !== null,
    };
  }

  static flat(position: Message, rotation: Message): Pose2 {
    const x = numberOf(rotation['x']);
    const y = numberOf(rotation['y']);
    const z = numberOf(rotation['z']);
    const w = numberOf(rotation['w']);
    return {
      x: numberOf(position['x']),
      y: numberOf(position['y']),
      yaw: Math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)),
    };
  }

  private add(message: Message): void {
    const child = plain(textOf(message['child_frame_id'], 256));
    const transform = record(message['transform']);
    const pose = Places.flat(record(transform['translation']), record(transform['rotation']));
    if (child !== '' && Number.isFinite(pose.x + pose.y + pose.yaw)) {
      this.join(child, frameOf(message), pose);
    }
  }

  private join(child: string, parent: string, pose: Pose2): void {
    if (!this.parents.has(child) && this.parents.size >= MOST_FRAMES) return;
    this.parents.set(child, { parent, pose });
  }
}
