/**
 * A connection to Redis that either works or is thrown away: it never reconnects by itself, never queues, and gives
 * nothing of what opens it away in what it says. When to try again is the forwarder's to know.
 */
import { messageOf } from '../errors.ts';
import { loadOptional } from '../optional-package.ts';

/** Settings under these names; what is undefined or empty has its default. */
export interface RedisSettings {
  readonly redisHost?: string | undefined;
  readonly redisPort?: number | undefined;
  readonly redisDb?: number | undefined;
  readonly redisUsername?: string | undefined;
  readonly redisPassword?: string | undefined;
  readonly redisTls?: boolean | undefined;
  /** redis:// or rediss://; what it says goes before the others. */
  readonly redisUrl?: string | undefined;
}

/** The part of node-redis that is used. */
export interface RedisModule {
  createClient(options: object): RedisClient;
  readonly RESP_TYPES: { readonly BLOB_STRING: number };
}

/** Which class replies of a type are of. */
export interface CommandOptions {
  readonly typeMapping: Readonly<Record<number, unknown>>;
}

/** What one sends commands to. */
export interface RedisClient {
  readonly isOpen: boolean;
  readonly isReady: boolean;
  on(event: 'error', listener: (error: Error) => void): unknown;
  connect(): Promise<unknown>;
  sendCommand(args: readonly (string | Buffer)[], options?: CommandOptions): Promise<unknown>;
  destroy(): void;
  unref(): void;
}

/** Where Redis is and who we are there. */
export interface RedisTarget {
  readonly host: string;
  readonly port: number;
  readonly database: number;
  readonly tls: boolean;
  readonly username?: string;
  readonly password?: string;
}

const DEFAULT_PORT = 6379;
const REPLIES = ['ErrorReply', 'SimpleError', 'BlobError'];
// First words of Redis's refusals that are told apart; every other one is `refused`.
const REFUSALS = /^(WRONGPASS|NOAUTH|NOPERM|READONLY|OOM|LOADING|MISCONF|MASTERDOWN|CLUSTERDOWN|MOVED|NOREPLICAS)\b/;

/**
 * @param purpose - as loadOptional has it
 * @returns undefined, and one line, where node-redis is not installed, or the app has a version that cannot be used
 * @throws never
 */
export function loadRedis(purpose: string): Promise<RedisModule | undefined> {
  return loadOptional('redis', async () => usable(await import('redis')), purpose);
}

/** @throws when it is that of another version: its clients are made and closed otherwise */
export function usable(redis: object): RedisModule {
  if (!('RESP_TYPES' in redis)) throw new Error('version 5 is needed, and another one is installed');
  return redis as RedisModule;
}

/** @returns undefined when redisUrl is no URL of Redis's */
export function redisTarget(settings: RedisSettings): RedisTarget | undefined {
  const { redisHost, redisPort, redisDb, redisTls, redisUsername, redisPassword, redisUrl } = settings;
  let url: URL | undefined;
  if (redisUrl) {
    url = URL.canParse(redisUrl) ? new URL(redisUrl) : undefined;
    if (!url || !/^rediss?:$/.test(url.protocol)) return undefined;
  }
  const database = url && /^\/\d+$/.test(url.pathname) ? Number(url.pathname.slice(1)) : (redisDb ?? 0);
  const username = decoded(url?.username) || redisUsername;
  const password = decoded(url?.password) || redisPassword;
  return {
    // An IPv6 address is in brackets only in a URL.
    host: url?.hostname.replace(/^\[|\]$/g, '') || redisHost || 'localhost',
    port: url ? Number(url.port || DEFAULT_PORT) : redisPort || DEFAULT_PORT,
    database,
    tls: url?.protocol === 'rediss:' || redisTls === true,
    ...(username && { username }),
    ...(password && { password }),
  };
}

/**
 * @param timeoutMs - for the connection alone
 * @throws what node-redis throws; the connection is closed then
 */
export async function connect(redis: RedisModule, target: RedisTarget, timeoutMs: number): Promise<RedisClient> {
  const { host, port, database, tls, username, password } = target;
  const client = redis.createClient({
    socket: { host, port, connectTimeout: timeoutMs, reconnectStrategy: false, ...(tls && { tls }) },
    database,
    ...(username && { username }),
    ...(password && { password }),
    disableOfflineQueue: true,
    // Two commands fewer, and two rights fewer that an ACL must give.
    disableClientInfo: true,
  });
  // Whoever waits for a command learns of it; a connection that breaks in between is found not ready.
  client.on('error', () => {});
  client.unref();
  try {
    // Redis may accept and then say nothing, to AUTH for one. Not sooner: destroy() leaves a socket that still connects.
    await within(2 * timeoutMs, client.connect());
    return client;
  } catch (error) {
    discard(client);
    throw error;
  }
}

/** Closes what is open of it. @throws never */
export function discard(client: RedisClient | undefined): void {
  // destroy() throws on one that is closed.
  if (client?.isOpen) client.destroy();
}

/** Sends all at once and waits for all replies. @throws the first refusal, or that it took too long */
export async function pipeline(
  client: RedisClient,
  commands: readonly (readonly (string | Buffer)[])[],
  timeoutMs: number,
  options?: CommandOptions,
): Promise<unknown[]> {
  // Handed over in one turn of the loop, which is how node-redis pipelines.
  return within(timeoutMs, Promise.all(commands.map((command) => client.sendCommand(command, options))));
}

/** An error's cause as a label: one of few words. @throws never */
export function causeOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  // node-redis gives its errors neither codes nor names of their own.
  const kind = (error as Error).constructor.name;
  if (code === 'ETIMEDOUT' || kind === 'ConnectionTimeoutError') return 'timeout';
  if (typeof code === 'string' && /^[A-Z][A-Z0-9_]{2,40}$/.test(code)) return code.toLowerCase();
  const refusal = REFUSALS.exec(messageOf(error))?.[1];
  if (refusal) return refusal.toLowerCase();
  return REPLIES.includes(kind) ? 'refused' : 'closed';
}

/** What an error says, the password left out. @throws never */
export function tell(error: unknown, { password }: RedisTarget): string {
  // Connecting to a name with several addresses fails with one error for all, which says nothing itself.
  const text = messageOf(error) || String((error as NodeJS.ErrnoException).code ?? 'no connection');
  return password ? text.replaceAll(password, '***') : text;
}

async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const error = Object.assign(new Error(`no answer within ${timeoutMs} ms`), { code: 'ETIMEDOUT' });
    timer = setTimeout(() => reject(error), timeoutMs).unref();
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function decoded(text: string | undefined): string | undefined {
  try {
    return text && decodeURIComponent(text);
  } catch {
    // A per cent sign that was meant as one.
    return text;
  }
}
