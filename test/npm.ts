/** npm as this machine has it, run by whichever Node is to be the one that packages are resolved for. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** @throws when it fails; what it says of that is on stderr */
export function npm(cwd: string, node: string, args: readonly string[]): void {
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
  execFileSync(node, [npmCli(), ...args, ...quiet], { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
}

/** Packs this tree as it is built. @returns the tarball's path, its name without a version; there until this process ends */
export function packTarball(): string {
  const directory = mkdtempSync(join(tmpdir(), 'gunicorn-otel-pack-'));
  npm(ROOT, process.execPath, ['pack', '--ignore-scripts', '--pack-destination', directory]);
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const [name = ''] = readdirSync(directory);
  const path = join(directory, 'x-gunicorn-otel.tgz');
  renameSync(join(directory, name), path);
  return path;
}

// `npm run` tells where npm is; else it lies beside the Node that runs.
function npmCli(): string {
  const beside = join(dirname(realpathSync(process.execPath)), '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js');
  return process.env['npm_execpath'] ?? beside;
}
