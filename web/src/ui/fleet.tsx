// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import { computed, signal } from '@preact/signals';
import { Component } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';

import { words, type FleetRow } from '../link/fleet';
import { fleet, linkState } from '../page/client';
import { byteRate, count, rate, span } from '../page/format';
import { linkTo, route } from '../page/route';

type Order = 'name' | 'sickest';

const query = signal('');
const order = signal<Order>('sickest');

/** amr-9 comes before amr-10; made once, since a thousand names are compared ten thousand times. */
const names = new Intl.Collator('en', { numeric: true });

const rows = computed(() => {
  const wanted = query.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const found = [...fleet.value.values()].filter((row) => matches(row, wanted));
  const sickest = order.value === 'sickest';
  return found.sort((one, other) => {
    const by = sickest ? other.severity - one.severity : 0;
    return by || names.compare(one.robot, other.robot);
  });
});

function matches(row: FleetRow, wanted: readonly string[]): boolean {
  if (wanted.length === 0) return true;
  const text = `${row.robot} ${row.limitedBy} ${row.troubles.join(' ')} ${presence(row)}`.toLowerCase();
  return wanted.every((word) => text.includes(word));
}

function presence(row: FleetRow): string {
  return row.online === true ? 'online' : row.online === false ? 'offline' : 'unknown';
}

export function tone(row: FleetRow): 'good' | 'warn' | 'bad' | '' {
  if (row.online === null) return '';
  if (row.online === false) return row.reason === 'connection_lost' ? 'bad' : '';
  return row.severity >= 7 ? 'bad' : row.severity >= 4 ? 'warn' : 'good';
}

const BESIDE = 8;

/** The fleet; only the rows in sight are in the document, however many there are. */
/** As in style.css: upright, or lying. */
const PHONE = '(max-width: 820px), (max-width: 1180px) and (max-height: 480px)';

export function FleetList({ wide }: { wide: boolean }) {
  const box = useRef<HTMLDivElement>(null);
  const [place, setPlace] = useState({ top: 0, height: 800 });
  useLayoutEffect(() => {
    const element = box.current!;
    const look = () => setPlace({ top: element.scrollTop, height: element.clientHeight });
    const observer = new ResizeObserver(look);
    observer.observe(element);
    element.addEventListener('scroll', look, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener('scroll', look);
    };
  }, []);
  const phone = matchMedia(PHONE).matches;
  const rowHeight = wide ? (phone ? 56 : 44) : 52;
  const shown = rows.value;
  const first = Math.max(0, Math.floor(place.top / rowHeight) - BESIDE);
  const last = Math.min(shown.length, Math.ceil((place.top + place.height) / rowHeight) + BESIDE);
  return (
    <nav class={wide ? 'fleet wide' : 'fleet narrow'} aria-label="Fleet">
      <div class="tools">
        <input
          type="search"
          placeholder="Search robots"
          aria-label="Search robots"
          value={query.value}
          onInput={(event) => (query.value = event.currentTarget.value)}
        />
        {wide && (
          <select
            aria-label="Order"
            value={order.value}
            onChange={(event) => (order.value = event.currentTarget.value as Order)}
          >
            <option value="sickest">Sickest first</option>
            <option value="name">By name</option>
          </select>
        )}
      </div>
      {wide && (
        <div class="head" aria-hidden="true">
          <span>Robot</span>
          <span>Presence</span>
          <span>Limited by</span>
          <span>Link</span>
          <span>RTT</span>
          <span>Sent</span>
          <span>Lost</span>
          <span>What is wrong</span>
        </div>
      )}
      <div class="scroll" ref={box} tabIndex={-1}>
        {shown.length === 0 && (
          <p class="nothing">
            {fleet.value.size > 0
              ? 'No robot matches.'
              : linkState.value.state === 'connected'
                ? 'No robot has said anything on this broker yet.'
                : 'Waiting for the broker.'}
          </p>
        )}
        <div class="space" style={{ height: `${shown.length * rowHeight}px` }}>
          {shown.slice(first, last).map((row, i) => (
            <Item
              key={row.robot}
              row={row}
              top={(first + i) * rowHeight}
              wide={wide && !phone}
              current={route.value.robot === row.robot}
            />
          ))}
        </div>
      </div>
    </nav>
  );
}

interface ItemProps {
  readonly row: FleetRow;
  readonly top: number;
  readonly wide: boolean;
  readonly current: boolean;
}

/** A row, drawn again only when something of it has changed: scrolling changes none of them. */
class Item extends Component<ItemProps> {
  override shouldComponentUpdate(next: ItemProps): boolean {
    const { row, top, wide, current } = this.props;
    return next.row !== row || next.top !== top || next.wide !== wide || next.current !== current;
  }

  override render({ row, top, wide, current }: ItemProps) {
    return (
      <a
        class="item"
        style={{ transform: `translateY(${top}px)` }}
        href={linkTo(row.robot)}
        aria-current={current ? 'page' : undefined}
      >
        {wide ? <WideCells row={row} /> : <NarrowCells row={row} />}
      </a>
    );
  }
}

function NarrowCells({ row }: { row: FleetRow }) {
  return (
    <>
      <span class="name">
        <span class={`dot ${tone(row)}`} />
        <span class="grow">
          <span class="cut line">{row.robot}</span>
          <span class="sub cut line">{row.troubles[0] ?? presence(row)}</span>
        </span>
      </span>
      <span class="num dim">{byteRate(row.sentBytesPerS)}</span>
    </>
  );
}

function WideCells({ row }: { row: FleetRow }) {
  const kind = tone(row);
  const { online, lostPerS } = row;
  return (
    <>
      <span class="name">
        <span class={`dot ${kind}`} />
        <span class="cut">{row.robot}</span>
      </span>
      <span class={online ? '' : 'dim'}>{presence(row)}</span>
      <span class={limitTone(row.limitedBy)}>{online ? limitWords(row.limitedBy) : '–'}</span>
      <span class="num">{online ? byteRate(row.rateBytesPerS) : '–'}</span>
      <span class="num">{online ? span(row.rttS) : '–'}</span>
      <span class="num">{online ? byteRate(row.sentBytesPerS) : '–'}</span>
      <span class={`num ${lostPerS ? 'warn' : 'dim'}`} title={`${count(row.lost)} since its start`}>
        {online && lostPerS !== null ? `${rate(lostPerS)}/s` : '–'}
      </span>
      <span
        class={`cut ${kind === 'bad' || kind === 'warn' ? kind : 'dim'}`}
        title={row.troubles.join('; ')}
      >
        {row.troubles[0] ?? ''}
        {row.troubles.length > 1 && <span class="faint"> +{row.troubles.length - 1}</span>}
      </span>
    </>
  );
}

/** `application`: the link takes more than there is to send. */
export function limitWords(limitedBy: string): string {
  return limitedBy === 'application' ? 'nothing' : words(limitedBy) || '–';
}

export function limitTone(limit: string): string {
  return limit === '' || limit === 'application' ? 'dim' : limit === 'disconnected' ? 'bad' : 'warn';
}
