/**
 * A process that publishes without a pause until it is killed: after n rounds every value of its table is n, and once
 * a round is published its number goes to stdout. Arguments: the file, and how many series it is born with; with a third
 * one it gives birth to some more, and lays its file out anew again and again.
 */
import { writeSync } from 'node:fs';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { SLOT_HEADER_BYTES } from '../src/snapshot/slot.ts';
import { SnapshotWriter } from '../src/snapshot/writer.ts';
import { IDENTITY } from './arbitrary-tables.ts';

const [path = '', series = '1', grows] = process.argv.slice(2);
const PADDING = 'x'.repeat(200);
const MAX_SERIES = 1000;

const table = new SeriesTable(SLOT_HEADER_BYTES);
const metric = table.define({ name: 'rounds', description: '', unit: '', kind: 'counter', scope: 'app' });
for (let i = 0; i < Number(series); i += 1) table.add(metric, { i });
// Readers of a group compare the name with what is in the file.
const [, pid = process.pid, processStart = 0] = /(\d+)-(\d+)-[\d-]+\.snapshot$/.exec(path) ?? [];
const identity = { ...IDENTITY, pid: Number(pid), processStart: Number(processStart) };
const writer = new SnapshotWriter({
  path,
  identity,
  table,
  flushIntervalMs: 10,
  onStateChange: (error) => {
    if (error) throw error;
  },
});

function publish(round: number): void {
  if (grows && round % 3 === 0 && table.used < MAX_SERIES) table.add(metric, { round, PADDING });
  table.values.fill(round, 0, table.used);
  if (grows && round % 7 === 0) writer.identify(identity);
  else writer.flush();
  writeSync(1, `${round}\n`);
  setImmediate(publish, round + 1);
}
publish(1);
