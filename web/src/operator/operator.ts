// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import { unhex } from '../protocol/batch';
import { ProtocolError } from '../protocol/errors';
import { MAX_ANSWER, MAX_COMMAND } from '../protocol/limits';
import { DEFAULT_ROOT, parseTopic } from '../protocol/topics';
import { encodeSigned, openSigned, protectedHeader, toBeSigned } from './cose';
import { Dialogue, Flight, type Outcome, type World } from './dialogue';
import { Drive } from './drive';
import type { OperatorKey } from './keys';
import { type Answer, decodeAnswer } from './messages';

const DEFAULT_TTL_S = 5;
/** A lease's commands may take a round trip or two. */
const DRIVE_TTL_S = 2;
const PUBLIC_KEY = /^[0-9a-f]{64}$/;

export interface OperatorOptions {
  /** The operator's name, the MQTT level in `cmd/{operator}/…`. */
  readonly name: string;
  /** Null only where all robots trust the transport. */
  readonly key: OperatorKey | null;
  readonly root?: string;
  /** Publish with QoS 1, not retained. */
  readonly publish: (topic: string, payload: Uint8Array, expiryS: number) => void;
  /** Robots' pinned public keys, 32 bytes in hexadecimal, by robot id; answers of others are dropped. */
  readonly pinned: (robotId: string) => string | null;
  /** Whether the robot's `state` says that it trusts the transport. */
  readonly trustsTransport?: (robotId: string) => boolean;
  /** Monotonic milliseconds; `performance.now()` when left out. */
  readonly now?: () => number;
}

export interface Goal {
  readonly outcome: Promise<Outcome>;
  cancel(): Promise<Outcome>;
}

/** Commands robots and hears their answers; has no timer and no socket of its own. */
export class Operator {
  /** Answers that were not the robot's, or malformed. */
  dropped = 0;
  private readonly root: string;
  private readonly now: () => number;
  private readonly dialogues = new Map<string, Dialogue>();
  private readonly world: World;

  constructor(private readonly options: OperatorOptions) {
    this.root = options.root ?? DEFAULT_ROOT;
    this.now = options.now ?? (() => performance.now());
    this.world = {
      now: this.now,
      topic: (robotId, channel) => `${this.root}/${robotId}/cmd/${options.name}/${channel}`,
      seal: (robotId, topic, command) => this.seal(robotId, topic, command),
      publish: options.publish,
      instance: crypto.getRandomValues(new Uint8Array(8)),
    };
  }

  /** MQTT topic filters to subscribe to with QoS 1: answers of one robot or (without) of all. */
  filters(robotId = '+'): string[] {
    return [`${this.root}/${robotId}/ack/${this.options.name}`];
  }

  /** Take in one MQTT message; what is no answer of a robot whose key is pinned is ignored, and counted. */
  feed(topic: string, payload: Uint8Array): void {
    let robotId: string;
    let answer: Answer;
    try {
      const name = parseTopic(topic, this.root);
      if (!name || name.kind !== 'ack' || name.rest.join('/') !== this.options.name) return;
      robotId = name.robotId;
      const key = this.options.pinned(robotId);
      if (!key || !PUBLIC_KEY.test(key)) throw new ProtocolError(`no key of ${robotId} is pinned`);
      answer = decodeAnswer(openSigned(unhex(key), { context: 'rcb/1 answer', robotId, topic }, payload, MAX_ANSWER));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.dropped += 1;
      return;
    }
    this.dialogues.get(robotId)?.take(answer);
  }

  /** Repeats what is unanswered and lets deadlines pass; call it every 100 ms or so. */
  tick(): void {
    for (const dialogue of this.dialogues.values()) dialogue.tick();
  }

  /** The connection to the broker is new: say again what is unanswered. */
  reconnected(): void {
    for (const dialogue of this.dialogues.values()) dialogue.again();
  }

  publish(robotId: string, channel: string, fields: Record<string, unknown>, ttlS?: number): Promise<Outcome> {
    return this.command(robotId, channel, 'publish', fields, ttlS);
  }

  call(robotId: string, channel: string, fields: Record<string, unknown>, ttlS?: number): Promise<Outcome> {
    return this.command(robotId, channel, 'call', fields, ttlS);
  }

  goal(
    robotId: string, channel: string, fields: Record<string, unknown>, onFeedback?: (feedback: unknown) => void, ttlS?: number,
  ): Goal {
    const hear = (answer: Answer): void => {
      const { detail } = answer;
      if (answer.state === 'running' && typeof detail === 'object' && detail && 'feedback' in detail) onFeedback?.(detail.feedback);
    };
    const { flight, outcome } = this.submit(robotId, channel, 'goal', () => fields, ttlS, hear);
    const cancel = (): Promise<Outcome> => {
      if (this.dialogue(robotId).withdraw(flight)) return outcome;
      return this.submit(robotId, channel, 'cancel', () => ({ goal: unhex(flight.id) }), ttlS).outcome;
    };
    return { outcome, cancel };
  }

  /** Any command of docs/protocol.md#commands, as `set` on a parameter channel. */
  command(robotId: string, channel: string, type: string, args: unknown, ttlS?: number): Promise<Outcome> {
    return this.submit(robotId, channel, type, () => args, ttlS).outcome;
  }

  /** Acquire the channel's lease; rejects with an Error that says why not. */
  async drive(robotId: string, channel: string): Promise<Drive> {
    const outcome = await this.command(robotId, channel, 'acquire', null, DRIVE_TTL_S);
    if (!outcome.ok) throw new Error(`${channel}: ${outcome.state ?? 'no answer'}: ${outcome.reason}`);
    const granted = (outcome.detail ?? {}) as Record<string, unknown>;
    return new Drive(
      this.dialogue(robotId), channel, this.now,
      () => this.command(robotId, channel, 'release', null, DRIVE_TTL_S),
      typeof granted.lease_s === 'number' ? granted.lease_s : 0,
      typeof granted.watchdog_s === 'number' ? granted.watchdog_s : 0,
    );
  }

  private submit(
    robotId: string, channel: string, type: string, args: () => unknown, ttlS = DEFAULT_TTL_S,
    onAnswer: (answer: Answer) => void = () => undefined,
  ): { flight: Flight; outcome: Promise<Outcome> } {
    let resolve!: (outcome: Outcome) => void;
    const outcome = new Promise<Outcome>((settle) => {
      resolve = settle;
    });
    const flight = new Flight(channel, type, args, this.now() + 1000 * ttlS, onAnswer, resolve);
    this.dialogue(robotId).submit(flight);
    return { flight, outcome };
  }

  private dialogue(robotId: string): Dialogue {
    let dialogue = this.dialogues.get(robotId);
    if (!dialogue) this.dialogues.set(robotId, (dialogue = new Dialogue(robotId, this.world)));
    return dialogue;
  }

  private async seal(robotId: string, topic: string, command: Uint8Array): Promise<Uint8Array> {
    if (this.options.trustsTransport?.(robotId)) return command;
    const { key } = this.options;
    if (!key) throw new Error('there is no key to sign with');
    const header = protectedHeader(key.publicKey);
    const signature = await key.sign(toBeSigned(header, { context: 'rcb/1 command', robotId, topic }, command));
    const sealed = encodeSigned(header, command, signature);
    if (sealed.length > MAX_COMMAND) throw new Error(`a command has at most ${MAX_COMMAND} bytes`);
    return sealed;
  }
}
