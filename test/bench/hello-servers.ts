/**
 * What is compared: one hello world by each framework, bare, with this package preloaded, and with what else counts
 * requests, used as its own documentation shows. Their programs are in test/fixtures/bench, and run in a scratch folder.
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { parseExposition, sum } from '../exposition.ts';
import { type Owner, ROOT, type Running, start, until } from '../processes.ts';
import { request } from '../requests.ts';
import { type Scratch, scratch } from './scratch.ts';

export type Framework = 'http' | 'express' | 'fastify';

export interface Variant {
  /** As a table has it: the package that counts the requests, if it is another's. */
  readonly name: string;
  readonly program: string;
  /** Whether the name is that of a package besides ours. */
  readonly isPeer?: boolean;
  /** Of its metrics, the one that counts requests; undefined: it counts none. */
  readonly counter?: string;
  readonly preload?: 'ours' | 'subscribes-in-vain.mjs';
  readonly env?: Record<string, string>;
}

export interface Server {
  readonly variant: Variant;
  readonly running: Running;
  readonly port: number;
}

const FOLDER = 'bench';
const OWN_COUNTER = 'http_server_request_duration_seconds_count';
/** What each says when it listens, and where. */
export const READY = /^ready on port (\d+)/m;
// Their handlers say so by this name, and the packages that name it themselves call it the same.
const COUNTER = 'http_request_duration_seconds_count';

const HTTP: readonly Variant[] = [
  { name: 'bare', program: 'http.mjs' },
  { name: 'ours', program: 'http.mjs', counter: OWN_COUNTER, preload: 'ours' },
  { name: 'prom-client', program: 'http-client.mjs', counter: COUNTER, isPeer: true },
  { name: '@prometheus-io/client', program: 'http-client.mjs', counter: COUNTER, isPeer: true },
  {
    name: '@opentelemetry/instrumentation-http',
    program: 'http-otel.cjs',
    counter: 'http_server_request_duration_count',
    isPeer: true,
  },
];
const EXPRESS: readonly Variant[] = [
  { name: 'bare', program: 'express.mjs' },
  { name: 'ours', program: 'express.mjs', counter: OWN_COUNTER, preload: 'ours' },
  { name: 'prom-client', program: 'express-client.mjs', counter: COUNTER, isPeer: true },
  { name: '@prometheus-io/client', program: 'express-client.mjs', counter: COUNTER, isPeer: true },
  { name: 'express-prom-bundle', program: 'express-bundle.mjs', counter: COUNTER, isPeer: true },
];
const FASTIFY: readonly Variant[] = [
  { name: 'bare', program: 'fastify.mjs' },
  { name: 'ours', program: 'fastify.mjs', counter: OWN_COUNTER, preload: 'ours' },
  { name: 'prom-client', program: 'fastify-client.mjs', counter: COUNTER, isPeer: true },
  { name: '@prometheus-io/client', program: 'fastify-client.mjs', counter: COUNTER, isPeer: true },
  { name: 'fastify-metrics', program: 'fastify-metrics.mjs', counter: COUNTER, isPeer: true },
];
const VARIANTS = { http: HTTP, express: EXPRESS, fastify: FASTIFY };

/** Parts of what ours does, of `http`: they tell where its time goes. */
export const STAGES = {
  node: { name: "Node's channels alone", program: 'http.mjs', preload: 'subscribes-in-vain.mjs' },
  idle: {
    name: 'ours, not counting',
    program: 'http.mjs',
    preload: 'ours',
    env: { OTEL_NODE_DISABLED_INSTRUMENTATIONS: 'http' },
  },
} as const satisfies Readonly<Record<string, Variant>>;

/** The scratch folder of that Node, with all that the variants need. @throws when npm cannot install it */
export function scratchOfVariants(nodeMajor: number): Scratch {
  const peers = ['express@5', 'fastify@5', 'prom-client@15', 'express-prom-bundle', 'fastify-metrics'];
  // It does not support older ones.
  const folder = scratch(nodeMajor, nodeMajor >= 22 ? [...peers, '@prometheus-io/client@0.16'] : peers);
  cpSync(join(ROOT, 'test/fixtures/bench'), join(folder.directory, FOLDER), { recursive: true });
  return folder;
}

/** Those whose package supports that Node; the first is the bare one. */
export function variantsOf(framework: Framework, folder: Scratch): readonly Variant[] {
  return VARIANTS[framework].filter(({ name, isPeer }) => !isPeer || folder.has(name));
}

/** As a table has it. */
export function titleOf({ name, isPeer }: Variant, folder: Scratch): string {
  return isPeer ? `${name} ${folder.versionOf(name)}` : name;
}

/** A program of test/fixtures/bench, where it finds the packages. */
export function inFolder({ directory }: Scratch, program: string): string {
  return join(directory, FOLDER, program);
}

/** What Node is given to run it, what is preloaded left out. */
export function programOf({ name, program, isPeer }: Variant, folder: Scratch): readonly string[] {
  return [inFolder(folder, program), ...(isPeer ? [name] : [])];
}

/** Starts one; it ends with its owner. @throws when it does not start */
export async function serve(owner: Owner, variant: Variant, folder: Scratch): Promise<Server> {
  const { preload, env = {} } = variant;
  const app = programOf(variant, folder);
  const others = preload && preload !== 'ours' ? ['--import', inFolder(folder, preload)] : [];
  const running = start(owner, [...others, ...app], {
    command: folder.node,
    cwd: folder.directory,
    preload: preload === 'ours' ? '--import' : 'none',
    env,
  });
  return { variant, running, port: Number((await running.says(READY))[1]) };
}

/** A server that counted nothing would be cheap. @throws when not each of the requests was counted, once */
export async function assertCounted({ variant, running, port }: Server, requests: number): Promise<void> {
  const { name, counter, preload } = variant;
  if (counter === undefined) return;
  const [, own] = running.output.stdout.match(/^metrics at (\S+)/m) ?? [];
  const url = preload === 'ours' ? await running.metricsUrl() : (own ?? `http://127.0.0.1:${port}/metrics`);
  // What is published last is published within milliseconds. The first scrape that has them all is the one that is read:
  // some count scrapes as well.
  const count = await until(
    async () => {
      const counted = sum(parseExposition((await request(url)).body), counter);
      return counted >= requests && counted;
    },
    () => `${requests} requests counted by ${name}`,
  );
  if (count !== requests) throw new Error(`${name} was sent ${requests} requests and has counted ${count}`);
}
