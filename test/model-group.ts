/**
 * A group for the model tests, real but for the programs: tables filled by the real recorders, files written as processes
 * write them, pids that live and are killed, and a scrape through reader, merge, views and renderer.
 */
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Counter, Gauge, Histogram, Meter } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { GroupProducer } from '../src/aggregate/producer.ts';
import { ResourceSampler } from '../src/aggregate/resources.ts';
import { GroupReader, type GroupReaderOptions } from '../src/aggregate/workers.ts';
import { project } from '../src/catalogue/views.ts';
import { Scraper } from '../src/export/prometheus.ts';
import { type AppMetrics, startAppMetrics } from '../src/record/app-metrics.ts';
import { Failures } from '../src/record/failures.ts';
import { RequestTable } from '../src/record/request-table.ts';
import { markEnded, snapshotFile } from '../src/snapshot/directory.ts';
import { SnapshotFile } from '../src/snapshot/file.ts';
import type { Identity } from '../src/snapshot/layout.ts';
import type { ProcessMark } from '../src/snapshot/process-mark.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { SLOT_HEADER_BYTES } from '../src/snapshot/slot.ts';
import type { SnapshotWriter } from '../src/snapshot/writer.ts';
import { DURATION_BOUNDS, GAUGE_MODES, type Instrument, type Request } from './model-shop.ts';
import { EXPORTER, VIEW_OPTIONS } from './scenes.ts';

export interface RealOptions {
  readonly labels: 'standard' | 'detailed';
  readonly retentionMs: number;
  readonly maxExited: number;
  readonly maxSeries: number;
}

// A pid is its process's memory: what is shown of whom is then known.
const sampleOf = (pid: number) => ({ memory: pid, cpu: 1 });

class ReaderAt extends GroupReader {
  readonly #now: () => number;

  constructor(options: GroupReaderOptions, now: () => number) {
    super(options);
    this.#now = now;
  }

  override read(): ReturnType<GroupReader['read']> {
    return super.read(this.#now());
  }

  override reap(): ReturnType<GroupReader['reap']> {
    return super.reap(this.#now());
  }
}

/** The exporter of a directory; another one on the same directory is what comes after it has died. */
export class RealExporter {
  readonly reader: GroupReader;
  readonly #scraper: Scraper;

  /** @param now - in ms, the clock of the history */
  constructor(directory: string, { labels, retentionMs, maxExited, maxSeries }: RealOptions, now: () => number) {
    this.reader = new ReaderAt({ directory, exitedRetentionMs: retentionMs, maxExited, maxSeries }, now);
    const producer = new GroupProducer({
      reader: this.reader,
      sampler: new ResourceSampler(async (pids) => Object.fromEntries(pids.map((pid) => [pid, sampleOf(pid)]))),
      startMs: 0,
      view: (scene) =>
        project(scene, EXPORTER, { ...VIEW_OPTIONS, labels, exitedRetentionMs: retentionMs, gaugeModes: GAUGE_MODES }),
    });
    this.#scraper = new Scraper({
      producer,
      resource: resourceFromAttributes({ 'service.name': 'model' }),
      timeoutMs: 30_000,
    });
  }

  /** The text of a scrape. */
  async scrape(): Promise<string> {
    return String(await this.#scraper.scrape());
  }
}

/** One process or thread, as far as it measures: it lives as long as the process that lends it its mark. */
export class RealMember {
  readonly #path: string;
  readonly #table = new SeriesTable(SLOT_HEADER_BYTES);
  readonly #file: SnapshotFile;
  readonly #requests: RequestTable;
  readonly #app: AppMetrics;
  readonly #meter: Meter;
  readonly #instruments = new Map<string, Partial<Counter & Histogram & Gauge>>();

  constructor(directory: string, identity: Identity, maxSeries: number) {
    this.#path = join(directory, snapshotFile(identity, identity.threadId));
    const table = this.#table;
    this.#requests = new RequestTable({ table, durationBuckets: DURATION_BOUNDS, maxEndpoints: 100, maxSeries });
    // Published by the history alone, never by a timer.
    const writer = { changed() {} } as unknown as SnapshotWriter;
    const failures = new Failures(table);
    this.#app = startAppMetrics({ table, writer, failures, observableIntervalMs: 5000, maxSeries });
    this.#app.stop();
    this.#meter = this.#app.provider.getMeter('shop');
    this.#file = new SnapshotFile(this.#path, identity, table);
    this.#file.write();
  }

  record(on: Instrument, attributes: Record<string, unknown>, value: number): void {
    let instrument = this.#instruments.get(on.name);
    if (!instrument) {
      instrument = this.#make(on);
      this.#instruments.set(on.name, instrument);
    }
    if (instrument.add) instrument.add(value, attributes as never);
    else instrument.record!(value, attributes as never);
    this.#app.collectNow();
  }

  begin(method: string): void {
    this.#requests.begin(method);
  }

  end({ method, path, status, error, seconds, requestBytes, responseBytes }: Request): void {
    this.#requests.end(method, path, status, error, seconds, requestBytes, responseBytes);
  }

  publish(): void {
    this.#file.write();
  }

  /** As its last write, cut short: of the bytes that it would have changed, this part was written. @param part - below 1 */
  tear(part: number): void {
    const before = readFileSync(this.#path);
    this.#file.write();
    const after = readFileSync(this.#path);
    // A larger file is laid out beside the old one, which it replaces in one piece.
    if (after.length !== before.length || !after.subarray(0, 64).equals(before.subarray(0, 64))) {
      writeFileSync(this.#path, before);
      writeFileSync(`${this.#path}.new`, after.subarray(0, Math.floor(after.length * part)));
      return;
    }
    const changed = [...after.keys()].filter((i) => after[i] !== before[i]);
    const [first = 0, last = 0] = [changed[0], changed.at(-1)];
    const end = first + Math.floor((last - first) * part);
    writeFileSync(this.#path, Buffer.concat([after.subarray(0, end), before.subarray(end)]));
  }

  /** Lets go of its file. @param ended - it says that it has ended, being a thread */
  close(ended = false): void {
    if (ended) {
      this.#file.identify({ ended });
      this.#file.write();
    }
    this.#file.close();
  }

  #make({ kind, name, unit, bounds = [] }: Instrument): Partial<Counter & Histogram & Gauge> {
    const meter = this.#meter;
    if (kind === 'counter') return meter.createCounter(name, { unit });
    if (kind === 'updowncounter') return meter.createUpDownCounter(name, { unit });
    if (kind === 'gauge') return meter.createGauge(name, { unit });
    return meter.createHistogram(name, { unit, advice: { explicitBucketBoundaries: [...bounds] } });
  }
}

/** As a thread's process does that has seen it end. */
export function seeEnd(directory: string, mark: ProcessMark, threadId: number): void {
  markEnded(directory, mark, threadId);
}

/**
 * An exporter that is killed between the writing of the totals and the deleting of what is in them: all who were
 * seen dead are in the totals, and their files are still there.
 */
export function crashWhileFolding(directory: string, aside: string, { maxSeries }: RealOptions): void {
  const files = readdirSync(directory).filter((file) => !file.startsWith('totals'));
  for (const file of files) copyFileSync(join(directory, file), join(aside, file));
  new GroupReader({ directory, exitedRetentionMs: 0, maxSeries }).read();
  for (const file of files) {
    if (!existsSync(join(directory, file))) copyFileSync(join(aside, file), join(directory, file));
  }
}
