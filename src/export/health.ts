/** Whether there are as many workers as there should be. */
import { isWorker } from '../aggregate/producer.ts';
import type { WorkerState } from '../aggregate/workers.ts';
import type { Health } from '../server/server.ts';

/** @param expectedWorkers - 0: any number will do */
export function healthOf(members: readonly WorkerState[], expectedWorkers: number): Health {
  const workers = members.filter((state) => state.alive && isWorker(state)).length;
  return { status: workers < expectedWorkers ? 'degraded' : 'ok', workers, expectedWorkers };
}
