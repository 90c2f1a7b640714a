/** A real Prometheus for the tests that need one: Debian's, on a free port, in a fresh directory, ended with its test. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { atEnd, freePort, freshDirectory, type Owner, until } from './processes.ts';
import { request } from './requests.ts';

/** Why tests with promtool or Prometheus are skipped; false when they are not. */
export const NO_PROMTOOL =
  spawnSync('promtool', ['--version']).error !== undefined && 'no promtool on the path: apt-get install prometheus';
export const NO_PROMETHEUS =
  spawnSync('prometheus', ['--version']).error !== undefined && 'no prometheus on the path: apt-get install prometheus';

/** One series of an answer, with its last value. */
export interface Result {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [seconds: number, value: string];
}

export interface PrometheusServer {
  /** What /api/v1/<path> answers. @throws AssertionError unless it is a success */
  // biome-ignore lint/suspicious/noExplicitAny: Prometheus's own words, looked at by tests only
  api(path: string): Promise<any>;
  /** Evaluates a query now. */
  query(text: string): Promise<Result[]>;
}

/** Starts it with a configuration, and waits until it is ready. */
export async function startPrometheus(owner: Owner, config: object): Promise<PrometheusServer> {
  const directory = freshDirectory(owner);
  const file = join(directory, 'prometheus.json');
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(config));
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(
    'prometheus',
    [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=${address}`,
      '--log.level=error',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended = once(child, 'exit');
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  atEnd(owner, async () => {
    kill();
    await ended;
    process.off('exit', kill);
  });
  await until(
    async () => {
      assert.equal(child.exitCode, null, said);
      return (await request(`http://${address}/-/ready`).catch(() => undefined))?.status === 200;
    },
    () => `Prometheus is ready; it said ${said}`,
  );
  const api: PrometheusServer['api'] = async (path) => {
    const { status, body } = await request(`http://${address}/api/v1/${path}`);
    assert.equal(status, 200, `${path}: ${body}`);
    return JSON.parse(body).data;
  };
  return { api, query: async (text) => (await api(`query?query=${encodeURIComponent(text)}`)).result };
}
