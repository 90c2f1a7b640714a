/** Exits, restarts and signals: where they lie in time, and one line for each. */
import type { Status, StatusEvent } from '../status-document.ts';
import { byId, make } from './element.ts';
import { type Format, visible } from './format.ts';

const SVG = 'http://www.w3.org/2000/svg';
const LANES = ['exit', 'restart', 'signal'];
const SYMBOLS: Readonly<Record<string, string>> = { exit: '✕', restart: '↻', signal: '◆' };
const IN_ORDER = new Set(['quit', 'term']);
const WIDTH = 1000;
const LANE_HEIGHT = 20;
// The strip shows at least this much of the past.
const MIN_SPAN_MS = 600_000;

/** @returns what shows a status' events */
export function startTimeline(format: Format): (status: Status) => void {
  const list = byId('events');
  let shown = '';
  return ({ events, atMs }) => {
    const oldest = events.reduce((min, event) => Math.min(min, event.atMs), atMs);
    const spanMs = Math.max(MIN_SPAN_MS, atMs - oldest);
    byId('events-from').textContent = `${format.span(spanMs / 1000)} ago`;
    drawStrip(events, atMs, spanMs);
    byId('no-events').hidden = events.length > 0;
    const now = JSON.stringify(events);
    if (now === shown) return;
    shown = now;
    list.replaceChildren(...events.map((event) => eventLine(event, atMs, format)));
  };
}

function drawStrip(events: readonly StatusEvent[], nowMs: number, spanMs: number): void {
  const marks = events.map((event) => {
    const mark = document.createElementNS(SVG, 'rect');
    const x = Math.max(0, Math.min(1, 1 - (nowMs - event.atMs) / spanMs)) * (WIDTH - 4);
    mark.setAttribute('x', x.toFixed(1));
    mark.setAttribute('y', String(Math.max(0, LANES.indexOf(event.kind)) * LANE_HEIGHT + 4));
    mark.setAttribute('width', '4');
    mark.setAttribute('height', String(LANE_HEIGHT - 8));
    mark.setAttribute('class', toneOf(event));
    return mark;
  });
  document.getElementById('strip')!.replaceChildren(...marks);
}

function eventLine(event: StatusEvent, nowMs: number, { clock }: Format): HTMLLIElement {
  const time = make('time', '', clock(event.atMs, nowMs));
  if (Math.abs(event.atMs) <= 8.64e15) time.dateTime = new Date(event.atMs).toISOString();
  const symbol = make('span', 'symbol', SYMBOLS[event.kind] ?? '•');
  symbol.ariaHidden = 'true';
  const line = make('li', toneOf(event), time, symbol, make('span', 'kind', visible(event.kind)));
  line.append(make('bdi', 'what', visible(event.what)));
  if (event.workerId) line.append(make('bdi', 'who', visible(event.workerId)));
  return line;
}

function toneOf({ kind, what }: StatusEvent): string {
  if (kind !== 'exit') return kind === 'restart' ? 'accent' : 'quiet';
  return IN_ORDER.has(what) ? 'quiet' : 'bad';
}
