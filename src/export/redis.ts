/**
 * Forwards a group's merged metrics to Redis: three commands in one round trip per interval, whatever there is to tell.
 * What Redis does or does not is nobody else's affair: nothing waits for it, nothing queues up for it, one line says that
 * its state has changed.
 */
import type { RedisState } from '../catalogue/views.ts';
import { messageOf } from '../errors.ts';
import { report } from '../report.ts';
import { encodeValue, type GroupValue } from './group-value.ts';
import type { Instance } from './instance.ts';
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

export interface ForwardSettings extends RedisSettings {
  readonly redisKeyPrefix?: string | undefined;
  /** How long a value stays without a newer one; 0: three intervals. */
  readonly redisTtlMs?: number | undefined;
  readonly redisForwardIntervalMs?: number | undefined;
}

export interface ForwarderOptions {
  readonly settings: ForwardSettings;
  readonly instance: Instance;
  /** What is forwarded, made when it is due. */
  readonly collect: () => Promise<Pick<GroupValue, 'resource' | 'families'>>;
  /** Until a connection stands, and until all replies are there; 0 or undefined: 5 s. */
  readonly timeoutMs?: number;
}

const DEFAULT_INTERVAL_MS = 30_000;
const DEFAULT_PREFIX = 'gunicorn';
const TIMEOUT_MS = 5000;
// After a failure, or the interval where that is less; doubled with each further one, up to MAX_RETRY_MS or the interval.
const FIRST_RETRY_MS = 1000;
const MAX_RETRY_MS = 30_000;
// Scores of the index come from the clocks of many machines: an entry is only swept when none of them can be that late.
const CLOCK_SLACK_MS = 300_000;
// A tenth more or less: machines that were started together do not come together for ever.
const JITTER = 0.1;
// A timer that is longer fires at once.
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Forwards from its construction on, until `stop`; keeps no process alive. */
export class RedisForwarder {
  readonly state: RedisState = { up: 0, forwards: 0, errors: new Map() };
  readonly #options: ForwarderOptions;
  readonly #intervalMs: number;
  readonly #ttlMs: number;
  readonly #key: string;
  readonly #index: string;
  readonly #timeoutMs: number;
  #target: RedisTarget | undefined;
  #redis: RedisModule | undefined;
  #client: RedisClient | undefined;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #failures = 0;
  #written = false;
  // Causes that were told since Redis last took something.
  #told = new Set<string>();
  #stopped = false;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    const { settings, instance, timeoutMs } = options;
    this.#intervalMs = settings.redisForwardIntervalMs || DEFAULT_INTERVAL_MS;
    this.#ttlMs = timeToLive(settings.redisTtlMs, this.#intervalMs);
    this.#timeoutMs = timeoutMs || TIMEOUT_MS;
    const prefix = settings.redisKeyPrefix || DEFAULT_PREFIX;
    this.#key = `${prefix}:${instance.service}:${instance.id}`;
    this.#index = `${prefix}:index`;
    this.#target = redisTarget(settings);
    if (this.#target) this.#schedule(Math.min(FIRST_RETRY_MS, this.#intervalMs));
    else report('error', 'REDIS_URL is no redis:// or rediss:// URL: nothing is forwarded');
  }

