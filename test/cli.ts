/** Runs `gunicorn-otel` as a user would, to its end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { freshDirectory, type Owner, ROOT } from './processes.ts';

/** The command's file, as it is packed. */
export const CLI = join(ROOT, 'dist/lib/cli.js');

export interface CliEnd {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** @param env - beside PATH and a directory for groups of its own */
export async function runCli(owner: Owner, args: string[], env: Record<string, string> = {}): Promise<CliEnd> {
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd: freshDirectory(owner),
    env: {
      PATH: process.env['PATH'] ?? '',
      PROMETHEUS_MULTIPROC_DIR: join(freshDirectory(owner), 'multiproc'),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  });
  const [stdout, stderr, [code]] = await Promise.all([
    child.stdout.toArray(),
    child.stderr.toArray(),
    once(child, 'close'),
  ]);
  return { code: code as number, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
}
