/**
 * The instances of a fleet, as Redis has them: the index is read every few seconds, and only values that have been written
 * anew are fetched. A scrape takes what is here and waits for nobody.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { report } from '../report.ts';
import { decodeValue, type GroupValue } from './group-value.ts';
import {
  causeOf,
  connect,
  discard,
  loadRedis,
  pipeline,
  type RedisClient,
  type RedisModule,
  type RedisSettings,
  type RedisTarget,
  redisTarget,
  tell,
} from './redis-connection.ts';

export interface FleetReaderOptions {
  readonly settings: RedisSettings & { readonly redisKeyPrefix?: string; readonly redisForwardIntervalMs?: number };
  /** Told each value that was written anew. */
  readonly onValue: (value: GroupValue) => unknown;
  /** Told when a look is over, and `instances` are those that it has found. */
  readonly onRead: () => unknown;
}

/** What became of reading; shown by the fleet's own metrics. */
export interface FleetStats {
  up: 0 | 1;
  reads: number;
  readonly errors: Map<string, number>;
  lastReadSeconds: number;
}

interface Known {
  /** When it was fetched, on performance.now(). */
  readonly atMs: number;
  /** Of the index: when it expires, by the clock of who wrote it. It changes with each write. */
  readonly score: string;
  readonly value: GroupValue | undefined;
}

const DEFAULT_PREFIX = 'gunicorn';
const LOOK_MS = 5000;
const TIMEOUT_MS = 5000;
// Values are fetched by so many at a time: what is in flight at once is bounded.
const AT_ONCE = 50;
// Forwards are a tenth of their interval early or late.
const LATE = 1.2;

/** Reads from its construction on, until `stop`. */
export class FleetReader {
  readonly stats: FleetStats = { up: 0, reads: 0, errors: new Map(), lastReadSeconds: 0 };
  readonly #options: FleetReaderOptions;
  readonly #index: string;
  readonly #target: RedisTarget | undefined;
  readonly #lookMs: number;
  #known = new Map<string, Known>();
  #redis: RedisModule | undefined;
  #client: RedisClient | undefined;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #told = '';
  #stopped = false;

  constructor(options: FleetReaderOptions) {
    this.#options = options;
    const { settings } = options;
    this.#index = `${settings.redisKeyPrefix || DEFAULT_PREFIX}:index`;
    this.#lookMs = Math.min(LOOK_MS, (settings.redisForwardIntervalMs || Number.POSITIVE_INFINITY) / 2);
    this.#target = redisTarget(settings);
    if (this.#target) this.#running = this.#turn();
    else report('error', 'REDIS_URL is no redis:// or rediss:// URL: there is nothing to serve');
  }

  /** Those that are there, by service and id. */
  get instances(): GroupValue[] {
    const values = [...this.#known.values()].flatMap(({ value }) => value ?? []);
    return values.sort((a, b) => (`${a.service} ${a.id}` < `${b.service} ${b.id}` ? -1 : 1));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
    discard(this.#client);
  }

  async #turn(): Promise<void> {
    this.stats.reads += 1;
    const startMs = performance.now();
    try {
      this.#redis ??= await loadRedis('serve --redis');
      if (!this.#redis) throw Object.assign(new Error('no client'), { code: 'PACKAGE' });
      if (!this.#client?.isReady) {
        discard(this.#client);
        this.#client = await connect(this.#redis, this.#target!, TIMEOUT_MS);
      }
      await this.#read(this.#client);
      this.#succeeded();
    } catch (error) {
      this.#failed(error);
    }
    this.stats.lastReadSeconds = (performance.now() - startMs) / 1000;
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#running = this.#turn();
    }, this.#lookMs);
  }

  async #read(client: RedisClient): Promise<void> {
    const [pairs] = (await pipeline(client, [['ZRANGE', this.#index, '0', '-1', 'WITHSCORES']], TIMEOUT_MS)) as [
      string[],
    ];
    const scores = new Map<string, string>();
    for (let i = 0; i < pairs.length; i += 2) scores.set(pairs[i]!, pairs[i + 1]!);
    const changed = [...scores].filter(([key, score]) => this.#known.get(key)?.score !== score);
    const next = new Map([...this.#known].filter(([key]) => scores.has(key)));
    for (let i = 0; i < changed.length; i += AT_ONCE) await this.#fetch(client, changed.slice(i, i + AT_ONCE), next);
    await this.#dropExpired(client, next, performance.now());
    this.#known = next;
    this.#options.onRead();
  }

  async #fetch(client: RedisClient, changed: readonly [string, string][], next: Map<string, Known>): Promise<void> {
    const keys = changed.map(([key]) => key);
    const asBytes = { typeMapping: { [this.#redis!.RESP_TYPES.BLOB_STRING]: Buffer } };
    const [values] = (await pipeline(client, [['MGET', ...keys]], TIMEOUT_MS, asBytes)) as [(Buffer | null)[]];
    for (const [i, [key, score]] of changed.entries()) {
      const bytes = values[i];
      const value = bytes ? decodeValue(bytes) : undefined;
      if (bytes && !value) this.#count('value');
      next.set(key, { atMs: performance.now(), score, value });
      if (value) this.#options.onValue(value);
      // A scrape may come in between: the values of a large fleet take a while to unpack.
      await nextTurn();
    }
  }

  // A value that nobody renews expires by itself; its entry in the index stays for minutes. Who is late is looked at.
  async #dropExpired(client: RedisClient, next: Map<string, Known>, nowMs: number): Promise<void> {
    const isLate = ({ value, atMs }: Known) => value && nowMs - atMs > LATE * value.intervalMs;
    const keys = [...next].filter(([, known]) => isLate(known)).map(([key]) => key);
    const replies = await pipeline(
      client,
      keys.map((key) => ['EXISTS', key]),
      TIMEOUT_MS,
    );
    for (const [i, key] of keys.entries()) if (replies[i] === 0) next.set(key, { ...next.get(key)!, value: undefined });
  }

  #succeeded(): void {
    const { host, port, database } = this.#target!;
    if (this.stats.up === 0) report('info', `Redis at ${host}:${port}, database ${database}, is read: ${this.#index}`);
    this.stats.up = 1;
    this.#told = '';
  }

  #failed(error: unknown): void {
    discard(this.#client);
    this.#client = undefined;
    this.stats.up = 0;
    const cause = causeOf(error);
    this.#count(cause);
    if (this.#told === cause || cause === 'package' || this.#stopped) return;
    this.#told = cause;
    const { host, port } = this.#target!;
    const why = `${cause}: ${tell(error, this.#target!)}`;
    report('warn', `Redis at ${host}:${port} cannot be read (${why}); what was read before is served until it can`);
  }

  #count(cause: string): void {
    this.stats.errors.set(cause, (this.stats.errors.get(cause) ?? 0) + 1);
  }
}
