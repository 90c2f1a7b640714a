/** Exits of workers as points of a family: the events of late, and the sums of those whose ids come back. */
import { cellOf } from '../aggregate/merge.ts';
import { compareWorkerIds, type Scene } from '../aggregate/producer.ts';
import { clusterName, EXIT_CAUSES, EXIT_FIELDS, type ExitCause, workerIdOf } from '../snapshot/exit-events.ts';
import { EXITS_BY_WORKER_METRIC, EXITS_METRIC, OWN_SCOPE, RESTARTS_BY_WORKER_METRIC } from '../snapshot/own-metrics.ts';
import type { Point } from './families.ts';

interface ExitedWorker {
  readonly workerId: string;
  readonly cause: ExitCause;
  readonly count: number;
}

/** One exit of those that are not named for good. */
export interface ExitEvent {
  readonly workerId: string;
  readonly cause: ExitCause;
  readonly atMonotonicMs: number;
  /** 0: nobody has taken its place. */
  readonly replacedAtMonotonicMs: number;
}

const TYPE_OF_REASON = new Map<string, ExitCause>(EXIT_CAUSES.map((cause) => [cause.reason, cause]));

/**
 * @param which - all exits, or those that had a successor
 * @param labels - of the family, among worker_id, reason and restart_type
 * @param retentionMs - how long a single exit is shown
 */
export function exitPoints(
  which: 'all' | 'replaced',
  scene: Scene,
  labels: readonly string[],
  retentionMs: number,
): Point[] {
  const points = new Map<string, { labels: Record<string, string>; value: number }>();
  for (const { workerId, cause, count } of [...events(which, scene, retentionMs), ...sums(which, scene)]) {
    const all: Record<string, string> = {
      worker_id: workerId,
      reason: cause.reason,
      restart_type: cause.restartType,
    };
    const own = Object.fromEntries(labels.map((label) => [label, all[label]!]));
    const key = JSON.stringify(own);
    const known = points.get(key);
    if (known) known.value += count;
    else points.set(key, { labels: own, value: count });
  }
  return [...points.values()].sort((a, b) => compareWorkerIds(a.labels['worker_id']!, b.labels['worker_id']!));
}

/** The last exits that each process has seen, in no order; what it has seen is as true when it has ended itself. */
export function* exitEvents(scene: Scene): Generator<ExitEvent> {
  for (const { snapshot } of scene.members) {
    for (const { descriptor, series } of snapshot.metrics) {
      if (descriptor.scope !== OWN_SCOPE || descriptor.name !== EXITS_METRIC) continue;
      for (const entry of series) {
        const cell = cellOf(descriptor, entry, snapshot.values);
        if (!cell) continue;
        const [clusterId, threadId, startSeconds, cause, replacedAtMonotonicMs, atMonotonicMs, parent] =
          EXIT_FIELDS.map((_, i) => cell[i]!) as [number, number, number, number, number, number, number];
        const known = EXIT_CAUSES[cause];
        if (!known) continue;
        const workerId = workerIdOf(clusterName(clusterId, parent), threadId, startSeconds);
        yield { workerId, cause: known, atMonotonicMs, replacedAtMonotonicMs };
      }
    }
  }
}

function* events(which: 'all' | 'replaced', scene: Scene, retentionMs: number): Generator<ExitedWorker> {
  for (const { workerId, cause, atMonotonicMs, replacedAtMonotonicMs } of exitEvents(scene)) {
    const isOver = scene.nowMonotonicMs - atMonotonicMs >= retentionMs;
    if (isOver || (which === 'replaced' && replacedAtMonotonicMs === 0)) continue;
    yield { workerId, cause, count: 1 };
  }
}

function* sums(which: 'all' | 'replaced', scene: Scene): Generator<ExitedWorker> {
  const name = which === 'all' ? EXITS_BY_WORKER_METRIC : RESTARTS_BY_WORKER_METRIC;
  for (const { descriptor, series } of scene.merged.values()) {
    if (descriptor.scope !== OWN_SCOPE || descriptor.name !== name) continue;
    for (const { attributes, values } of series.values()) {
      const cause = TYPE_OF_REASON.get(String(attributes['reason']));
      if (cause) yield { workerId: String(attributes['worker_id']), cause, count: values[0]! };
    }
  }
}
