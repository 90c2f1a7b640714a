/** A parent that does as it is told, and its children; all of them are killed when the test is over, the detached, too. */
import assert from 'node:assert/strict';
import { sum } from './exposition.ts';
import { ANSWERS, endpointAt } from './one-endpoint.ts';
import { atEnd, fixture, freePort, type Owner, type Running, type StartOptions, start, until } from './processes.ts';
import { settled } from './request-count.ts';

export interface Family extends Running {
  /** Of the endpoint. */
  port: number;
  endpoint: Pick<Running, 'scrape'>;
  /** See the fixture for what it understands. */
  tell(line: string): void;
  /** Tells each of the ways. @returns the ports of the children, once all of them listen */
  children(...ways: string[]): Promise<number[]>;
  /** Tells the parent to listen. @returns its port */
  listen(): Promise<number>;
  /** Waits until exactly so many requests, and answers by the children's own counter, are in the sums. */
  counts(expected: { requests: number; answers: number }): Promise<void>;
}

/** Starts the parent alone, with a fixed port for the endpoint. */
export async function startFamily(owner: Owner, options: StartOptions = {}): Promise<Family> {
  const port = await freePort();
  const env = { PROMETHEUS_METRICS_PORT: String(port), ...options.env };
  const args = [fixture('does-as-it-is-told.mjs'), fixture('counts-its-answers.mjs')];
  const running = start(owner, args, { ...options, env, stdin: 'pipe' });
  // Its end does not come while a detached child has its output.
  atEnd(owner, () => {
    const started = running.output.stdout.matchAll(/^(?:fork|spawn|exec|detach|wipe) (\d+)$/gm);
    for (const [, pid] of started) kill(Number(pid));
  });
  const endpoint = endpointAt(port);
  const tell = (line: string) => void running.child.stdin!.write(`${line}\n`);
  const ports = () =>
    [...running.output.stdout.matchAll(/^ready on port (\d+)$/gm)].map(([, number]) => Number(number));
  const children: Family['children'] = async (...ways) => {
    const before = ports().length;
    ways.forEach(tell);
    await until(
      () => ports().length === before + ways.length,
      () => `${ways.length} children that listen; there is ${running.output.stdout}${running.output.stderr}`,
    );
    return ports().slice(before);
  };
  const listen = async () => {
    tell('listen');
    return Number((await running.says(/^listens on port (\d+)$/m))[1]);
  };
  const counts: Family['counts'] = async (expected) => {
    await settled(endpoint, expected.requests);
    await until(async () => sum(await endpoint.scrape(), ANSWERS) >= expected.answers, `${expected.answers} answers`);
    assert.equal(sum(await endpoint.scrape(), ANSWERS), expected.answers);
  };
  return { ...running, port, endpoint, tell, children, listen, counts };
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
