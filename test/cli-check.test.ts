/** Holds `gunicorn-otel check` as a user runs it: every setting with its value and origin, what is wrong, and no secret. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { check } from '../src/check.ts';
import { SETTINGS } from '../src/config.ts';
import { makeCertificate, NO_OPENSSL } from './certificates.ts';
import { CLI } from './cli.ts';
import { atEnd, freshDirectory } from './processes.ts';
import { hashOf } from './secured-endpoint.ts';

const COLUMNS = 80;

interface Report {
  ok: boolean;
  settings: { name: string; variable: string; value: unknown; from: string; wrong: boolean }[];
  configModule: { file: string | null; hooks: string[]; views: number };
  endpoint: string[];
  problems: string[];
  warnings: string[];
}

describe('check', () => {
  it('of nothing special is well: every setting at its default', async (t) => {
    const { code, report } = await checked(t);
    assert.deepEqual([code, report.ok, report.problems, report.warnings], [0, true, [], []]);
    assert.deepEqual(Object.keys(report), ['ok', 'settings', 'configModule', 'endpoint', 'problems', 'warnings']);
    assert.deepEqual(report.configModule, { file: null, hooks: [], views: 0 });
    const told = report.settings.map(({ name, variable, value, wrong }) => ({ name, variable, value, wrong }));
    const own = ['metricsPort', 'bindAddress', 'multiprocDirectory'];
    const expected = Object.entries(SETTINGS).map(([name, { variable, fallback }]) => {
      const value = own.includes(name) ? report.settings.find((setting) => setting.name === name)!.value : fallback;
      return { name, variable, value, wrong: false };
    });
    assert.deepEqual(told, expected);
    for (const { name, from } of report.settings) assert.equal(from === 'default', !own.includes(name), name);
  });

  it('tells of each value where it came from', async (t) => {
    const cwd = freshDirectory(t);
    const file = join(cwd, 'gunicorn.conf.mjs');
    writeFileSync(
      file,
      'export const maxSeries = 5, labels = "detailed"; export const views = [{}]; export function onExit() {}',
    );
    const env = { GUNICORN_OTEL_LABELS: 'standard', PROMETHEUS_METRICS_PORT: '', OTEL_EXPORTER_PROMETHEUS_PORT: '0' };
    const { code, report } = await checked(t, { env, cwd });
    assert.equal(code, 0, report.problems.join());
    const of = (name: string) => {
      const { value, from } = report.settings.find((setting) => setting.name === name)!;
      return [value, from];
    };
    assert.deepEqual(of('labels'), ['standard', 'GUNICORN_OTEL_LABELS']);
    assert.deepEqual(of('metricsPort'), [0, 'OTEL_EXPORTER_PROMETHEUS_PORT']);
    assert.deepEqual(of('maxSeries'), [5, file]);
    assert.deepEqual(report.configModule, { file, hooks: ['onExit'], views: 1 });
  });

  it('ends with 1 when a value or the config module is wrong, and says what', async (t) => {
    const cwd = freshDirectory(t);
    writeFileSync(join(cwd, 'gunicorn.conf.mjs'), 'export const maxSeries = 0, nothing = 1;');
    const { code, report } = await checked(t, { env: { GUNICORN_WORKERS: 'many' }, cwd });
    assert.deepEqual([code, report.ok, report.problems.length], [1, false, 3]);
    assert.match(
      report.problems.join('\n'),
      /GUNICORN_WORKERS="many" is not[\s\S]*GUNICORN_OTEL_MAX_SERIES \(maxSeries in/,
    );
    const wrong = report.settings.filter((setting) => setting.wrong).map(({ name }) => name);
    assert.deepEqual(wrong, ['expectedWorkers', 'maxSeries']);
  });

  it('warns of variables of ours that nobody knows, and not of others', async (t) => {
    const { code, report } = await checked(t, {
      env: {
        PROMETHEUS_METRIC_PORT: '1',
        PROMETHEUS_SSL_WHATEVER: '1',
        GUNICORN_OTEL_WHATEVER: 's3cret',
        GUNICORN_OTEL_GROUP_DIRECTORY: '/x',
        GUNICORN_OTEL_CLUSTER_WORKER: '1',
        GUNICORN_OTEL_WORKER_BIRTH: '1',
        GUNICORN_OTEL_PASSWORD: 's3cret',
        GUNICORN_CMD_ARGS: '1',
        PROMETHEUS_URL: '1',
        OTEL_TRACES_EXPORTER: '1',
        REDIS_HOSTS: '1',
      },
    });
    assert.equal(code, 0);
    assert.deepEqual(report.warnings.sort(), [
      'GUNICORN_OTEL_WHATEVER is set and means nothing',
      'PROMETHEUS_METRIC_PORT is set and means nothing; is PROMETHEUS_METRICS_PORT meant?',
      'PROMETHEUS_SSL_WHATEVER is set and means nothing',
    ]);
  });

  it('shows no secret, right or wrong, from wherever it is', async (t) => {
    const cwd = freshDirectory(t);
    writeFileSync(join(cwd, 'gunicorn.conf.mjs'), "export const redisPassword = 's3cret-of-the-module';");
    const url = 'redis://me:s3cret@redis.internal/1';
    for (const env of [
      { REDIS_PASSWORD: 's3cret', REDIS_URL: url },
      { REDIS_PASSWORD: 's3cret\u0007', REDIS_URL: 'http://s3cret' },
      {},
    ]) {
      for (const args of [[], ['--json']]) {
        const { stdout, stderr } = await run(t, args, { env, cwd });
        // A table breaks what is long.
        const text = (stdout + stderr).replaceAll(/\s/g, '');
        assert.doesNotMatch(text, /s3cret/);
        assert.match(text, /\*\*\*/);
        if (env.REDIS_URL === url) assert.match(text, /me:\*\*\*@redis\.internal\/1/);
      }
    }
  });

  it('tells when the directory cannot be used, and leaves nothing where it can', async (t) => {
    const directory = freshDirectory(t);
    writeFileSync(join(directory, 'file'), '');
    const bad = await checked(t, { env: { PROMETHEUS_MULTIPROC_DIR: join(directory, 'file'), TMPDIR: directory } });
    assert.equal(bad.code, 1);
    assert.match(bad.report.problems.join(), /PROMETHEUS_MULTIPROC_DIR=\S+file cannot be used/);
    const good = await checked(t, { env: { PROMETHEUS_MULTIPROC_DIR: join(directory, 'new', 'er') } });
    assert.equal(good.code, 0);
    assert.deepEqual(readdirSync(directory), ['file']);
    mkdirSync(join(directory, 'there'));
    await checked(t, { env: { PROMETHEUS_MULTIPROC_DIR: join(directory, 'there') } });
    assert.deepEqual(readdirSync(directory, { recursive: true }).sort(), ['file', 'there']);
  });

  it('warns of a port that is taken, and an address of another machine is a problem', async (t) => {
    const server = createServer().listen(0, '127.0.0.1');
    atEnd(t, () => server.close());
    await once(server, 'listening');
    const port = String((server.address() as AddressInfo).port);
    const taken = await checked(t, { env: { PROMETHEUS_METRICS_PORT: port } });
    assert.deepEqual([taken.code, taken.report.warnings.length], [0, 1]);
    assert.match(taken.report.warnings[0]!, new RegExp(`127.0.0.1:${port} is taken`));
    const foreign = await checked(t, { env: { PROMETHEUS_BIND_ADDRESS: '192.0.2.1' } });
    assert.equal(foreign.code, 1);
    assert.match(foreign.report.problems[0]!, /192\.0\.2\.1:0 cannot be had \(EADDRNOTAVAIL\)/);
    const none = await checked(t, { env: { PROMETHEUS_BIND_ADDRESS: '192.0.2.1', OTEL_METRICS_EXPORTER: 'none' } });
    assert.equal(none.code, 0);
  });

  it('reads the files of an https endpoint', { skip: NO_OPENSSL ?? false }, async (t) => {
    const { certFile, keyFile } = makeCertificate(freshDirectory(t), 'endpoint');
    const PAIR = { PROMETHEUS_SSL_CERTFILE: certFile, PROMETHEUS_SSL_KEYFILE: keyFile };
    const good = await checked(t, { env: PAIR });
    assert.deepEqual([good.code, good.report.warnings], [0, []]);
    const half = await checked(t, { env: { PROMETHEUS_SSL_CERTFILE: certFile } });
    assert.equal(half.code, 1);
    assert.match(
      half.report.problems[0]!,
      /PROMETHEUS_SSL_KEYFILE is not: https needs both; the endpoint will not open/,
    );
    const idle = await checked(t, { env: { ...PAIR, PROMETHEUS_SSL_CLIENT_CAFILE: certFile } });
    assert.match(idle.report.warnings[0]!, /_CAFILE means nothing while .*_REQUIRED is not true/);
  });

  it('reads the web configuration, says whom it lets in, and what is wrong with it by line', {
    skip: NO_OPENSSL ?? false,
  }, async (t) => {
    const directory = freshDirectory(t);
    const { certFile, keyFile } = makeCertificate(directory, 'endpoint');
    const file = join(directory, 'web.yml');
    const env = { GUNICORN_OTEL_WEB_CONFIG_FILE: file };
    const hash = hashOf('s3cret');
    const pair = `  cert_file: ${certFile}\n  key_file: ${keyFile}\n`;
    const mutual = `  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ${certFile}\n  client_allowed_sans: [p]\n`;
    const access = `basic_auth_users:\n  a: ${hash}\n  b: ${hash}\nbearer_tokens:\n  t: ${hash}\nrate_limit: {interval: 1s, burst: 9}\n`;
    const cases: [string, string[], RegExp, RegExp][] = [
      [
        `tls_server_config:\n${pair}${mutual}${access}`,
        [
          'answers clients with a certificate of the authority',
          'and in it the name p',
          'answers who comes with the password of a or b, or with the token t',
          '9 requests at once, then one every 1000 ms',
        ],
        /^$/,
        /^$/,
      ],
      [
        'http_server_config: {headers: {X-Frame-Options: deny}}',
        ['plain HTTP', 'answers everybody', 'sends X-Frame-Options: deny'],
        /^$/,
        /^$/,
      ],
      [
        access,
        [
          'plain HTTP',
          'answers who comes with the password of a or b, or with the token t',
          '9 requests at once, then one every 1000 ms',
        ],
        /^$/,
        /has users or tokens and no tls_server_config: passwords are sent for all to read$/,
      ],
      [
        `basic_auth_users:\n  a: s3cret`,
        [],
        /web\.yml line 2: .* is no bcrypt hash: .*; the endpoint will not open$/,
        /^$/,
      ],
    ];
    for (const [text, lines, problem, warning] of cases) {
      writeFileSync(file, text);
      const { code, report } = await checked(t, { env });
      const [first, ...others] = report.endpoint;
      assert.deepEqual(/^https, with a certificate until \d{4}-/.test(first ?? '') ? others : report.endpoint, lines);
      assert.match(report.problems.join('\n'), problem);
      assert.match(report.warnings.join('\n'), warning);
      assert.equal(code, report.problems.length);
      const { stdout } = await run(t, [], { env });
      assert.equal(/\nendpoint:\n- /.test(stdout), lines.length > 0);
      assert.doesNotMatch(stdout + JSON.stringify(report), /s3cret|\$2/);
    }
  });

  it('knows the packages that settings need', async (t) => {
    const MISSING = Object.assign(new Error('not here'), { code: 'MODULE_NOT_FOUND' });
    const asked: string[] = [];
    const base = await environment(t, { REDIS_ENABLED: 'true', OTEL_METRICS_EXPORTER: 'otlp' });
    const lines = async (env: NodeJS.ProcessEnv) => {
      const { problems } = await check({ ...base, ...env }, freshDirectory(t), (name) => {
        asked.push(name);
        throw MISSING;
      });
      return problems.join('\n');
    };
    assert.match(
      await lines({}),
      /redis is not installed: npm install 'redis@\^5\S+'\n.*npm install '\S+otlp-proto@[^']+'$/,
    );
    assert.match(await lines({ OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }), /otlp-http@[^']+'$/);
    const both = { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json', OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'grpc' };
    assert.match(await lines(both), /otlp-grpc@[^']+'$/);
    assert.match(await lines({ OTEL_EXPORTER_OTLP_PROTOCOL: 'HTTP/JSON' }), /otlp-http@[^']+'$/);
    assert.match(await lines({ OTEL_EXPORTER_OTLP_PROTOCOL: 'x' }), /OTEL_EXPORTER_OTLP_PROTOCOL="x" is not one of/);
    const runtime = { OTEL_NODE_ENABLED_INSTRUMENTATIONS: 'http,runtime-node' };
    assert.match(
      await lines(runtime),
      /runtime-node and its package .* npm install '\S+instrumentation-runtime-node@[^']+'$/,
    );
    assert.equal(asked.length, 12);
    assert.equal((await check(base, freshDirectory(t), () => '/there')).ok, true);
  });

  it('warns of keys in Redis that would end before they are written again, as the start does', async (t) => {
    const warningsOf = async (seconds: string) => {
      const env = await environment(t, {
        REDIS_ENABLED: 'true',
        REDIS_TTL_SECONDS: seconds,
        REDIS_FORWARD_INTERVAL: '30',
      });
      return (await check(env, freshDirectory(t), () => '/there')).warnings.join('\n');
    };
    assert.match(await warningsOf('30'), /^REDIS_TTL_SECONDS is not longer than REDIS_FORWARD_INTERVAL/m);
    assert.doesNotMatch(await warningsOf('31'), /REDIS_TTL_SECONDS/);
  });

  it('has nothing to try out when nothing will run', async (t) => {
    const env = { OTEL_SDK_DISABLED: 'true', PROMETHEUS_BIND_ADDRESS: '192.0.2.1', REDIS_ENABLED: 'true' };
    const { code, report } = await checked(t, { env });
    assert.deepEqual([code, report.warnings.length], [0, 1]);
  });

  it('ends though the config module has begun something', async (t) => {
    const cwd = freshDirectory(t);
    writeFileSync(join(cwd, 'gunicorn.conf.mjs'), 'setInterval(() => {}, 1000);');
    assert.equal((await checked(t, { cwd })).code, 0);
  });
});

