// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** MQTT over WebSocket; runs in the worker. */

import mqtt, { type MqttClient } from 'mqtt';

import type { LinkState, Login } from './messages';

const RETRY_MS = 1000;
const KEEPALIVE_S = 15;
/** Bad user name or password, not authorized; of MQTT 5, and of 3.1.1 as some brokers answer. */
const NOT_LET_IN: ReadonlySet<number> = new Set([0x86, 0x87, 4, 5]);

export interface ConnectionOptions {
  readonly url: string;
  readonly login: Login | null;
  readonly onMessage: (topic: string, payload: Uint8Array) => void;
  readonly onState: (state: LinkState, reason: string) => void;
}

export class Connection {
  private readonly client: MqttClient;
  private readonly filters = new Set<string>();

  constructor({ url, login, onMessage, onState }: ConnectionOptions) {
    this.client = mqtt.connect(url, {
      protocolVersion: 5,
      clean: true,
      keepalive: KEEPALIVE_S,
      reconnectPeriod: RETRY_MS,
      connectTimeout: 10_000,
      // A broker that is busy for the moment; a wrong login is looked at below.
      reconnectOnConnackError: true,
      // We say ourselves what is wanted on each connection, and commands are not to come late.
      resubscribe: false,
      queueQoSZero: false,
      ...(login === null ? {} : { username: login.username, password: login.password }),
    });
    let reason = '';
    let refused = false;
    this.client.on('message', (topic, payload) => {
      onMessage(topic, new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength));
    });
    this.client.on('connect', () => {
      reason = '';
      this.subscribe([...this.filters]);
      onState('connected', '');
    });
    this.client.on('error', (error) => {
      reason = error.message;
      // A CONNACK that says who may not come: the same login is of no use again.
      if (!('code' in error) || !NOT_LET_IN.has(error.code as number)) return;
      refused = true;
      this.client.end(true);
      onState('refused', reason);
    });
    this.client.on('disconnect', (packet) => {
      reason = packet.properties?.reasonString ?? `the broker closed it (${packet.reasonCode ?? 0})`;
    });
    this.client.on('reconnect', () => onState('connecting', reason));
    this.client.on('close', () => {
      if (!refused && !this.client.disconnecting) onState('lost', reason);
    });
  }

  get connected(): boolean {
    return this.client.connected;
  }

  /** Subscribes to exactly these filters, now and on each connection. */
  want(filters: Iterable<string>): void {
    const wanted = new Set(filters);
    const added = [...wanted].filter((filter) => !this.filters.has(filter));
    const removed = [...this.filters].filter((filter) => !wanted.has(filter));
    for (const filter of removed) this.filters.delete(filter);
    for (const filter of added) this.filters.add(filter);
    if (!this.connected) return;
    if (removed.length > 0) this.client.unsubscribe(removed);
    this.subscribe(added);
  }

  /** Publishes now or never: what is late is of no use, and a command would be harmful. */
  publish(topic: string, payload: Uint8Array, expiryS: number): void {
    if (!this.connected) return;
    this.client.publish(topic, payload as Buffer, {
      qos: 1,
      retain: false,
      properties: { messageExpiryInterval: Math.max(1, Math.ceil(expiryS)) },
    });
  }

  close(): void {
    this.client.end(true);
  }

  private subscribe(filters: string[]): void {
    if (filters.length > 0) this.client.subscribe(filters, { qos: 1 });
  }
}
