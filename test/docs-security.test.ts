/** What docs/security.md shows is run as it stands there: each configuration beside Prometheus' side of it, and the shell's lines. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { setLogLevel } from '../src/report.ts';
import { CLIENT_POLICIES } from '../src/security/tls-names.ts';
import { parseWebConfig } from '../src/security/web-config.ts';
import { makeCertificate, NO_OPENSSL } from './certificates.ts';
import { freshDirectory, until } from './processes.ts';
import { NO_PROMETHEUS, NO_PROMTOOL, startPrometheus } from './prometheus-server.ts';
import { hashOf, openSecured } from './secured-endpoint.ts';

setLogLevel('none');

const DOCUMENT = readFileSync(new URL('../../docs/security.md', import.meta.url), 'utf8');
const WEB = /^# \/etc\/shop\/web\.yml\n/;
const PROMETHEUS = /^# prometheus\.yml\n/;
/** By the heading that they are under. */
const SECTIONS = new Map(
  DOCUMENT.split(/^## /m).map((section) => {
    const blocks = [...section.matchAll(/```(?:yaml|sh)\n(.*?)```/gs)].map(([, text]) => text!);
    return [section.split('\n')[0]!, blocks] as const;
  }),
);
const ALL = [...SECTIONS.values()].flat();
const HASH = /\$2y\$\S+/;
const SHA256 = /sha256:[0-9a-f]{64}/;

// Debian's promtool knows the toolkit as it was in 2023.
const TOO_NEW = /bearer_tokens|client_allowed_sans/;

test('the web configurations of docs/security.md are taken, and by promtool where it knows what is in them', {
  skip: NO_PROMTOOL || (NO_OPENSSL ?? false),
}, (t) => {
  const configs = ALL.filter((text) => WEB.test(text));
  assert.equal(configs.length, 3);
  const directory = freshDirectory(t);
  makeCertificate(directory, 'tls');
  for (const text of configs) {
    parseWebConfig(text, directory);
    if (TOO_NEW.test(text)) continue;
    writeFileSync(join(directory, 'web.yml'), text.replace('tls.crt', 'tls.pem'));
    execFileSync('promtool', ['check', 'web-config', join(directory, 'web.yml')], { stdio: 'pipe' });
  }
});

test("Prometheus' side of docs/security.md is a configuration", { skip: NO_PROMTOOL }, (t) => {
  const configs = ALL.filter((text) => PROMETHEUS.test(text));
  assert.equal(configs.length, 4);
  for (const text of configs) {
    const file = join(freshDirectory(t), 'prometheus.yml');
    writeFileSync(file, text);
    const { status, stderr } = spawnSync('promtool', ['check', 'config', '--syntax-only', file], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  }
});

test('both sides of docs/security.md, of each way to be let in, are up in a real Prometheus', {
  skip: NO_PROMETHEUS || (NO_OPENSSL ?? false),
}, async (t) => {
  const directory = freshDirectory(t);
  const authority = makeCertificate(directory, 'authority');
  const server = makeCertificate(directory, 'tls', authority);
  const client = makeCertificate(directory, 'client', authority, 'DNS:prometheus.internal');
  writeFileSync(join(directory, 'secret'), 's3cret');
  const digest = `sha256:${createHash('sha256').update('s3cret').digest('hex')}`;
  const put = (text: string) =>
    Object.entries({
      'tls.crt': server.certFile,
      'tls.key': server.keyFile,
      'clients-ca.pem': authority.certFile,
      '/etc/prometheus/shop-ca.pem': authority.certFile,
      '/etc/prometheus/client.pem': client.certFile,
      '/etc/prometheus/client.key': client.keyFile,
      '/etc/prometheus/shop-password': join(directory, 'secret'),
      '/etc/prometheus/shop-token': join(directory, 'secret'),
    }).reduce((done, [name, path]) => done.replaceAll(name, path), text);
  const only = (heading: string, kind: RegExp) => SECTIONS.get(heading)!.find((text) => kind.test(text))!;
  const jobs = [];
  for (const [web, prometheus] of [
    ['The web configuration', 'A user and a password'],
    ['Mutual TLS', 'Mutual TLS'],
    ['A token', 'A token'],
  ] as const) {
    const text = put(only(web, WEB)).replace(HASH, hashOf('s3cret')).replace(SHA256, digest);
    const { url } = await openSecured(t, freshDirectory(t), parse(text));
    const [job] = parse(put(only(prometheus, PROMETHEUS))).scrape_configs;
    jobs.push({
      ...job,
      job_name: prometheus,
      static_configs: [{ targets: [new URL(url).host] }],
      scrape_interval: '1s',
    });
    const { tls_config, scheme } = job;
    jobs.push({
      job_name: `not ${prometheus}`,
      static_configs: jobs.at(-1).static_configs,
      scrape_interval: '1s',
      scheme,
      tls_config: { ca_file: tls_config.ca_file },
    });
  }
  const prometheus = await startPrometheus(t, { scrape_configs: jobs });
  for (const { job_name } of jobs) {
    const isUp = job_name.startsWith('not ') ? '0' : '1';
    const values = await until(async () => {
      const [result] = await prometheus.query(`up{job="${job_name}"}`);
      return result && [result.value[1]];
    }, `${job_name} is scraped`);
    assert.deepEqual(values, [isUp], job_name);
  }
});

test("the shell's lines of docs/security.md make the hash of a token", { skip: NO_OPENSSL ?? false }, () => {
  const [lines] = SECTIONS.get('A token')!;
  const [token, hash] = execFileSync('sh', ['-c', `${lines}\necho "$token"`], { encoding: 'utf8' })
    .split('\n')
    .reverse()
    .slice(1);
  assert.match(token!, /^[0-9a-f]{64}$/);
  assert.equal(hash, `sha256:${createHash('sha256').update(token!).digest('hex')}`);
  parseWebConfig(`bearer_tokens:\n  agent: ${hash}`, '/');
});

test('docs/security.md tells every name of a web configuration, and what each type of client_auth_type does', () => {
  const known = (text: string) => {
    try {
      parseWebConfig(text, '/');
    } catch (error) {
      return /there are (.*)$/.exec((error as Error).message)![1]!.split(', ');
    }
    return assert.fail('a name that nobody knows is taken');
  };
  const sections = known('zzzzzzzzzzzzzzzz: 1');
  const told = [...DOCUMENT.matchAll(/^\| `([a-z_]+)` \| [^|]*\|$/gm)].map(([, name]) => name);
  assert.deepEqual(told, sections);
  for (const name of [
    ...known('tls_server_config: {zzzzzzzzzzzzzzzz: 1}'),
    ...known('http_server_config: {headers: {zzzzzzzzzzzzzzzz: 1}}'),
    ...known('rate_limit: {zzzzzzzzzzzzzzzz: 1}'),
  ]) {
    assert.ok(DOCUMENT.includes(`\`${name}\``), name);
  }
  const rows = [...DOCUMENT.matchAll(/^\| `(\w+Cert\w*)`[^|]* \| (\w+) \| (\w+) \| (\w+) \|$/gm)].map(
    ([, ...cells]) => cells,
  );
  const word = (isLetIn: boolean) => (isLetIn ? 'answered' : 'refused');
  const expected = [...CLIENT_POLICIES].flatMap(([name, { isRequired, isVerified }]) =>
    name === 'RequireClientCert' ? [] : [[name, word(!isRequired), 'answered', word(!isVerified)]],
  );
  assert.deepEqual(rows, expected);
});
