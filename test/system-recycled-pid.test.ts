/** Another process has the pid of a dead member: the member is dead, and nothing of the other one is shown as its own. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import pidusage from 'pidusage';
import { merge } from '../src/aggregate/merge.ts';
import { ResourceSampler } from '../src/aggregate/resources.ts';
import { GroupReader } from '../src/aggregate/workers.ts';
import { snapshotFile } from '../src/snapshot/directory.ts';
import { encodeSnapshot } from '../src/snapshot/layout.ts';
import type { ProcessMark } from '../src/snapshot/process-mark.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { IDENTITY } from './arbitrary-tables.ts';
import { freshDirectory, type Owner } from './processes.ts';
import { measure } from './scenes.ts';
import { type Sleeper, startSleeper } from './sleepers.ts';

const LAST_PID = '/proc/sys/kernel/ns_last_pid';
// Others on this machine start processes, too.
const TRIES = 300;
const NO_CHOICE = canChoose() ? false : `pids cannot be chosen: ${LAST_PID} is not writable`;

test('the pid of a dead member says nothing about it', { skip: NO_CHOICE }, async (t) => {
  const directory = freshDirectory(t);
  const first = await startSleeper(t);
  publish(directory, first.mark, 'first', 5);
  const reader = new GroupReader({ directory, exitedRetentionMs: 1e9 });
  const sampler = new ResourceSampler(pidusage as unknown as ConstructorParameters<typeof ResourceSampler>[0]);
  assert.equal(reader.read().length, 1);
  assert.ok((await sampler.sample(reader.living(), 0)).has(first.mark.pid));
  await first.kill();

  const second = await withPid(t, first.mark.pid);
  assert.notEqual(second.mark.processStart, first.mark.processStart);
  const [dead] = reader.read();
  assert.equal(dead!.alive, false, 'though somebody has its pid');
  assert.deepEqual(reader.living(), []);

  // The other one may be a member itself.
  publish(directory, second.mark, 'second', 7);
  const states = reader.read().map(({ snapshot, alive }) => [snapshot.identity.workerId, alive]);
  assert.deepEqual(states.sort(), [
    ['first', false],
    ['second', true],
  ]);
  const [sum] = merge(reader.read()).values();
  assert.equal([...sum!.series.values()][0]!.values[0], 12);
  assert.deepEqual(reader.living(), [second.mark]);

  // pidusage would look at the dead one for as long as it is asked: it is not asked until it has forgotten.
  for (const nowMs of [1000, 30_000, 90_000]) {
    assert.equal((await sampler.sample(reader.living(), nowMs)).size, 0, `${nowMs} ms later`);
  }
  pidusage.clear();
  const { memoryBytes } = (await sampler.sample(reader.living(), 100_000)).get(second.mark.pid)!;
  assert.ok(memoryBytes > 0);
});

function publish(directory: string, mark: ProcessMark, workerId: string, value: number): void {
  const table = measure(new SeriesTable(), { name: 'n', cell: [value] });
  writeFileSync(join(directory, snapshotFile(mark, 0)), encodeSnapshot({ ...IDENTITY, ...mark, workerId }, table, 0));
}

async function withPid(owner: Owner, pid: number): Promise<Sleeper> {
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    writeFileSync(LAST_PID, String(pid - 1));
    const sleeper = await startSleeper(owner);
    if (sleeper.mark.pid === pid) return sleeper;
    await sleeper.kill();
  }
  throw new Error(`${pid} was not to be had in ${TRIES} tries`);
}

function canChoose(): boolean {
  try {
    writeFileSync(LAST_PID, readFileSync(LAST_PID));
    return true;
  } catch {
    return false;
  }
}
