// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import type { ComponentChildren } from 'preact';

import { robotNews } from '../page/client';

interface PanelProps {
  readonly title: string;
  readonly hint?: string;
  readonly size?: 'wide' | 'full' | undefined;
  readonly tools?: ComponentChildren;
  readonly onClose?: (() => void) | undefined;
  readonly children: ComponentChildren;
}

export function Panel({ title, hint, size, tools, onClose, children }: PanelProps) {
  return (
    <section class={`panel ${size ?? ''}`} aria-label={title}>
      <header>
        <h2 class="cut">{title}</h2>
        {hint !== undefined && hint !== title && <span class="faint cut">{hint}</span>}
        <span class="grow" />
        {tools}
        {onClose !== undefined && (
          <button class="quiet" aria-label={`Close ${title}`} onClick={onClose}>
            ✕
          </button>
        )}
      </header>
      {children}
    </section>
  );
}

/** What is told of a topic while nothing of it can be shown. */
export function waitingFor(topic: string): string {
  const news = robotNews.value;
  const row = news?.topics.find((entry) => entry.topic === topic);
  const lease = news?.leases.find((entry) => entry.stream === row?.stream);
  let text = 'Waiting for the first message';
  if (row?.error) text = row.error;
  else if (row?.onDemand && lease?.granted === false) text = `Not granted: ${lease.reason}`;
  else if (row?.onDemand) text = 'Asking the robot for this stream';
  else if (news?.robot.online === false) text = 'The robot is offline';
  return text;
}

export function Waiting({ topic }: { topic: string }) {
  return (
    <div class="note">
      <span>{waitingFor(topic)}</span>
    </div>
  );
}
