/** A Next.js app as its documentation deploys it, the standalone server, in a cluster; installed from the tarball. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { sum } from '../exposition.ts';
import { npm, packTarball } from '../npm.ts';
import { freePort, freshDirectory, start, until } from '../processes.ts';
import { answered, COUNT, settled } from '../request-count.ts';
import { request } from '../requests.ts';

const WORKERS = 2;
const PRODUCTS = 10;
const FILES: Readonly<Record<string, string>> = {
  'package.json': '{ "private": true }',
  'next.config.js': "module.exports = { output: 'standalone' };",
  'app/layout.js': 'export default ({ children }) => <html><body>{children}</body></html>;',
  'app/page.js': "export const dynamic = 'force-dynamic';\nexport default () => <p>shop</p>;",
  'app/products/[id]/page.js':
    "export const dynamic = 'force-dynamic';\nexport default async ({ params }) => <p>{(await params).id}</p>;",
  'primary.mjs': [
    "import cluster from 'node:cluster';",
    "cluster.setupPrimary({ exec: '.next/standalone/server.js' });",
    `for (let i = 0; i < ${WORKERS}; i += 1) cluster.fork();`,
  ].join('\n'),
};

test('the standalone server of Next.js in a cluster is counted exactly', async (t) => {
  const home = freshDirectory(t);
  for (const [name, text] of Object.entries(FILES)) {
    mkdirSync(dirname(join(home, name)), { recursive: true });
    writeFileSync(join(home, name), text);
  }
  npm(home, process.execPath, ['install', packTarball(), '@opentelemetry/api', 'next', 'react', 'react-dom']);
  const build = [join(home, 'node_modules', 'next', 'dist', 'bin', 'next'), 'build'];
  execFileSync(process.execPath, build, {
    cwd: home,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, NEXT_TELEMETRY_DISABLED: '1' },
  });
  const port = await freePort();
  const env = { PORT: String(port), HOSTNAME: '127.0.0.1' };
  const app = start(t, [join(home, 'primary.mjs')], { cwd: home, env });
  let probes = 0;
  await until(async () => {
    const answer = await request(`http://127.0.0.1:${port}/`).catch(() => undefined);
    if (answer) probes += 1;
    return answer?.status === 200;
  }, 'an answer');
  for (let id = 1; id <= PRODUCTS; id += 1) await request(`http://127.0.0.1:${port}/products/${id}`);
  await request(`http://127.0.0.1:${port}/nothing`);
  const samples = await settled(app, probes + PRODUCTS + 1);
  t.assert.equal(sum(samples, COUNT, answered('GET', '/products/:id', '200')), PRODUCTS);
  t.assert.equal(sum(samples, COUNT, answered('GET', 'unmatched', '404')), 1);
});
