/**
 * What a request costs the server more with this package than without: both servers run side by side and take turns at
 * rounds of a fixed number of requests; CPU time is the operating system's own count for all threads of the process.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Report } from './report.ts';

const TARGET_MICROSECONDS = 1;
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 31);
const WARM_UP_ROUNDS = 3;
const REQUESTS = Number(process.env['BENCH_REQUESTS'] ?? 10_240);
const CONNECTIONS = 32;
const REQUEST = 'GET /hello HTTP/1.1\r\nHost: bench\r\n\r\n';

const SERVER = fileURLToPath(new URL('../../../test/fixtures/hello-server.mjs', import.meta.url));
const REGISTER = fileURLToPath(new URL('../../src/register.js', import.meta.url));

const VARIANTS: Readonly<Record<string, readonly string[]>> = {
  bare: [],
  ours: ['--import', REGISTER],
};

interface Server {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly port: number;
}

/** Prints added CPU per request. @throws when a server does not start, or CPU time cannot be read (not on Linux) */
export async function requestCost(_report: Report): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'gunicorn-otel-bench-'));
  const servers = new Map<string, Server>();
  const costs = new Map<string, number[]>(Object.keys(VARIANTS).map((name) => [name, []]));
  try {
    for (const [name, execArgs] of Object.entries(VARIANTS)) servers.set(name, await start(execArgs, directory));
    for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
      // Every other round in the other order: what drifts drifts for both.
      const order = round % 2 === 0 ? [...servers] : [...servers].reverse();
      for (const [name, server] of order) {
        const microseconds = await cpuPerRequest(server);
        if (round >= 0) costs.get(name)!.push(microseconds);
      }
    }
    await assertCounted(directory, (ROUNDS + WARM_UP_ROUNDS) * CONNECTIONS * Math.floor(REQUESTS / CONNECTIONS));
  } finally {
    for (const { child } of servers.values()) await end(child);
    rmSync(directory, { recursive: true, force: true });
  }
  print(costs.get('bare')!, costs.get('ours')!);
}

async function start(execArgs: readonly string[], directory: string): Promise<Server> {
  const env = { ...process.env, PROMETHEUS_METRICS_PORT: '0', PROMETHEUS_MULTIPROC_DIR: directory };
  const child = spawn(process.execPath, [...execArgs, SERVER], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string];
  return { child, pid: child.pid!, port: Number(line) };
}

async function end(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill();
  await exited;
}

async function cpuPerRequest({ pid, port }: Server): Promise<number> {
  const before = cpuNanoseconds(pid);
  await Promise.all(Array.from({ length: CONNECTIONS }, () => load(port, Math.floor(REQUESTS / CONNECTIONS))));
  return (cpuNanoseconds(pid) - before) / REQUESTS / 1000;
}

// A server that counted nothing would be cheap.
async function assertCounted(directory: string, expected: number): Promise<void> {
  const [group] = readdirSync(directory);
  const { url } = JSON.parse(readFileSync(join(directory, group!, 'exporter.json'), 'utf8')) as { url: string };
  const text = await (await fetch(url)).text();
  const counted = Number(/^gunicorn_worker_requests_total\{.*\} (\d+)$/m.exec(text)?.[1]);
  if (counted !== expected) throw new Error(`${expected} requests were sent, ${counted} were counted`);
}

// One connection, one request after another. Every response has the same length, learnt from the first.
function load(port: number, requests: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(REQUEST));
    let left = requests;
    let length = 0;
    let received = 0;
    socket.setNoDelay(true);
    socket.on('error', reject);
    socket.on('data', (bytes) => {
      received += bytes.length;
      if (length === 0) length = received;
      if (received < length) return;
      received = 0;
      left -= 1;
      if (left > 0) socket.write(REQUEST);
      else socket.end(resolve);
    });
  });
}

// First field of schedstat: time on a CPU in nanoseconds, per thread.
function cpuNanoseconds(pid: number): number {
  let sum = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    sum += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]);
  }
  return sum;
}

function print(bare: readonly number[], ours: readonly number[]): void {
  const added = ours.map((cost, round) => cost - bare[round]!);
  const rows = { bare, ours, added };
  console.log(
    `request-cost: server CPU per request in µs, ${ROUNDS} rounds of ${REQUESTS} requests, ${CONNECTIONS} connections`,
  );
  console.log(`Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}`);
  for (const [name, values] of Object.entries(rows)) {
    const sorted = [...values].sort((a, b) => a - b);
    const at = (part: number) => sorted[Math.round((sorted.length - 1) * part)]!.toFixed(2).padStart(7);
    console.log(`  ${name.padEnd(6)} median ${at(0.5)}   quartiles ${at(0.25)} ${at(0.75)}   min ${at(0)}`);
  }
  const median = [...added].sort((a, b) => a - b)[Math.floor(added.length / 2)]!;
  const verdict = median <= TARGET_MICROSECONDS ? 'met' : 'missed';
  console.log(
    `  target: at most +${TARGET_MICROSECONDS.toFixed(1)} µs: ${verdict} (+${median.toFixed(2)} µs, × ${(1 + median / Math.min(...bare)).toFixed(2)})`,
  );
}
