/**
 * `/status.json`: the group at a glance, of the same families that a scrape shows, so that its numbers are theirs. See
 * status-document.ts. It costs nothing while nobody asks for it.
 */
import type { Scene } from '../aggregate/producer.ts';
import { type ExporterState, livingWorkers, pointsOf, type ViewOptions } from '../catalogue/views.ts';
import { messageOf } from '../errors.ts';
import { report } from '../report.ts';
import type { Answer } from '../server/server.ts';
import type { Status } from '../status-document.ts';
import { healthOf } from './health.ts';
import { statusEvents } from './status-events.ts';
import { type Counts, loadOf, sumOfCounts } from './status-load.ts';
import { byLabel, type PointsFor, sumOf } from './status-points.ts';
import { countsByRoute, routesOf } from './status-routes.ts';
import { StatusWindow } from './status-window.ts';
import { workersOf } from './status-workers.ts';

export interface StatusOptions {
  /** One moment of the group. */
  readonly scene: () => Promise<Scene>;
  /** What the exporter knows of itself at this moment. */
  readonly exporter: () => ExporterState;
  readonly views: ViewOptions;
  /** Writes down what the exporter's counters were told as, for the next exporter to go on from. */
  readonly keep: () => void;
  readonly service: string;
}

// More than these are counted, and not shown one by one.
const MAX_WORKERS = 500;
const MAX_ROUTES = 500;
const MAX_EVENTS = 100;

/** Tells of a group to those who look, one collection at a time. */
export class StatusTeller {
  readonly #options: StatusOptions;
  readonly #window = new StatusWindow();
  #running: Promise<Status> | undefined;
  #told = '';

  constructor(options: StatusOptions) {
    this.#options = options;
  }

  /** The document as the endpoint answers with it; a failure is 500 and its reason. @throws never */
  async answer(): Promise<Answer> {
    try {
      const body = `${JSON.stringify(await this.look())}\n`;
      this.#told = '';
      return { status: 200, type: 'application/json; charset=utf-8', body };
    } catch (error) {
      const line = `/status.json could not be made: ${messageOf(error)}`;
      if (this.#told !== line) report('error', line);
      this.#told = line;
      return { status: 500, type: 'text/plain; charset=utf-8', body: `${line}\n` };
    }
  }

  /** Calls that come while one is running share it. @throws what `scene` throws */
  look(): Promise<Status> {
    this.#running ??= this.#look().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Gives back what is kept for rates when nobody has looked for a while; to be called now and then. */
  forget(nowMonotonicMs: number): void {
    this.#window.forget(nowMonotonicMs);
  }

  async #look(): Promise<Status> {
    const { views, service, keep } = this.#options;
    const scene = await this.#options.scene();
    const exporter = this.#options.exporter();
    const pointsFor: PointsFor = (name) => pointsOf(name, scene, exporter, { ...views, labels: 'standard' });
    const window = this.#window.begin(scene.nowMonotonicMs);
    const loads = new Map<string, Counts>();

    const allRoutes = countsByRoute(pointsFor);
    const total = sumOfCounts(allRoutes);
    loads.set('total', total);
    const workers = workersOf(scene, pointsFor, window, loads, MAX_WORKERS);
    const routes = routesOf(allRoutes, window, loads, MAX_ROUTES);
    const omitted = {
      workers: livingWorkers(scene).size - workers.length,
      routes: allRoutes.length - routes.length,
    };
    this.#window.keep(scene.nowMonotonicMs, loads, omitted.routes === 0);
    const status: Status = {
      version: 1,
      atMs: Math.round(scene.nowMs),
      windowSeconds: window?.seconds ?? null,
      startMs: Math.round(scene.startMs),
      service,
      packageVersion: exporter.version,
      nodeVersion: process.version,
      health: healthOf(scene.members, exporter.expectedWorkers).status,
      expectedWorkers: exporter.expectedWorkers,
      activeRequests: sumOf(pointsFor('http_server_active_requests')),
      total: loadOf(total, window?.growthOf('total', total, false)),
      workers,
      routes,
      events: statusEvents(scene, MAX_EVENTS),
      omitted,
      exporter: {
        scrapes: sumOf(pointsFor('gunicorn_exporter_scrapes_total')),
        scrapeErrors: sumOf(pointsFor('gunicorn_exporter_scrape_errors_total')),
        lastScrapeSeconds: sumOf(pointsFor('gunicorn_exporter_last_scrape_duration_seconds')),
        series: sumOf(pointsFor('gunicorn_exporter_series')),
        snapshotErrors: byLabel(pointsFor('gunicorn_exporter_snapshot_errors_total'), 'cause'),
        overflow: byLabel(pointsFor('gunicorn_exporter_overflow_total'), 'metric'),
      },
    };
    keep();
    return status;
  }
}
