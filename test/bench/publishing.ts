/**
 * What publishing costs a worker: a process whose series all change every ten milliseconds, so that each write has all of
 * them. Timed are the writer's own calls: their share of a core, and how long each holds up the loop.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Call, Kind, PublishingFigures } from './publishing-worker.ts';
import type { Report } from './report.ts';
import { quantile } from './statistics.ts';

const SECONDS = Math.min(Number(process.env['BENCH_ROUNDS'] ?? 5), 5);
const SIZES = [10, 1000, 10_000];
const KINDS: Readonly<Record<Kind, string>> = { requests: 'request cells', histograms: "histograms of the app's" };
const MAX_SHARE_PERCENT = 1;
const MAX_PAUSE_MS = 1;
const WORKER = fileURLToPath(new URL('publishing-worker.js', import.meta.url));

/** A row per kind and number of series. @throws when a worker fails */
export async function publishing(report: Report): Promise<void> {
  report.say(
    `One process per row, ${SECONDS} seconds; every series changes every 10 ms. Share of a core and pauses of the loop in milliseconds. Pauses are by the clock; in parentheses what the process itself had of the CPU in the longest, the rest is other processes'. What the app records by OpenTelemetry is collected first, by the SDK, at most every 100 ms.`,
  );
  const rows: string[][] = [];
  let largest: PublishingFigures | undefined;
  for (const kind of Object.keys(KINDS) as Kind[]) {
    for (const size of SIZES) {
      const figures = await measure(kind, size);
      const { writes, collections, elapsedMs, fileBytes } = figures;
      rows.push([
        `${size.toLocaleString('en')} ${KINDS[kind]}`,
        (fileBytes / 1000).toFixed(0),
        ((writes.length / elapsedMs) * 1000).toFixed(1),
        `${share(writes, elapsedMs).toFixed(2)} %`,
        ...pausesOf(writes),
        ...(collections.length === 0
          ? ['', '', '']
          : [`${share(collections, elapsedMs).toFixed(2)} %`, ...pausesOf(collections)]),
      ]);
      if (kind === 'requests') largest = figures;
    }
  }
  report.table(
    ['series', 'kB', 'writes/s', 'share', 'p99', 'longest', 'collecting', 'p99 of it', 'longest of it'],
    rows,
  );
  const { writes, elapsedMs } = largest!;
  const what = `${SIZES.at(-1)!.toLocaleString('en')} request cells, all changing`;
  report.target({
    what: `publishing ${what}, share of a core`,
    limit: MAX_SHARE_PERCENT,
    is: share(writes, elapsedMs),
    unit: '%',
  });
  report.target({
    what: `longest write of ${what}, without what others had of the CPU`,
    limit: MAX_PAUSE_MS,
    // The CPU time is all threads': the compiler's and the collector's are no pause of the loop.
    is: Math.max(...writes.map(({ cpuMs, wallMs }) => Math.min(cpuMs, wallMs))),
    unit: 'ms',
    because: 'A write is the CRC-32 of the table and one `pwrite` of it.',
  });
}

async function measure(kind: Kind, size: number): Promise<PublishingFigures> {
  const args = [WORKER, kind, String(size), String(SECONDS * 1000)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 1e8 });
  return JSON.parse(stdout);
}

function share(calls: readonly Call[], elapsedMs: number): number {
  return (calls.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / elapsedMs) * 100;
}

function pausesOf(calls: readonly Call[]): [string, string] {
  const p99 = quantile(
    calls.map(({ wallMs }) => wallMs),
    0.99,
  );
  const [longest] = [...calls].sort((a, b) => b.wallMs - a.wallMs);
  return [p99.toFixed(2), `${longest!.wallMs.toFixed(2)} (${longest!.cpuMs.toFixed(2)})`];
}
