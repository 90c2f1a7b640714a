/**
 * What publishing costs a worker: a process whose series all change every ten milliseconds, so that each write has all of
 * them. Timed is each time that the loop is held up for it, by pieces of a write: their share of a core, and how long each is.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { PIECE_BYTES } from '../../src/snapshot/series-table.ts';
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
    `One process per row, ${SECONDS} seconds; every series changes every 10 ms. Share of a core and pauses of the loop in milliseconds: a table of more than ${PIECE_BYTES / 1024} KiB is written in pieces, and a pause is what is written of it in one turn of the loop. Pauses are by the clock; in parentheses what the process itself had of the CPU in the longest, the rest is other processes'. What the app records by OpenTelemetry is collected first, in pieces as well, at most every 100 ms.`,
  );
  const rows: string[][] = [];
  let largest: PublishingFigures | undefined;
  for (const kind of Object.keys(KINDS) as Kind[]) {
    for (const size of SIZES) {
      const figures = await measure(kind, size);
      const { writes, pauses, collections, elapsedMs, fileBytes } = figures;
      rows.push([
        `${size.toLocaleString('en')} ${KINDS[kind]}`,
        (fileBytes / 1000).toFixed(0),
        ((writes / elapsedMs) * 1000).toFixed(1),
        (pauses.length / writes).toFixed(1),
        `${share(pauses, elapsedMs).toFixed(2)} %`,
        ...pausesOf(pauses),
        ...(collections.length === 0
          ? ['', '', '']
          : [`${share(collections, elapsedMs).toFixed(2)} %`, ...pausesOf(collections)]),
      ]);
      if (kind === 'requests') largest = figures;
    }
  }
  report.table(
    ['series', 'kB', 'writes/s', 'turns', 'share', 'p99', 'longest', 'collecting', 'p99 of it', 'longest of it'],
    rows,
  );
  const { pauses, elapsedMs } = largest!;
  // The CPU time is all threads': the compiler's and the collector's are no pause of the loop.
  const ownMs = pauses.map(({ cpuMs, wallMs }) => Math.min(cpuMs, wallMs));
  const what = `${SIZES.at(-1)!.toLocaleString('en')} request cells, all changing`;
  report.target({
    what: `publishing ${what}, share of a core`,
    limit: MAX_SHARE_PERCENT,
    is: share(pauses, elapsedMs),
    unit: '%',
  });
  report.target({
    what: `longest pause for ${what}, without what others had of the CPU`,
    limit: MAX_PAUSE_MS,
    is: Math.max(...ownMs),
    unit: 'ms',
    because: `The median of ${pauses.length} is ${quantile(ownMs, 0.5).toFixed(2)} ms, the 99th percentile ${quantile(ownMs, 0.99).toFixed(2)} ms: a turn is the CRC-32 of some ${PIECE_BYTES / 1024} KiB and a \`pwrite\` of each, and what is longer is the system's, memory for the file's pages or its journal.`,
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
