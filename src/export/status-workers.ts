/** The living workers as `/status.json` tells of them. */
import type { Scene } from '../aggregate/producer.ts';
import { livingWorkers } from '../catalogue/views.ts';
import type { WorkerStatus } from '../status-document.ts';
import { type Counts, countsOf, loadOf } from './status-load.ts';
import { groupBy, numberOf, type PointsFor, sumOf } from './status-points.ts';
import type { OpenWindow } from './status-window.ts';

/**
 * In the order of the scene.
 *
 * @param most - how many; those behind are left out
 * @param loads - gets what each has counted
 */
export function workersOf(
  scene: Scene,
  pointsFor: PointsFor,
  window: OpenWindow | undefined,
  loads: Map<string, Counts>,
  most: number,
): WorkerStatus[] {
  const byWorker = (name: string) => groupBy(pointsFor(name), ({ labels }) => labels['worker_id']!);
  const durations = byWorker('gunicorn_worker_request_duration_seconds');
  const failed = byWorker('gunicorn_worker_failed_requests_total');
  const memory = byWorker('gunicorn_worker_memory_bytes');
  const cpu = byWorker('gunicorn_worker_cpu_percent');
  const uptime = byWorker('gunicorn_worker_uptime_seconds');
  const states = byWorker('gunicorn_worker_state');
  const ages = byWorker('gunicorn_exporter_snapshot_age_seconds');
  return [...livingWorkers(scene)].slice(0, most).map(([id, { snapshot }]) => {
    const { pid, role, lasting } = snapshot.identity;
    const counts = countsOf(durations.get(id)?.[0], sumOf(failed.get(id)));
    const name = `worker ${id}`;
    loads.set(name, counts);
    const uptimeSeconds = sumOf(uptime.get(id));
    // What one has counted whose id comes back may be its predecessor's.
    const isNew = window !== undefined && uptimeSeconds < window.seconds && !lasting;
    const { state = '', timestamp = 0 } = states.get(id)?.[0]?.labels ?? {};
    return {
      id,
      pid,
      role,
      state,
      stateSinceSeconds: Number(timestamp),
      uptimeSeconds,
      cpuPercent: numberOf(cpu.get(id)?.[0]),
      memoryBytes: numberOf(memory.get(id)?.[0]),
      snapshotAgeSeconds: sumOf(ages.get(id)),
      ...loadOf(counts, window?.growthOf(name, counts, isNew)),
    };
  });
}
