// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import { hex, unhex } from '../protocol/batch';
import { RobotClock } from './clock';
import { type Answer, type Command, encodeCommand, type StateName } from './messages';

const REPEAT_MS = 1_000;
/** Once the robot has begun, it is asked again after silence only. */
const SILENCE_MS = 5_000;
/** For the answer to what came in time. */
const GRACE_MS = 2_500;
const TIME_EXPIRY_MS = 5_000;
const AGAIN_MS = 200;
const MOST_QUESTIONS = 8;
const MOST_DRIVEN = 512;

/** How a command ended; `state` is null when nobody has answered: then it may have run or not. */
export interface Outcome {
  readonly state: 'succeeded' | 'failed' | 'cancelled' | 'rejected' | 'timed_out' | 'unknown' | null;
  readonly ok: boolean;
  /** The robot's reason, as `no_lease` or `field_limit: linear.x`. */
  readonly reason: string;
  readonly detail: unknown;
}

/** What dialogues need of the world. */
export interface World {
  readonly now: () => number;
  readonly topic: (robotId: string, channel: string) => string;
  /** Sign a command for its topic. */
  readonly seal: (robotId: string, topic: string, command: Uint8Array) => Promise<Uint8Array>;
  readonly publish: (topic: string, payload: Uint8Array, expiryS: number) => void;
  /** Of this process. */
  readonly instance: Uint8Array;
}

/** A command between its hand-over and its end. */
export class Flight {
  id = '';
  epoch = '';
  payload: Uint8Array | null = null;
  publishedAtMs: number | null = null;
  againAtMs = 0;
  last: StateName | null = null;
  number = -1;
  retried = false;
  ended = false;

  constructor(
    readonly channel: string,
    readonly type: string,
    /** Asked for when it is signed. */
    readonly args: () => unknown,
    readonly expiresAtMs: number,
    readonly onAnswer: (answer: Answer) => void,
    private readonly resolve: (outcome: Outcome) => void,
  ) {}

  end(outcome: Outcome): void {
    this.ended = true;
    this.resolve(outcome);
  }
}

/** Hears what becomes of messages that drive. */
export interface Driver {
  heard(answer: Answer, sentAtMs: number): void;
}

/**
 * What one operator and one robot say to each other.
 *
 * A command waits until the robot's epoch and time are known, is signed then, and is said again every
 * second under the same id until it is answered: the robot never runs an id twice.
 */
export class Dialogue {
  private readonly clock = new RobotClock();
  /** When each question of the time was asked, by its id. */
  private readonly questions = new Map<string, number>();
  private newestAnswered = -Infinity;
  private timeAtMs = 0;
  private readonly sequences = new Map<string, number>();
  private waiting: Flight[] = [];
  private readonly flights = new Map<string, Flight>();
  private readonly driven = new Map<string, { readonly driver: Driver; readonly sentAtMs: number; readonly epoch: string }>();
  /** Signing takes a while: one after the other, so that numbers go out in their order. */
  private signing: Promise<void> = Promise.resolve();

  constructor(private readonly robotId: string, private readonly world: World) {}

  submit(flight: Flight): void {
    this.waiting.push(flight);
    this.tick();
  }

  /** Give up a command that was not published yet; false when it was. */
  withdraw(flight: Flight): boolean {
    if (flight.payload || !this.waiting.includes(flight)) return false;
    this.end(flight, { state: 'cancelled', ok: false, reason: 'cancelled before it was sent', detail: null });
    return true;
  }

  /** Publish what is due, and end what nobody has answered in time. */
  tick(): void {
    const now = this.world.now();
    for (const flight of [...this.waiting, ...this.flights.values()]) {
      const patience = flight.publishedAtMs === null ? 0 : GRACE_MS;
      if (flight.last === null && now >= flight.expiresAtMs + patience) {
        this.end(flight, { state: null, ok: false, reason: whySilent(flight), detail: null });
      }
    }
    if (this.waiting.length && this.clock.knows(now)) {
      for (const flight of this.waiting) this.enqueue(() => this.sign(flight));
      this.waiting = [];
    } else if (this.waiting.length && now >= this.timeAtMs) {
      this.timeAtMs = now + REPEAT_MS;
      this.enqueue(() => this.askTime());
    }
    for (const flight of this.flights.values()) if (now >= flight.againAtMs) this.publish(flight);
  }

  /** Say everything again at once: there is a new connection. */
  again(): void {
    this.timeAtMs = 0;
    for (const flight of this.flights.values()) flight.againAtMs = 0;
    this.tick();
  }

  /** Whether a message can be signed now. */
  get knowsTime(): boolean {
    return this.clock.knows(this.world.now());
  }

  /**
   * Sign and publish a message that drives; it is never said again.
   *
   * @param wanted whether it is still wanted when its turn has come
   */
  drive(driver: Driver, channel: string, fields: unknown, ttlMs: number, wanted: () => boolean): void {
    this.enqueue(async () => {
      if (!wanted() || !this.knowsTime) return;
      const command = this.command('publish', channel, fields, ttlMs);
      const topic = this.world.topic(this.robotId, channel);
      const payload = await this.world.seal(this.robotId, topic, encodeCommand(command));
      this.driven.set(hex(command.id), { driver, sentAtMs: this.world.now(), epoch: hex(command.epoch) });
      if (this.driven.size > MOST_DRIVEN) this.driven.delete(this.driven.keys().next().value!);
      this.world.publish(topic, payload, ttlMs / 1000);
    });
  }

