/** What has happened in a group of late, for people: exits, restarts and signals, with their times. */
import type { Scene } from '../aggregate/producer.ts';
import { countEvents } from '../catalogue/count-times.ts';
import { exitEvents } from '../catalogue/exit-points.ts';
import {
  EXIT_TIMES_METRIC,
  EXITS_BY_WORKER_METRIC,
  RESTART_TIMES_METRIC,
  RESTARTS_BY_WORKER_METRIC,
  SIGNAL_TIMES_METRIC,
  SIGNALS_METRIC,
} from '../snapshot/own-metrics.ts';
import type { StatusEvent } from '../status-document.ts';

type Kind = StatusEvent['kind'];
type Moment = Omit<StatusEvent, 'atMs'> & { readonly atMonotonicMs: number };

// Workers whose ids come back, and signals: what was counted up, and what of its labels is told.
const COUNTED: readonly { kind: Kind; counter: string; times: string; workerId: string; what: string }[] = [
  { kind: 'exit', counter: EXITS_BY_WORKER_METRIC, times: EXIT_TIMES_METRIC, workerId: 'worker_id', what: 'reason' },
  {
    kind: 'restart',
    counter: RESTARTS_BY_WORKER_METRIC,
    times: RESTART_TIMES_METRIC,
    workerId: 'worker_id',
    what: 'reason',
  },
  { kind: 'signal', counter: SIGNALS_METRIC, times: SIGNAL_TIMES_METRIC, workerId: '', what: 'signal' },
];
// An event may have been written down since the scene's moment. What is later than that is nobody's time.
const TOLERANCE_MS = 1000;
// Of one moment, what came of the other: newest first.
const ORDER: readonly Kind[] = ['restart', 'exit', 'signal'];

/** The last events of everybody who is there, newest first. @param most - how many; older ones are left out */
export function statusEvents(scene: Scene, most: number): StatusEvent[] {
  return [...moments(scene)]
    .filter(({ atMonotonicMs }) => atMonotonicMs >= 0 && atMonotonicMs <= scene.nowMonotonicMs + TOLERANCE_MS)
    .sort((a, b) => b.atMonotonicMs - a.atMonotonicMs || ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind))
    .slice(0, most)
    .map(({ atMonotonicMs, ...event }) => ({
      atMs: Math.round(scene.nowMs - (scene.nowMonotonicMs - atMonotonicMs)),
      ...event,
    }));
}

function* moments(scene: Scene): Generator<Moment> {
  for (const { workerId, cause, atMonotonicMs, replacedAtMonotonicMs } of exitEvents(scene)) {
    yield { kind: 'exit', workerId, what: cause.reason, atMonotonicMs };
    if (replacedAtMonotonicMs === 0) continue;
    yield { kind: 'restart', workerId, what: cause.reason, atMonotonicMs: replacedAtMonotonicMs };
  }
  for (const { kind, counter, times, ...labels } of COUNTED) {
    for (const { attributes, atMonotonicMs } of countEvents(counter, times, scene)) {
      const workerId = String(attributes[labels.workerId] ?? '');
      yield { kind, workerId, what: String(attributes[labels.what] ?? ''), atMonotonicMs };
    }
  }
}
