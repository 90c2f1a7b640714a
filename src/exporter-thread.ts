/** The exporter's thread as its process sees it: started, watched, started again when it dies; never keeps the process. */
import { createRequire } from 'node:module';
import { setTimeout } from 'node:timers';
import { Worker } from 'node:worker_threads';
import { messageOf } from './errors.ts';
import type { Exporter, ExporterOptions } from './export/exporter.ts';
import { OWN_THREAD } from './record/threads.ts';
import { report } from './report.ts';

const FIRST_RESTART_MS = 500;
const MAX_RESTART_MS = 30_000;
// A thread that lived so long had not failed to start.
const SETTLED_MS = 10_000;

// Neither the exporter's coming nor its going is that of a worker.
class OwnThread extends Worker {
  get [OWN_THREAD](): boolean {
    return true;
  }
}

/** Starts on construction; ends with its process or by `stop`. */
export class ExporterThread {
  readonly #options: ExporterOptions;
  #worker: Worker | undefined;
  #inProcess: Exporter | undefined;
  #stopped = false;
  #restartMs = FIRST_RESTART_MS;
  #listening: (url: string) => void = () => {};
  /** Where the endpoint is, once it listens. */
  readonly url = new Promise<string>((resolve) => {
    this.#listening = resolve;
  });

  constructor(options: ExporterOptions) {
    this.#options = options;
    this.#start();
  }

  /** The server of an exporter that had to run in this thread: its requests are not the app's. */
  get ownServer(): unknown {
    return this.#inProcess?.server;
  }

  stop(): void {
    this.#stopped = true;
    this.#inProcess?.stop();
    this.#worker?.postMessage('stop');
    void this.#worker?.terminate();
  }

  #start(): void {
    if (this.#stopped) return;
    const startedMs = Date.now();
    // Nothing that is preloaded into the app belongs into this thread, we ourselves least of all.
    const { NODE_OPTIONS: _, ...env } = process.env;
    try {
      this.#worker = new OwnThread(new URL('./export/thread.js', import.meta.url), {
        name: 'gunicorn-otel',
        workerData: this.#options,
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
