/** A real Redis for the tests that need one: Debian's, on a free port, keeping nothing, ended with its test. */
import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { atEnd, freePort, freshDirectory, type Owner, until } from './processes.ts';

/** Why tests with Redis are skipped; false when they are not. */
export const NO_REDIS =
  spawnSync('redis-server', ['--version']).status !== 0 && 'no redis-server on the path: apt-get install redis-server';

export interface RedisServer {
  readonly port: number;
  /** What redis-cli says to a command. @throws when it cannot connect */
  cli(...args: string[]): Promise<string>;
  /** The bytes under a key; none when it is not there. */
  get(key: string): Promise<Buffer>;
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>;
  /** Starts it again on its port, empty. */
  restart(): Promise<void>;
  /** How often each command was called, those of cli() left out. */
  calls(): Promise<Record<string, number>>;
}

export async function startRedis(owner: Owner, ...more: string[]): Promise<RedisServer> {
  const port = await freePort();
  const directory = freshDirectory(owner);
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', directory];
  let child = spawnServer();
  atEnd(owner, () => void child.kill('SIGKILL'));
  const cli: RedisServer['cli'] = async (...command) =>
    (await promisify(execFile)('redis-cli', ['-p', String(port), ...command])).stdout.trimEnd();
  await ready();
  return {
    port,
    cli,
    get: async (key) => {
      const bytes = execFileSync('redis-cli', ['-p', String(port), '--raw', 'get', key], { maxBuffer: 2 ** 28 });
      return bytes.subarray(0, -1);
    },
    async kill() {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
    async restart() {
      child = spawnServer();
      await ready();
    },
    async calls() {
      const lines = (await cli('info', 'commandstats')).matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm);
      const own = /^(info|ping|config|acl|client|debug|command|get|zrange|pttl|replicaof|keys)\b/;
      return Object.fromEntries(
        [...lines].filter(([, name]) => !own.test(name!)).map(([, name, n]) => [name, Number(n)]),
      );
    },
  };

  function spawnServer() {
    return spawn('redis-server', [...args, ...more], { stdio: 'ignore' });
  }

  function ready() {
    return until(async () => /PONG|NOAUTH/.test(await cli('ping').catch(() => '')), 'redis-server answers', 10_000);
  }
}
