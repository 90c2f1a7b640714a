/** The exporter's thread as its process sees it: started, watched, started again when it dies; never keeps the process. */
import { createRequire } from 'node:module';
import { clearInterval, setInterval, setTimeout } from 'node:timers';
import { getHeapStatistics } from 'node:v8';
import { Worker } from 'node:worker_threads';
import type { MetricData } from '@opentelemetry/sdk-metrics';
import { GunicornOtelError, messageOf } from './errors.ts';
import type { Answer, Exporter, ExporterOptions, Order, ThreadData } from './export/exporter.ts';
import { report } from './report.ts';
import { OWN_THREAD } from './started-threads.ts';

// The first restart comes at once; where the new thread dies before its first beat, which is a second after its start, the
// next one comes later and later.
const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 30_000;
// A thread that has not beaten for so many looks of its process does nothing any more, and will not again. Looks, not time:
// a process that was stopped finds its thread as it has left it.
const LOOK_MS = 1000;
const MAX_MISSED_LOOKS = 15;
// A scrape makes garbage in one go: V8's default lets it grow to tens of MB before it looks, and gains no time by that.
const MAX_YOUNG_MB = 2;
// More than the largest group needs. Where a heap may become larger V8 lets twice as much old garbage lie about.
const MAX_OLD_MB = 1024;
const BYTES_PER_MB = 1024 ** 2;
// For the last pushes of one that is told to stop; the process may end before.
const STOP_MS = 1000;

interface Asked {
  resolve(metrics: readonly MetricData[]): void;
  reject(error: Error): void;
}

// Neither the exporter's coming nor its going is that of a worker.
class OwnThread extends Worker {
  get [OWN_THREAD](): boolean {
    return true;
  }
}

/** Starts on construction; ends with its process or by `stop`. */
export class ExporterThread {
  #options: ExporterOptions;
  readonly #onLost: () => void;
  readonly #program: URL;
  #worker: Worker | undefined;
  #inProcess: Exporter | undefined;
  #stopped = false;
  #starts = 0;
  /** Collections that were asked for and not answered yet, by number. */
  readonly #waiting = new Map<number, Asked>();
  #asked = 0;
  /** Before the next restart; 0 after a beat. */
  #backoffMs = 0;
  #listening: (url: string | undefined) => void = () => {};
  /** Where the endpoint is, once it listens; undefined when none is to be opened. */
  readonly url = new Promise<string | undefined>((resolve) => {
    this.#listening = resolve;
  });

  /**
   * @param onLost - told when somebody else leads the group now: it is to be stopped
   * @param program - what runs in the thread
   */
  constructor(
    options: ExporterOptions,
    onLost: () => void = () => {},
    program = new URL('./export/thread.js', import.meta.url),
  ) {
    this.#options = options;
    this.#onLost = onLost;
    this.#program = program;
    if (!options.settings.metricsExporters.includes('prometheus')) this.#listening(undefined);
    this.#start();
  }

  /** The server of an exporter that had to run in this thread: its requests are not the app's. */
  get ownServer(): unknown {
    return this.#inProcess?.server;
  }

