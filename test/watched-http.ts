/** Servers in the test's own process, their requests watched by src/record/request-sources.ts, for the tests of what that puts together. */
import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';
import { join } from 'node:path';
import { Failures } from '../src/record/failures.ts';
import type { HttpOptions } from '../src/record/request-source.ts';
import { watchSources } from '../src/record/request-sources.ts';
import { RequestTable, SIZE_BUCKETS } from '../src/record/request-table.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { SLOT_HEADER_BYTES } from '../src/snapshot/slot.ts';
import { SnapshotWriter } from '../src/snapshot/writer.ts';
import { IDENTITY } from './arbitrary-tables.ts';
import { atEnd, freshDirectory, type Owner, until } from './processes.ts';
import { seriesIn } from './scenes.ts';

const DURATION_BUCKETS = [1];
// Where the sizes of requests are among a cell's values.
const REQUEST_SIZES = DURATION_BUCKETS.length + 2;

/** Begins to watch this process; ends with the test. */
export function watch(owner: Owner, options: Pick<HttpOptions, 'hooks' | 'ignored' | 'instrumented'> = {}) {
  const table = new SeriesTable(SLOT_HEADER_BYTES);
  const requests = new RequestTable({ table, durationBuckets: DURATION_BUCKETS, maxEndpoints: 10, maxSeries: 100 });
  const failures = new Failures(table);
  const path = join(freshDirectory(owner), 'own.snapshot');
  const onStateChange = () => {};
  const writer = new SnapshotWriter({ path, identity: IDENTITY, table, flushIntervalMs: 10, onStateChange });
  const http = watchSources({ requests, writer, failures, ...options });
  atEnd(owner, () => {
    http.stop();
    writer.close();
  });
  /** Route, status and error of each request that was counted. */
  const counted = (): string[] =>
    seriesIn(table, 'requests').flatMap(({ labels, values }) => {
      const told = [labels['http.route'], labels['http.response.status_code'] ?? '-', labels['error.type'] ?? 'ok'];
      return new Array(values[1]! + values[2]!).fill(told.join(' '));
    });
  const connectionErrors = (): Record<string, number> =>
    Object.fromEntries(
      seriesIn(table, 'handled_errors').map(({ labels, values }) => [String(labels['error.type']), values[0]!]),
    );
  /** Body bytes of all requests and of all responses. */
  const bytes = () => {
    const series = seriesIn(table, 'requests').map(({ values }) => values);
    const responses = REQUEST_SIZES + SIZE_BUCKETS.length + 2;
    return [REQUEST_SIZES, responses].map((at) => series.reduce((sum, values) => sum + values[at]!, 0));
  };
  const durationSeconds = () => seriesIn(table, 'requests').reduce((sum, { values }) => sum + values[0]!, 0);
  const active = () => seriesIn(table, 'active_requests').reduce((sum, { values }) => sum + values[0]!, 0);
  /** Waits until so many requests are counted. */
  const counts = async (count: number): Promise<string[]> => {
    await until(
      () => counted().length >= count,
      () => `${count} requests; there are ${counted()}`,
    );
    return counted();
  };
  return { http, counted, counts, connectionErrors, active, bytes, durationSeconds };
}

/** Listens until the test is over. `closed`: how many of its connections have ended. */
export async function listen(owner: Owner, server: Server): Promise<{ port: number; url: string; closed(): number }> {
  let closed = 0;
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => {
      sockets.delete(socket);
      closed += 1;
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(owner, () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = server.address() as AddressInfo;
  return { port, url: `http://127.0.0.1:${port}`, closed: () => closed };
}
