// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Fields of decoded messages, read without trusting that a type is what its name says. */

import type { FieldValue, Message, NumberArray } from '../protocol';
import type { TreeNode } from './messages';

const EMPTY: Message = Object.freeze({}) as Message;
const NO_NUMBERS = new Float64Array(0);

export function record(value: FieldValue | undefined): Message {
  return typeof value === 'object' && !Array.isArray(value) && !ArrayBuffer.isView(value)
    ? (value as Message)
    : EMPTY;
}

/** @returns NaN for what is no number; 64-bit integers lose what doubles cannot hold */
export function numberOf(value: unknown): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'boolean') return value ? 1 : 0;
  return NaN;
}

export function textOf(value: unknown, most = 1024): string {
  return typeof value === 'string' ? value.slice(0, most) : '';
}

/** @returns an empty array for what is none, or has more than `most` entries */
export function array(value: FieldValue | undefined, most: number): NumberArray {
  if (!ArrayBuffer.isView(value)) return NO_NUMBERS;
  const found = value as NumberArray;
  return found.length <= most ? found : NO_NUMBERS;
}

export type Step = string | number;

/** Takes `pose.covariance[7]` apart; null for what is no path. */
export function parsePath(path: string): readonly Step[] | null {
  const steps: Step[] = [];
  for (const part of path.split('.')) {
    const found = /^([A-Za-z_][A-Za-z0-9_]*)((?:\[[0-9]{1,9}\])*)$/.exec(part);
    if (found === null) return null;
    steps.push(found[1]!);
    for (const index of found[2]!.matchAll(/[0-9]+/g)) steps.push(Number(index[0]));
  }
  return steps;
}

/** @returns NaN where the message has no number at that path */
export function numberAt(message: Message, steps: readonly Step[]): number {
  let value: unknown = message;
  for (const step of steps) {
    if (typeof value !== 'object' || value === null) return NaN;
    value = (value as Record<Step, unknown>)[step];
  }
  if (typeof value === 'object' && value !== null && 'sec' in value && 'nanosec' in value) {
    return numberOf(value.sec) + numberOf(value.nanosec) / 1e9;
  }
  return numberOf(value);
}

const MOST_NODES = 2000;
/** Entries of an array that are shown; any other can be typed as a path. */
const MOST_ENTRIES = 12;

/** Makes a tree of a message, bounded in size whatever the message. */
export function treeOf(name: string, message: Message): TreeNode {
  let left = MOST_NODES;

  function node(label: string, path: string, value: unknown, depth: number): TreeNode {
    left -= 1;
    if (typeof value === 'bigint') return { name: label, path, value: Number(value) };
    if (typeof value === 'string') return { name: label, path, value: value.slice(0, 256) };
    if (typeof value === 'number' || typeof value === 'boolean') return { name: label, path, value };
    if (depth > 24 || left <= 0 || typeof value !== 'object' || value === null) {
      return { name: label, path, value: '…' };
    }
    const children: TreeNode[] = [];
    if (Array.isArray(value) || ArrayBuffer.isView(value)) {
      const entries = value as ArrayLike<unknown>;
      const shown = Math.min(entries.length, MOST_ENTRIES);
      for (let i = 0; i < shown && left > 0; i++) {
        children.push(node(`[${i}]`, `${path}[${i}]`, entries[i], depth + 1));
      }
      return { name: label, path, children, more: entries.length - children.length };
    }
    for (const [key, entry] of Object.entries(value)) {
      if (left <= 0) break;
      children.push(node(key, path === '' ? key : `${path}.${key}`, entry, depth + 1));
    }
    return { name: label, path, children };
  }

  return node(name, '', message, 0);
}
