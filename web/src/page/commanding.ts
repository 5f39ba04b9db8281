// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Keys, trust and commands of the page's user. The private key never leaves the browser. */

import { signal } from '@preact/signals';

import { fingerprint, forgetKey, Operator, OperatorKey, storedKey, storeKey, type Outcome } from '../operator';
import { client, robotNews } from './client';
import { keep, kept } from './kept';

const TICK_MS = 100;

export const operatorKey = signal<OperatorKey | null>(null);
/** Why keys cannot be had in this browser, or empty. */
export const keyTrouble = signal('');
/** Robots' public keys in hexadecimal, as the user has compared and pinned them. */
export const pinned = kept<Record<string, string>>('pinned', {}, isPins);

export interface Said {
  readonly id: number;
  readonly at: Date;
  readonly what: string;
  readonly outcome: Outcome | null;
  readonly note: string;
}

/** The last commands and their outcomes, the newest first. */
export const said = signal<readonly Said[]>([]);
const MOST_SAID = 50;
let numbers = 0;
let root = '';

export const operator = signal<Operator | null>(null);

function isPins(value: unknown): value is Record<string, string> {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((key) => typeof key === 'string' && /^[0-9a-f]{64}$/.test(key))
  );
}

export async function startCommands(topicRoot: string): Promise<void> {
  root = topicRoot;
  if (!isSecureContext || !('subtle' in crypto)) {
    keyTrouble.value = 'Browsers keep keys on pages by HTTPS or from localhost only.';
    return;
  }
  setInterval(() => operator.value?.tick(), TICK_MS);
  try {
    use(await storedKey());
  } catch (error) {
    keyTrouble.value = error instanceof Error ? error.message : String(error);
  }
}

function use(key: OperatorKey | null): void {
  operatorKey.value = key;
  if (key === null) {
    operator.value = null;
    client.listen([], () => {});
    return;
  }
  const made = new Operator({
    name: key.name,
    key,
    root,
    publish: (topic, payload, expiryS) => client.publish(topic, payload, expiryS),
    pinned: pinnedKey,
    trustsTransport: () => robotNews.value?.robot.state?.trustsTransport ?? false,
  });
  operator.value = made;
  client.listen(made.filters(), (topic, payload) => void made.feed(topic, payload));
}

export async function newKey(name: string): Promise<void> {
  const key = await OperatorKey.generate(name);
  await storeKey(key);
  use(key);
}

export async function importKey(text: string, name: string): Promise<void> {
  const key = await OperatorKey.import(text, name);
  await storeKey(key);
  use(key);
}

export async function dropKey(): Promise<void> {
  await forgetKey();
  use(null);
}

/** What the user has pinned of a robot, whose name may be that of any property, as `constructor`. */
export function pinnedKey(robot: string): string | null {
  return Object.hasOwn(pinned.value, robot) ? pinned.value[robot]! : null;
}

export function pin(robot: string, key: string): void {
  pinned.value = { ...pinned.value, [robot]: key };
}

export function unpin(robot: string): void {
  const { [robot]: _, ...others } = pinned.value;
  pinned.value = others;
  keep('pinned', others);
}

/** As `ros-cloud-bridge keys show` says it, of a key in hexadecimal. */
export function fingerprintOf(key: string): string {
  return fingerprint(Uint8Array.from(key.match(/../g) ?? [], (digits) => parseInt(digits, 16)));
}

/** Notes a command and, once it is there, what became of it. */
export async function note(what: string, outcome: Promise<Outcome>): Promise<Outcome | null> {
  numbers += 1;
  const entry: Said = { id: numbers, at: new Date(), what, outcome: null, note: '' };
  said.value = [entry, ...said.value].slice(0, MOST_SAID);
  try {
    const found = await outcome;
    change(entry.id, { outcome: found });
    return found;
  } catch (error) {
    change(entry.id, { note: error instanceof Error ? error.message : String(error) });
    return null;
  }
}

function change(id: number, what: Partial<Said>): void {
  said.value = said.value.map((entry) => (entry.id === id ? { ...entry, ...what } : entry));
}
