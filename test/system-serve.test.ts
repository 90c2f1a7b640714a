/** `gunicorn-otel serve`: the endpoint as a process of its own, which takes the lead and gives it back. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { CLI } from './cli.ts';
import { parseExposition, type Sample, sum } from './exposition.ts';
import { freePort, freshDirectory, ROOT, type Running, start, startApp, startCluster, until } from './processes.ts';
import { request } from './requests.ts';

const NEW_NAMESPACE = ['--pid', '--fork', '--mount-proc', '--kill-child'];
const SERVES = /metrics of process (\d+) .* at (http\S+)/;

describe('serve', () => {
  it('takes the lead of a group from its members, and gives it back when it ends', async (t) => {
    const port = String(await freePort());
    const env = { GUNICORN_OTEL_GROUP: 'shop', PROMETHEUS_METRICS_PORT: port };
    const app = await startApp(t, 'counts-its-answers.mjs', { env });
    await app.metricsUrl();
    await ask(app.port, 3);
    const sidecar = serve(t, ['--dir', app.directory, '--group', 'shop'], { PROMETHEUS_METRICS_PORT: port });
    await sidecar.says(SERVES, 'stderr');
    assert.doesNotMatch(sidecar.output.stderr, /nobody is/);
    await app.says(/has handed over/, 'stderr');
    // A member needs up to a second to see that.
    assert.doesNotMatch(sidecar.output.stderr, /is taken/);
    const url = `http://127.0.0.1:${port}/metrics`;
    assert.equal(requests(await scraped(url)), 3);
    await ask(app.port, 2);
    process.kill(sidecar.pid, 'SIGTERM');
    assert.equal((await sidecar.ended()).code, 0);
    await app.says(/takes over/, 'stderr');
    await until(async () => requests(await scraped(url).catch(() => [])) === 5, 'the app serves again');
  });

  it('killed, gives the lead back all the same; started again, it has it again', async (t) => {
    const env = { GUNICORN_OTEL_GROUP: 'shop' };
    const app = await startApp(t, 'counts-its-answers.mjs', { env });
    const first = serve(t, ['--dir', app.directory, '--group', 'shop']);
    await first.says(SERVES, 'stderr');
    await ask(app.port, 4);
    process.kill(first.pid, 'SIGKILL');
    await app.says(/takes over/, 'stderr');
    const second = serve(t, ['--dir', app.directory, '--group', 'shop']);
    const [, , url] = await second.says(SERVES, 'stderr');
    assert.equal(requests(await scraped(url!)), 4);
  });

  it('is there before its group is, whose members then open no endpoint at all', async (t) => {
    const directory = freshDirectory(t);
    const sidecar = serve(t, ['--dir', directory, '--group', 'shop']);
    const [, , url] = await sidecar.says(SERVES, 'stderr');
    const app = await startApp(t, 'counts-its-answers.mjs', { directory, env: { GUNICORN_OTEL_GROUP: 'shop' } });
    await ask(app.port, 2);
    await until(async () => requests(await scraped(url!)) === 2, 'it is read');
    assert.equal(app.output.stderr, '');
  });

  it('two of them do not take the lead from each other', async (t) => {
    const directory = freshDirectory(t);
    const first = serve(t, ['--dir', directory, '--group', 'shop']);
    await first.says(SERVES, 'stderr');
    const second = serve(t, ['--dir', directory, '--group', 'shop']);
    const app = await startApp(t, 'counts-its-answers.mjs', { directory, env: { GUNICORN_OTEL_GROUP: 'shop' } });
    await ask(app.port, 1);
    const leaders = () => readdirSync(join(directory, 'group-shop')).filter((name) => name.startsWith('leader-'));
    assert.deepEqual(leaders(), ['leader-1']);
    process.kill(first.pid, 'SIGTERM');
    await second.says(SERVES, 'stderr');
  });

  it('without a name serves the one group that lives there: a cluster, and the next one when that has ended', async (t) => {
    const directory = freshDirectory(t);
    const sidecar = serve(t, ['--dir', directory]);
    await sidecar.says(/no group lives in/, 'stderr');
    const cluster = await startCluster(t, 'counts-its-answers.mjs', 2, { directory });
    const [, , url] = await sidecar.says(SERVES, 'stderr');
    await ask(cluster.port, 6);
    assert.equal(requests(await scraped(url!)), 6);
    process.kill(cluster.pid, 'SIGKILL');
    await cluster.ended();
    sidecar.output.stderr = '';
    const next = await startCluster(t, 'counts-its-answers.mjs', 2, { directory });
    const [, , nextUrl] = await sidecar.says(SERVES, 'stderr');
    await ask(next.port, 2);
    await until(async () => requests(await scraped(nextUrl!)) === 2, 'the next one is read');
  });

  it('says so when several groups live there', async (t) => {
    const directory = freshDirectory(t);
    for (const name of ['a', 'b']) {
      await startApp(t, 'counts-its-answers.mjs', { directory, env: { GUNICORN_OTEL_GROUP: name } });
    }
    const sidecar = serve(t, ['--dir', directory]);
    await sidecar.says(/2 groups live in .*group-a.*group-b.*--group/, 'stderr');
  });

  it('ends with 1 and a line when its directory cannot be used, and falls back to no other', async (t) => {
    const sidecar = serve(t, ['--dir', '/proc/none', '--group', 'shop']);
    assert.equal((await sidecar.ended()).code, 1);
    assert.match(sidecar.output.stderr, /^gunicorn-otel: PROMETHEUS_MULTIPROC_DIR=\/proc\/none cannot be used \(.*\n$/);
  });

  it('of a group that it may only read says so once, leads nobody, and serves it as soon as it can', async (t) => {
    if (!(await canUnshare('--mount'))) return t.skip('no new mount namespace can be made here: run as root');
    const app = await startApp(t, 'counts-its-answers.mjs', { env: { GUNICORN_OTEL_GROUP: 'shop' } });
    const url = await app.metricsUrl();
    await ask(app.port, 3);
    const script = `mount -o bind,ro "$1" "$1" && exec "$2" "$3" serve --dir "$1"`;
    const args = ['--mount', 'sh', '-c', script, 'sh', app.directory, process.execPath, CLI];
    const sidecar = start(t, args, { preload: 'none', command: 'unshare' });
    await sidecar.says(
      /no lock can be made in .*group-shop \(EROFS.*\): it is served by its members until one can\n/,
      'stderr',
    );
    assert.equal(requests(await scraped(url)), 3);
    spawn('nsenter', ['--mount', `--target=${sidecar.pid}`, 'umount', app.directory]);
    await sidecar.says(SERVES, 'stderr');
    assert.equal(sidecar.output.stderr.match(/no lock can be made/g)?.length, 1);
    await app.says(/has handed over/, 'stderr');
  });

  it('says that nobody is there, where it has made the directory itself, and who is instead', async (t) => {
    const directory = join(freshDirectory(t), 'mistyped');
    const alone = serve(t, ['--dir', directory]);
    await alone.says(/no group lives in .*mistyped, which is not there: one is waited for/, 'stderr');
    assert.ok(!existsSync(directory));
    const sidecar = serve(t, ['--dir', directory, '--group', 'shop']);
    await sidecar.says(
      /nobody is in the group shop of .*mistyped, which was not there and has been made: somebody is waited for\n/,
      'stderr',
    );
    await sidecar.says(SERVES, 'stderr');
    await startApp(t, 'counts-its-answers.mjs', { directory, env: { GUNICORN_OTEL_GROUP: 'shop' } });
    const other = serve(t, ['--dir', directory, '--group', 'shops']);
    await other.says(
      /nobody is in the group shops of .*mistyped: somebody is waited for; there is somebody in group-shop\n/,
      'stderr',
    );
  });

  it('leaves nothing of a group that nobody is left in', async (t) => {
    const directory = freshDirectory(t);
    const sidecar = serve(t, ['--dir', directory, '--group', 'shop']);
    await sidecar.says(SERVES, 'stderr');
    process.kill(sidecar.pid, 'SIGINT');
    assert.equal((await sidecar.ended()).code, 0);
    assert.deepEqual(readdirSync(directory), []);
  });

  it('counts members of another pid namespace by their files alone', async (t) => {
    if (!(await canUnshare(...NEW_NAMESPACE))) return t.skip('no new pid namespace can be made here: run as root');
    const directory = freshDirectory(t);
    mkdirSync(join(directory, 'app'));
    const sidecar = serve(t, ['--dir', directory, '--group', 'shop']);
    const [, , url] = await sidecar.says(SERVES, 'stderr');
    const app = start(t, [...NEW_NAMESPACE, process.execPath, join(ROOT, 'test/fixtures/counts-its-answers.mjs')], {
      preload: 'NODE_OPTIONS=--import',
      command: 'unshare',
      directory,
      env: { GUNICORN_OTEL_GROUP: 'shop' },
    });
    const port = Number((await app.says(/^ready on port (\d+)/m))[1]);
    await ask(port, 3);
    await until(async () => requests(await scraped(url!)) === 3, 'it is read');
    const living = (samples: Sample[]) =>
      samples.filter(({ name }) => name === 'gunicorn_worker_uptime_seconds').length;
    assert.equal(living(await scraped(url!)), 1);
    process.kill(app.pid, 'SIGKILL');
    await app.ended();
    await until(async () => living(await scraped(url!)) === 0, 'its gauges go', 60_000);
    assert.equal(requests(await scraped(url!)), 3);
    assert.ok(existsSync(join(directory, 'group-shop')));
  });
});

function serve(t: TestContext, args: string[], env: Record<string, string> = {}): Running {
  return start(t, [CLI, 'serve', ...args], { preload: 'none', env });
}

function canUnshare(...namespaces: string[]): Promise<boolean> {
  const probe = spawn('unshare', [...namespaces, 'true']);
  return new Promise((resolve) => {
    probe.once('error', () => resolve(false));
    probe.once('exit', (code) => resolve(code === 0));
  });
}

async function ask(port: number, times: number): Promise<void> {
  for (let i = 0; i < times; i += 1) await request(`http://127.0.0.1:${port}/`);
}

async function scraped(url: string): Promise<Sample[]> {
  return parseExposition((await request(url)).body);
}

function requests(samples: Sample[]): number {
  return sum(samples, 'gunicorn_worker_requests_total');
}
