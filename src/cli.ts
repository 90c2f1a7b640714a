#!/usr/bin/env node
/** bin `gunicorn-otel`: the only file that prints or sets an exit code. */
import { createRequire } from 'node:module';
import { check } from './check.ts';
import { checkText } from './check-text.ts';
import { commandHelp, generalHelp } from './command-help.ts';
import { COMMANDS, type CommandLine, type CommandName, parseCommand, unknownCommand } from './command-line.ts';
import { messageOf } from './errors.ts';
import { ownManifest } from './manifest.ts';
import { serve, serveFleet } from './serve.ts';
import { top } from './top.ts';
import { topOptions } from './top-options.ts';

const RUN: Readonly<Record<CommandName, (line: CommandLine) => void | Promise<void>>> = {
  async check({ flags }) {
    const report = await check(process.env, process.cwd(), createRequire(import.meta.url).resolve);
    const text = flags.has('json') ? `${JSON.stringify(report, null, 2)}\n` : checkText(report);
    process.exitCode = report.ok ? 0 : 1;
    // The config module was loaded, and may have begun something that would keep this process.
    process.stdout.write(text, () => process.exit());
  },
  serve({ flags, values: { dir, group } }) {
    const [redis, sum] = [flags.has('redis'), flags.has('sum')];
    if (redis ? dir || group : sum) {
      return misused('--dir and --group are for a group, --redis and --sum for a fleet', 'serve');
    }
    const served = redis
      ? serveFleet(process.env, process.cwd(), sum)
      : serve(process.env, process.cwd(), { ...(dir && { dir }), ...(group && { group }) });
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => void served.stop().then(() => process.exit()));
    }
  },
  async top(line) {
    const { stdin, stdout, env } = process;
    const options = topOptions(line, env['GUNICORN_OTEL_PASSWORD']);
    if (typeof options === 'string') return misused(options, 'top');
    const end = await top(options, { stdin, stdout, env, cwd: process.cwd() });
    if (end?.misused) misused(end.problem, 'top');
    else if (end) failed(end.problem);
    // As above.
    stdout.write('', () => process.exit());
  },
};

// Whoever has read enough, `head` for one, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') failed(messageOf(error));
  process.exit();
});

const [first = '--help', ...rest] = process.argv.slice(2);
try {
  if (first === '--version' || first === '-v') process.stdout.write(`${ownManifest().version}\n`);
  else if (first === '--help' || first === '-h') process.stdout.write(generalHelp());
  else if (Object.hasOwn(COMMANDS, first)) await run(first as CommandName, rest);
  else misused(first.startsWith('-') ? `there is no option ${first}` : unknownCommand(first));
} catch (error) {
  failed(messageOf(error));
}

async function run(command: CommandName, args: string[]): Promise<void> {
  const line = parseCommand(command, args);
  if (typeof line === 'string') misused(line, command);
  else if (line.flags.has('help')) process.stdout.write(commandHelp(command));
  else await RUN[command](line);
}

function failed(why: string): void {
  process.stderr.write(`gunicorn-otel: ${why}\n`);
  process.exitCode = 1;
}

function misused(why: string, command?: CommandName): void {
  process.stderr.write(`gunicorn-otel: ${why}; see gunicorn-otel ${command ? `${command} ` : ''}--help\n`);
  process.exitCode = 2;
}
