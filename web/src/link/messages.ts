// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** What the page and its worker tell each other. The worker has the connection and decodes. */

import type { LeaseState, Robot } from '../protocol';
import type { BoxEvent } from './boxes';
import type { FleetRow } from './fleet';
import type { View } from './views';

export interface Login {
  readonly username: string;
  readonly password: string;
}

/** What the page wants to see of the open robot; a stream on demand is leased while it does. */
export interface Watch {
  readonly id: string;
  readonly topic: string;
  readonly as: WatchKind;
  /** Of a plot: paths as `pose.pose.position.x` or `ranges[3]`. */
  readonly fields?: readonly string[];
  /** Of a view: no more often than this. */
  readonly maxHz?: number;
}

export type WatchKind = 'plot' | 'view' | 'tree' | 'place';

export type ToWorker =
  | { readonly kind: 'connect'; url: string; root: string; login: Login | null; consumer: string }
  | { readonly kind: 'open'; robot: string | null }
  | { readonly kind: 'watch'; watches: readonly Watch[] }
  | { readonly kind: 'listen'; filters: readonly string[] }
  | { readonly kind: 'publish'; topic: string; payload: Uint8Array; expiryS: number }
  /** The view has been drawn: the next may come. */
  | { readonly kind: 'drawn'; id: string }
  | { readonly kind: 'farewell' };

export type LinkState = 'connecting' | 'connected' | 'lost' | 'refused';

/** One topic of the open robot, as far as samples or documents tell. */
export interface TopicRow {
  readonly topic: string;
  readonly type: string;
  readonly stream: string;
  readonly onDemand: boolean;
  readonly samples: number;
  readonly hz: number;
  readonly bytesPerS: number;
  /** From publication to here, by both clocks; null before the first sample. */
  readonly ageMs: number | null;
  /** Why its samples cannot be read, or empty. */
  readonly error: string;
}

export interface RobotNews {
  readonly robot: Robot;
  readonly row: FleetRow;
  readonly topics: readonly TopicRow[];
  readonly leases: readonly LeaseState[];
  readonly boxEvents: readonly BoxEvent[];
  /** Add it to the robot's time to get that of this machine. */
  readonly clockOffsetMs: number;
}

/** A part of a message, for a tree in which fields are chosen. */
export interface TreeNode {
  readonly name: string;
  readonly path: string;
  /** Of a leaf; numbers can be plotted. */
  readonly value?: number | string | boolean;
  readonly more?: number;
  readonly children?: readonly TreeNode[];
}

export type FromWorker =
  | { readonly kind: 'link'; state: LinkState; reason: string }
  | { readonly kind: 'fleet'; rows: readonly FleetRow[]; gone: readonly string[] }
  | { readonly kind: 'robot'; news: RobotNews }
  /** `values` are those of the first field, then those of the second, … */
  | { readonly kind: 'points'; id: string; times: Float64Array; values: Float64Array }
  | { readonly kind: 'view'; id: string; view: View }
  | { readonly kind: 'tree'; id: string; tree: TreeNode; type: string; timeMs: number }
  | { readonly kind: 'message'; topic: string; payload: Uint8Array }
  | { readonly kind: 'figures'; messages: number; samples: number; errors: number; lastError: string };