describe('the text of a check', () => {
  it('has every setting in a row, fits 80 columns, and ends with what is wrong', async (t) => {
    const { code, stdout } = await run(t, [], {
      env: {
        GUNICORN_WORKERS: 'many',
        PROMETHEUS_METRIC_PORT: '1',
        GUNICORN_OTEL_GAUGE_MODES: 'a_rather_long_name_of_a_gauge=livesum,*=mostrecent',
        OTEL_SERVICE_NAME: 'shop',
      },
    });
    assert.equal(code, 1);
    const lines = stdout.split('\n');
    for (const line of lines) assert.ok(line.length <= COLUMNS || !line.includes(' '), line);
    for (const { variable } of Object.values(SETTINGS)) {
      assert.equal(lines.filter((line) => line.slice(2).split(' ')[0] === variable).length, 1, variable);
    }
    assert.ok(lines.some((line) => /^! GUNICORN_WORKERS +0 +default$/.test(line)));
    assert.ok(lines.some((line) => /^ {2}OTEL_SERVICE_NAME +shop +variable$/.test(line)));
    assert.match(stdout, /\nwrong:\n! GUNICORN_WORKERS="many" is not[\s\S]*\nwarnings:\n\? PROMETHEUS_METRIC_PORT/);
    assert.match(stdout, /\n1 problem, 1 warning\n$/);
  });

  it('has nothing in it that a terminal would act on', async (t) => {
    const { stdout } = await run(t, [], { env: { PROMETHEUS_MULTIPROC_DIR: '/proc/\u001b[31m\u009b1m/x' } });
    assert.match(stdout, /PROMETHEUS_MULTIPROC_DIR=\/proc/);
    assert.doesNotMatch(stdout.replaceAll('\n', ''), /\p{Cc}/u);
  });
});

interface Where {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
}

async function checked(t: TestContext, where?: Where): Promise<{ code: number; report: Report }> {
  const { code, stdout, stderr } = await run(t, ['--json'], where);
  assert.equal(stderr, '');
  return { code, report: JSON.parse(stdout) };
}

function run(t: TestContext, args: string[], where?: Where) {
  return start(t, ['check', ...args], where);
}

async function start(t: TestContext, args: string[], { env = {}, cwd = freshDirectory(t) }: Where = {}) {
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd,
    env: await environment(t, env),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 20_000,
  });
  const [stdout, stderr, [code]] = await Promise.all([
    child.stdout.toArray(),
    child.stderr.toArray(),
    once(child, 'close'),
  ]);
  return { code: code as number, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
}

// Nothing of the machine's own: neither its variables nor its ports nor its temporary directory.
async function environment(t: TestContext, env: Record<string, string>): Promise<Record<string, string>> {
  return {
    PATH: process.env['PATH'] ?? '',
    PROMETHEUS_METRICS_PORT: '0',
    PROMETHEUS_BIND_ADDRESS: '127.0.0.1',
    PROMETHEUS_MULTIPROC_DIR: join(freshDirectory(t), 'multiproc'),
    ...env,
  };
}
