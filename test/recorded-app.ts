/** An app's instruments recorded with the real SDK into a table and a file, read back the way the exporter reads them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cellOf } from '../src/aggregate/merge.ts';
import { type AppMetricsOptions, startAppMetrics } from '../src/record/app-metrics.ts';
import { Failures } from '../src/record/failures.ts';
import { decodeSnapshot } from '../src/snapshot/layout.ts';
import { OWN_SCOPE } from '../src/snapshot/own-metrics.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { SLOT_HEADER_BYTES } from '../src/snapshot/slot.ts';
import { SnapshotWriter } from '../src/snapshot/writer.ts';
import { IDENTITY } from './arbitrary-tables.ts';
import { atEnd, freshDirectory, type Owner } from './processes.ts';

/** Begins to record as a process does. Observable instruments are not asked unless an interval is told. */
export function startRecording(
  owner: Owner,
  options: Partial<Pick<AppMetricsOptions, 'observableIntervalMs' | 'maxSeries' | 'views'>> = {},
) {
  const table = new SeriesTable(SLOT_HEADER_BYTES);
  const failures = new Failures(table);
  const path = join(freshDirectory(owner), 'own.snapshot');
  const writer = new SnapshotWriter({ path, identity: IDENTITY, table, flushIntervalMs: 10, onStateChange: () => {} });
  const { provider, collectNow, collectSome, stop } = startAppMetrics({
    table,
    writer,
    failures,
    observableIntervalMs: 1e6,
    maxSeries: 2000,
    ...options,
  });
  atEnd(owner, () => {
    stop();
    writer.close();
  });
  const metrics = () => {
    writer.flush();
    return decodeSnapshot(readFileSync(path));
  };
  // What is published of a metric, read the way the exporter reads it.
  const series = (name: string): [Record<string, unknown>, number[]][] => {
    const { metrics: all, values } = metrics();
    return all
      .filter(({ descriptor }) => descriptor.name === name)
      .flatMap(({ descriptor, series }) =>
        series.map((entry): [Record<string, unknown>, number[]] => [
          entry.attributes,
          [...cellOf(descriptor, entry, values)!],
        ]),
      );
  };
  const descriptors = () =>
    metrics()
      .metrics.map(({ descriptor }) => descriptor)
      .filter(({ scope }) => scope !== OWN_SCOPE);
  return { provider, meter: provider.getMeter('app'), collectNow, collectSome, stop, path, series, descriptors, table };
}
