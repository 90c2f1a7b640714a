/**
 * `npm run test:transparency -- [--runs 3] [--cwd DIR] [--require | --import] -- <command>`: runs any test command without
 * and with the preload, by turns, and compares the outcome of each test. Exits with 1 when one that is not flaky without
 * us comes out otherwise. The command is to write TAP, or the JSON of mocha or jest, to stdout.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Contrast, compare } from './compare.ts';
import { type Outcomes, readOutcomes } from './outcomes.ts';

const REGISTER = {
  '--require': fileURLToPath(new URL('../../lib/register.cjs', import.meta.url)),
  '--import': new URL('../../lib/register.js', import.meta.url).href,
};
const { values, positionals: command } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '3' },
    cwd: { type: 'string', default: process.cwd() },
    require: { type: 'boolean' },
    import: { type: 'boolean' },
  },
});
const form = values.import ? '--import' : '--require';
const logs = mkdtempSync(join(tmpdir(), 'transparency-'));
const without: Outcomes[] = [];
const preloaded: Outcomes[] = [];

for (let run = 1; run <= Number(values.runs); run += 1) {
  without.push(await outcomesOf(`without-${run}`, {}));
  const directory = mkdtempSync(join(tmpdir(), 'transparency-group-'));
  const nodeOptions = [process.env['NODE_OPTIONS'], `${form}=${JSON.stringify(REGISTER[form])}`].filter(Boolean);
  preloaded.push(
    await outcomesOf(`preloaded-${run}`, {
      NODE_OPTIONS: nodeOptions.join(' '),
      PROMETHEUS_METRICS_PORT: '0',
      PROMETHEUS_MULTIPROC_DIR: directory,
    }),
  );
  rmSync(directory, { recursive: true, force: true });
}

const { differences, flaky } = compare(without, preloaded);
print('flaky without us', flaky);
print('differences', differences);
console.log(`tests without: ${without.map(countOf)}; with ${form}: ${preloaded.map(countOf)}`);
if (differences.length > 0) {
  console.log(`what each run has written is in ${logs}`);
  process.exitCode = 1;
} else {
  rmSync(logs, { recursive: true });
}

async function outcomesOf(name: string, env: Record<string, string>): Promise<Outcomes> {
  const [program, ...args] = command;
  if (program === undefined) throw new Error('which command? It stands behind --');
  const child = spawn(program, args, {
    cwd: values.cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      output[stream] += text;
    });
  }
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  for (const [stream, text] of Object.entries(output)) writeFileSync(join(logs, `${name}.${stream}`), text);
  return new Map([...readOutcomes(output.stdout), ['(exit code)', String(code)]]);
}

// Without the exit code.
function countOf(outcomes: Outcomes): number {
  return [...outcomes.values()].reduce((count, all) => count + all.split(',').length, -1);
}

function print(what: string, contrasts: readonly Contrast[]): void {
  console.log(`${what}: ${contrasts.length}`);
  for (const { title, without: before, preloaded: after } of contrasts) {
    console.log(`  ${title}\n    without: ${before.join(' | ')}\n    with:    ${after.join(' | ')}`);
  }
}