  /** Take an answer whose signature is the robot's. */
  take(answer: Answer): void {
    const at = this.world.now();
    if (this.questions.has(answer.id)) {
      this.takeTime(answer, at);
      return;
    }
    const driven = this.driven.get(answer.id);
    if (driven) {
      if (!answer.final) return;
      this.driven.delete(answer.id);
      this.refresh(answer, at);
      // A later run of the robot can only refuse it.
      if (answer.state === 'rejected' || answer.epoch === driven.epoch) driven.driver.heard(answer, driven.sentAtMs);
      return;
    }
    const flight = this.flights.get(answer.id);
    if (!flight) return;
    this.refresh(answer, at);
    // Only how it ended can be told by a later run of the robot.
    if (!answer.final && answer.epoch !== flight.epoch) return;
    flight.againAtMs = at + SILENCE_MS;
    if (answer.final) this.finish(flight, answer, at);
    else if (answer.number > flight.number) {
      flight.number = answer.number;
      flight.last = answer.state;
      flight.onAnswer(answer);
    }
  }

  private takeTime(answer: Answer, at: number): void {
    const askedAt = this.questions.get(answer.id)!;
    this.questions.delete(answer.id);
    if (askedAt <= this.newestAnswered) return;
    this.newestAnswered = askedAt;
    this.clock.begin(answer.epoch, answer.robotMs, at);
    this.timeAtMs = Math.min(this.timeAtMs, at + AGAIN_MS);
    this.tick();
  }

  private refresh(answer: Answer, at: number): void {
    // Started again, or this is an old word: only a question of ours can tell.
    if (answer.epoch === this.clock.epoch) this.clock.take(answer.robotMs, at);
    else this.clock.forget();
  }

  private finish(flight: Flight, answer: Answer, at: number): void {
    flight.onAnswer(answer);
    const wrongEpoch = answer.state === 'rejected' && answer.reason.split(':')[0] === 'wrong_epoch';
    if (wrongEpoch && flight.last === null && !flight.retried && at < flight.expiresAtMs) {
      // It has certainly not run: say it under a new id.
      if (this.clock.epoch === flight.epoch) this.clock.forget();
      this.flights.delete(flight.id);
      Object.assign(flight, { id: '', payload: null, retried: true });
      this.submit(flight);
      return;
    }
    const state = answer.state as Exclude<Outcome['state'], null>;
    this.end(flight, { state, ok: state === 'succeeded', reason: answer.reason, detail: answer.detail });
  }

  private end(flight: Flight, outcome: Outcome): void {
    this.waiting = this.waiting.filter((other) => other !== flight);
    this.flights.delete(flight.id);
    flight.end(outcome);
  }

  private enqueue(task: () => Promise<void>): void {
    this.signing = this.signing.then(task).catch((error: unknown) => console.error(error));
  }

  private async askTime(): Promise<void> {
    const id = crypto.getRandomValues(new Uint8Array(16));
    const topic = this.world.topic(this.robotId, 'time');
    const question: Command = {
      type: 'time', id, instance: this.world.instance, epoch: new Uint8Array(), sequence: 0, sentMs: 0, deadlineMs: 0,
      arguments: null,
    };
    const payload = await this.world.seal(this.robotId, topic, encodeCommand(question));
    this.questions.set(hex(id), this.world.now());
    if (this.questions.size > MOST_QUESTIONS) this.questions.delete(this.questions.keys().next().value!);
    this.world.publish(topic, payload, TIME_EXPIRY_MS / 1000);
  }

  private async sign(flight: Flight): Promise<void> {
    const now = this.world.now();
    if (flight.ended) return;
    if (!this.clock.knows(now)) {
      this.waiting.push(flight);
      return;
    }
    try {
      const command = this.command(flight.type, flight.channel, flight.args(), Math.max(0, flight.expiresAtMs - now));
      flight.id = hex(command.id);
      flight.epoch = hex(command.epoch);
      const topic = this.world.topic(this.robotId, flight.channel);
      flight.payload = await this.world.seal(this.robotId, topic, encodeCommand(command));
    } catch (error) {
      this.end(flight, { state: null, ok: false, reason: `not sent: ${String(error)}`, detail: null });
      return;
    }
    if (flight.ended) return;
    this.flights.set(flight.id, flight);
    this.publish(flight);
  }

  private command(type: string, channel: string, args: unknown, ttlMs: number): Command {
    const sequence = (this.sequences.get(channel) ?? 0) + 1;
    this.sequences.set(channel, sequence);
    const sentMs = this.clock.nowMs(this.world.now());
    return {
      type,
      id: crypto.getRandomValues(new Uint8Array(16)),
      instance: this.world.instance,
      epoch: unhex(this.clock.epoch),
      sequence,
      sentMs,
      deadlineMs: sentMs + Math.round(ttlMs),
      arguments: args,
    };
  }

  private publish(flight: Flight): void {
    const now = this.world.now();
    flight.publishedAtMs ??= now;
    flight.againAtMs = now + (flight.last === null ? REPEAT_MS : SILENCE_MS);
    const expiryMs = Math.max(REPEAT_MS, flight.expiresAtMs - now);
    this.world.publish(this.world.topic(this.robotId, flight.channel), flight.payload!, expiryMs / 1000);
  }
}

function whySilent(flight: Flight): string {
  if (flight.publishedAtMs !== null) return 'no answer: it may have run';
  return 'the robot does not tell its time: is it online, and does it know this key?';
}
