/**
 * A process that publishes in pieces without a pause until it is killed: with each turn of its loop every number of its
 * table is one higher, and one piece is written. When all is published, the lowest number that the file must have goes to
 * stdout. Arguments: the file, and how many cells it is born with; with a third one there are ever more of them.
 */
import { writeSync } from 'node:fs';
import { SnapshotFile } from '../src/snapshot/file.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { SLOT_HEADER_BYTES } from '../src/snapshot/slot.ts';
import { IDENTITY } from './arbitrary-tables.ts';

const [path = '', cells = '1', grows] = process.argv.slice(2);
const BOUNDS = [Array.from({ length: 16 }, (_, i) => i), [1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5, 6, 7]];
const MAX_CELLS = 12_000;

const table = new SeriesTable(SLOT_HEADER_BYTES);
const histogram = {
  name: 'turns',
  description: '',
  unit: '',
  kind: 'histogram',
  scope: 'app',
  bounds: BOUNDS,
} as const;
const metric = table.define(histogram);
let count = 0;
const grow = (by: number) => {
  for (let i = 0; i < by; i += 1) table.add(metric, { n: count++ });
};
grow(Number(cells));
const file = new SnapshotFile(path, IDENTITY, table);
file.write();
writeSync(1, '0\n');
let began = 0;

function turn(number: number): void {
  if (grows && number % 3 === 0 && count < MAX_CELLS) grow(40);
  table.values.fill(number, 0, table.used);
  if (!file.isUnderWay) began = number;
  if (file.writePiece()) writeSync(1, `${began}\n`);
  setImmediate(turn, number + 1);
}
turn(1);
