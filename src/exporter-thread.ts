/** The exporter's thread as its process sees it: started, watched, started again when it dies; never keeps the process. */
import { createRequire } from 'node:module';
import { setTimeout } from 'node:timers';
import { Worker } from 'node:worker_threads';
import type { Settings } from './config.ts';
import { messageOf } from './errors.ts';
import type { Exporter, ExporterOptions } from './export/exporter.ts';
import type { PusherSettings } from './export/pushers.ts';
import { report } from './report.ts';

const FIRST_RESTART_MS = 500;
const MAX_RESTART_MS = 30_000;
// A thread that lived so long had not failed to start.
const SETTLED_MS = 10_000;
// For the last pushes of one that is told to stop; the process may end before.
const STOP_MS = 1000;

/** Starts on construction; ends with its process or by `stop`. */
export class ExporterThread {
  readonly #options: ExporterOptions;
  #worker: Worker | undefined;
  #inProcess: Exporter | undefined;
  #stopped = false;
  #starts = 0;
  #restartMs = FIRST_RESTART_MS;
  #listening: (url: string | undefined) => void = () => {};
  /** Where the endpoint is, once it listens; undefined when OTEL_METRICS_EXPORTER leaves it out. */
  readonly url = new Promise<string | undefined>((resolve) => {
    this.#listening = resolve;
  });

  constructor(options: ExporterOptions) {
    this.#options = options;
    const settings: PusherSettings = options.settings as Settings & PusherSettings;
    if (!(settings.metricsExporters?.includes('prometheus') ?? true)) this.#listening(undefined);
    this.#start();
  }

  /** The server of an exporter that had to run in this thread: its requests are not the app's. */
  get ownServer(): unknown {
    return this.#inProcess?.server;
  }

  stop(): void {
    this.#stopped = true;
    void this.#inProcess?.stop();
    const worker = this.#worker;
    if (!worker) return;
    // It ends by itself, once it has nothing left to tell.
    worker.postMessage('stop');
    const grace = setTimeout(() => void worker.terminate(), STOP_MS).unref();
    worker.once('exit', () => clearTimeout(grace));
  }

  #start(): void {
    if (this.#stopped) return;
    const startedMs = Date.now();
    // Nothing that is preloaded into the app belongs into this thread, we ourselves least of all.
    const { NODE_OPTIONS: _, ...env } = process.env;
    try {
      this.#worker = new Worker(new URL('./export/thread.js', import.meta.url), {
        name: 'gunicorn-otel',
        workerData: { ...this.#options, resumed: this.#starts > 0 },
        execArgv: [],
        env,
        // Ours alone: the default would pipe into the app's streams and set listeners on them.
        stdout: true,
        stderr: true,
      });
    } catch (error) {
      this.#startInProcess(error);
      return;
    }
    this.#starts += 1;
    this.#worker.on('message', ({ url }: { url: string }) => this.#listening(url));
    this.#worker.on('error', (error) => report('error', `the exporter thread died: ${messageOf(error)}`));
    this.#worker.on('exit', () => {
      if (this.#stopped) return;
      this.#restartMs =
        Date.now() - startedMs > SETTLED_MS ? FIRST_RESTART_MS : Math.min(this.#restartMs * 2, MAX_RESTART_MS);
      report('warn', `the exporter thread has ended; it is started again in ${this.#restartMs} ms`);
      setTimeout(() => this.#start(), this.#restartMs).unref();
    });
    this.#worker.unref();
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
    this.#inProcess = startExporter(this.#options, (url) => this.#listening(url));
    this.#inProcess.unref();
  }
}
