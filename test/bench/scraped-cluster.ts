/**
 * A cluster of `fixtures/bench/keeps-recording.mjs`, measured by ours or by a peer. Its processes are told what to do by a
 * connection of the bench's own, the same for all: not by cluster's channel, which a peer's scrape has to go through.
 */
import { cpSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { atEnd, fixture, freshDirectory, type Owner, start, until } from '../processes.ts';
import { type Download, download } from './download.ts';
import type { Variant } from './variants.ts';

const START_DEADLINE_MS = 120_000;

export interface ClusterOptions {
  readonly workers: number;
  /** Of one histogram of the app's, in each worker; 0: requests are measured, by what is the default of each. */
  readonly labelSets: number;
}

/** One process of it. */
export interface Member {
  readonly role: 'primary' | 'worker';
  readonly pid: number;
  /** Where the workers answer. */
  readonly port?: number;
  /**
   * `meter` begins to watch the event loop, `reset` begins anew, `stall` just asks, `block <ms>` holds it up.
   *
   * @returns the longest stall since the last reset, in milliseconds
   */
  ask(order: string): Promise<number>;
}

export interface ScrapedCluster {
  readonly primary: Member;
  /** Those that have begun to serve and are alive. */
  workers(): readonly Member[];
  /** The app's. */
  readonly port: number;
  scrape(encoding?: 'gzip' | 'identity'): Promise<Download>;
}

/** Resolves when every worker serves, and has recorded into each label set. */
export async function startScrapedCluster(
  owner: Owner,
  { scratch, peer }: Variant,
  { workers, labelSets }: ClusterOptions,
): Promise<ScrapedCluster> {
  // Beside the packages, where its imports find them.
  const programs = join(scratch.directory, 'programs');
  cpSync(fixture('bench'), programs, { recursive: true });
  const socket = join(freshDirectory(owner), 'bench');
  const members = await listenForMembers(owner, socket);
  const measures = peer ? 'measures-with-peer.mjs' : 'measures-with-ours.mjs';
  const program = [join(programs, 'keeps-recording.mjs'), measures, String(workers), String(labelSets)];
  const running = start(owner, program, {
    command: scratch.node,
    cwd: scratch.directory,
    preload: peer ? 'none' : '--import',
    env: { BENCH_SOCKET: socket, PROMETHEUS_BIND_ADDRESS: '127.0.0.1', ...(peer && { BENCH_PEER: peer }) },
  });
  const living = () => members.filter(({ role }) => role === 'worker');
  await until(
    () => living().length === workers && members.length === workers + 1,
    () => `${workers} workers, there are ${living().length}; ${running.output.stderr}`,
    START_DEADLINE_MS,
  );
  const url = peer ? (await running.says(/^metrics at (\S+)$/m))[1]! : await running.metricsUrl();
  return {
    primary: members.find(({ role }) => role === 'primary')!,
    workers: living,
    port: living()[0]!.port!,
    scrape: (encoding) => download(url, encoding),
  };
}

// Each introduces itself; a process that ends takes its connection with it.
async function listenForMembers(owner: Owner, path: string): Promise<readonly Member[]> {
  const members: Member[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const asked: { order: string; answer(line: string): void; refuse(error: Error): void }[] = [];
    const ask = (order: string) =>
      new Promise<number>((resolve, reject) => {
        asked.push({ order, answer: (line) => resolve(Number(line)), refuse: reject });
        socket.write(`${order}\n`);
      });
    let own: Member | undefined;
    createInterface({ input: socket }).on('line', (line) => {
      if (own) return asked.shift()?.answer(line);
      own = { ...JSON.parse(line), ask };
      members.push(own!);
    });
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => {
      sockets.delete(socket);
      if (own) members.splice(members.indexOf(own), 1);
      for (const { order, refuse } of asked) refuse(new Error(`process ${own?.pid} has ended before "${order}"`));
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  atEnd(owner, () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return members;
}