  /**
   * The group as it stands, collected in the exporter's thread.
   *
   * @throws GUNICORN_OTEL_ERR_SCRAPE when it could not be collected, or the thread ended before it was
   */
  collect(): Promise<readonly MetricData[]> {
    if (this.#inProcess) return this.#inProcess.collect();
    if (!this.#worker) {
      return Promise.reject(new GunicornOtelError('GUNICORN_OTEL_ERR_SCRAPE', 'the exporter thread is not there'));
    }
    this.#asked += 1;
    const number = this.#asked;
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
      this.#order({ order: 'collect', number });
    });
  }

  /** Begins to forward to Redis, where that has not begun; for good, also in a thread that takes this one's place. */
  forward(): void {
    this.#options = { ...this.#options, settings: { ...this.#options.settings, redisEnabled: true } };
    if (this.#inProcess) this.#inProcess.forward();
    else this.#order({ order: 'forward' });
  }

  stop(): void {
    this.#stopped = true;
    void this.#inProcess?.stop();
    const worker = this.#worker;
    if (!worker) return;
    // It ends by itself, once it has nothing left to tell.
    this.#order({ order: 'stop' });
    const grace = setTimeout(() => void worker.terminate(), STOP_MS).unref();
    worker.once('exit', () => clearTimeout(grace));
  }

  #start(): void {
    if (this.#stopped) return;
    const beats = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    // Nothing that is preloaded into the app belongs into this thread, we ourselves least of all.
    const { NODE_OPTIONS: _, ...env } = process.env;
    try {
      this.#worker = new OwnThread(this.#program, {
        name: 'gunicorn-otel',
        // The command line is for the process detector, which would tell the thread's own.
        workerData: {
          options: { ...this.#options, resumed: this.#starts > 0 || this.#options.lead.number > 1 },
          argv: process.argv,
          execArgv: process.execArgv,
          beats,
        } satisfies ThreadData,
        execArgv: [],
        env,
        resourceLimits: {
          maxYoungGenerationSizeMb: MAX_YOUNG_MB,
          maxOldGenerationSizeMb: Math.min(MAX_OLD_MB, getHeapStatistics().heap_size_limit / BYTES_PER_MB),
        },
        // Ours alone: the default would pipe into the app's streams and set listeners on them.
        stdout: true,
        stderr: true,
      });
    } catch (error) {
      this.#startInProcess(error);
      return;
    }
    this.#starts += 1;
    const looks = this.#watch(this.#worker, beats);
    this.#worker.on('message', (answer: Answer) => this.#take(answer));
    this.#worker.on('error', (error) => report('error', `the exporter thread died: ${messageOf(error)}`));
    this.#worker.on('exit', () => {
      clearInterval(looks);
      this.#worker = undefined;
      for (const number of this.#waiting.keys()) this.#take({ number, error: 'the exporter thread has ended' });
      if (this.#stopped) return;
      this.#startAgain(Atomics.load(beats, 0) > 0);
    });
    this.#worker.unref();
  }

  // A thread that takes the place of another is to be found where that was, also where any port would have done.
  #keepPort(url: string | undefined): void {
    const { settings } = this.#options;
    if (url === undefined || settings.metricsPort !== 0) return;
    this.#options = { ...this.#options, settings: { ...settings, metricsPort: Number(new URL(url).port) } };
  }

  #startAgain(hasBeaten: boolean): void {
    const delayMs = hasBeaten ? 0 : this.#backoffMs;
    this.#backoffMs = Math.min(Math.max(delayMs * 2, FIRST_BACKOFF_MS), MAX_BACKOFF_MS);
    report('warn', `the exporter thread has ended; it is started again ${delayMs === 0 ? 'now' : `in ${delayMs} ms`}`);
    if (delayMs === 0) this.#start();
    else setTimeout(() => this.#start(), delayMs).unref();
  }

  #watch(worker: Worker, beats: Int32Array): NodeJS.Timeout {
    let seen = 0;
    let missed = 0;
    const look = () => {
      const beaten = Atomics.load(beats, 0);
      missed = beaten === seen ? missed + 1 : 0;
      seen = beaten;
      if (missed === 0 || missed % MAX_MISSED_LOOKS !== 0) return;
      report('error', `the exporter thread hangs, for ${missed} s by now: it is ended`);
      void worker.terminate();
    };
    return setInterval(look, LOOK_MS).unref();
  }

  #order(order: Order): void {
    this.#worker?.postMessage(order);
  }

  #take({ url, number, metrics, error, lost }: Answer): void {
    if (lost) {
      // It says so once a second: a process that was blocked hears it several times, and may lead again by then.
      if (!this.#stopped) this.#onLost();
      return;
    }
    if (number === undefined) {
      this.#listening(url);
      this.#keepPort(url);
      return;
    }
    const asked = this.#waiting.get(number);
    this.#waiting.delete(number);
    if (metrics) asked?.resolve(metrics);
    else asked?.reject(new GunicornOtelError('GUNICORN_OTEL_ERR_SCRAPE', error ?? 'nothing was collected'));
  }

  // Under --permission without --allow-worker, say. A scrape then costs the app's loop what it costs.
  #startInProcess(reason: unknown): void {
    report(
      'warn',
      `no thread for the exporter (${messageOf(reason)}): it runs in the main thread of process ${process.pid}`,
    );
    const { startExporter } = createRequire(import.meta.url)(
      './export/exporter.js',
    ) as typeof import('./export/exporter.ts');
    this.#inProcess = startExporter(
      this.#options,
      (url) => this.#listening(url),
      () => this.#onLost(),
    );
    this.#inProcess.unref();
  }
}