  /**
   * Forwards no more. What is there expires by itself; where Redis answers at once it is removed at once.
   *
   * @returns when it has answered, or does not; nobody needs to wait for that
   * @throws never
   */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
    const client = this.#client;
    this.#client = undefined;
    try {
      if (client?.isReady && this.#written) {
        const removal = [
          ['DEL', this.#key],
          ['ZREM', this.#index, this.#key],
        ];
        await pipeline(client, removal, this.#timeoutMs);
      }
    } catch {
      // It expires.
    } finally {
      discard(client);
    }
  }

  #schedule(afterMs: number): void {
    if (this.#stopped) return;
    const jitter = 1 + JITTER * (2 * Math.random() - 1);
    this.#timer = setTimeout(
      () => {
        this.#running = this.#turn();
      },
      Math.min(afterMs * jitter, MAX_TIMER_MS),
    ).unref();
  }

  // One at a time: the next turn is only thought of when this one is over.
  async #turn(): Promise<void> {
    this.state.forwards += 1;
    this.#redis ??= await loadRedis('REDIS_ENABLED');
    if (!this.#redis) {
      this.#count('package');
      return;
    }
    const startMs = performance.now();
    try {
      await this.#forward(this.#redis);
      this.#succeeded();
    } catch (error) {
      this.#failed(error);
    } finally {
      this.state.lastForwardSeconds = (performance.now() - startMs) / 1000;
    }
    this.#schedule(this.#failures === 0 ? this.#intervalMs : retryMs(this.#failures, this.#intervalMs));
  }

  async #forward(redis: RedisModule): Promise<void> {
    if (!this.#client?.isReady) {
      discard(this.#client);
      this.#client = undefined;
      this.#client = await connect(redis, this.#target!, this.#timeoutMs);
    }
    const { instance, collect } = this.#options;
    const collected = await collect().catch((error) => {
      throw Object.assign(new Error(messageOf(error)), { code: 'COLLECT' });
    });
    const nowMs = Date.now();
    const value = encodeValue({ ...instance, ...collected, writtenAtMs: nowMs, intervalMs: this.#intervalMs });
    const expiresMs = nowMs + this.#ttlMs;
    this.#written = true;
    const commands = [
      ['SET', this.#key, value, 'PX', String(this.#ttlMs)],
      ['ZADD', this.#index, String(expiresMs), this.#key],
      ['ZREMRANGEBYSCORE', this.#index, '-inf', String(nowMs - CLOCK_SLACK_MS)],
    ];
    await pipeline(this.#client, commands, this.#timeoutMs);
  }

  #succeeded(): void {
    const { host, port, database } = this.#target!;
    if (this.state.up === 0) {
      const again = this.#told.size > 0 ? ' again' : '';
      report('info', `Redis at ${host}:${port}, database ${database}, takes the metrics${again}: ${this.#key}`);
    }
    this.state.up = 1;
    this.state.lastSuccessSeconds = Date.now() / 1000;
    this.#failures = 0;
    this.#told.clear();
  }

  // The connection too: it may be one to a primary that is none any more, and a new one finds the new.
  #failed(error: unknown): void {
    discard(this.#client);
    this.#client = undefined;
    this.state.up = 0;
    this.#failures += 1;
    const cause = causeOf(error);
    this.#count(cause);
    if (this.#told.has(cause) || this.#stopped) return;
    this.#told.add(cause);
    const { host, port } = this.#target!;
    const why = `${cause}: ${tell(error, this.#target!)}`;
    report('warn', `no metrics get to Redis at ${host}:${port} (${why}); they will by themselves once they can`);
  }

  #count(cause: string): void {
    this.state.errors.set(cause, (this.state.errors.get(cause) ?? 0) + 1);
  }
}

function timeToLive(ttlMs: number | undefined, intervalMs: number): number {
  const usual = Math.ceil(3 * intervalMs);
  if (!ttlMs) return usual;
  if (ttlMs > intervalMs) return Math.ceil(ttlMs);
  const unit = (ms: number) => `${ms / 1000} s`;
  report(
    'warn',
    `REDIS_TTL_SECONDS (${unit(ttlMs)}) is not longer than REDIS_FORWARD_INTERVAL (${unit(intervalMs)}): ${unit(usual)} is used`,
  );
  return usual;
}

function retryMs(failures: number, intervalMs: number): number {
  const first = Math.min(FIRST_RETRY_MS, intervalMs);
  return Math.min(first * 2 ** (failures - 1), Math.max(MAX_RETRY_MS, intervalMs));
}
