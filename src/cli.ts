#!/usr/bin/env node
/** bin `gunicorn-otel`: the only file that prints or sets an exit code. */
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import { check } from './check.ts';
import { checkText } from './check-text.ts';
import { SETTINGS, type Setting } from './config.ts';
import { messageOf } from './errors.ts';
import { serve, serveFleet } from './serve.ts';
import { textOf } from './setting-row.ts';
import { VERSION } from './start.ts';

const HELP = `Usage: node --import @x/gunicorn-otel/register server.js
       gunicorn-otel check [--json]     every setting, where it is from, what is wrong
       gunicorn-otel serve --dir DIR [--group NAME]
                                        the endpoint of a group as a process of its own
       gunicorn-otel serve --redis [--sum]
                                        one endpoint for all groups that forward to Redis; summed over instances
       gunicorn-otel --help | --version

One Prometheus endpoint for every process of a Node service. Settings, read from the environment, or from the exports
of gunicorn.conf.mjs:

${(Object.values(SETTINGS) as Setting[]).map(helpOf).join('\n')}
`;

const SERVE_OPTIONS = {
  dir: { type: 'string' },
  group: { type: 'string' },
  redis: { type: 'boolean' },
  sum: { type: 'boolean' },
} as const;

const COMMANDS: Readonly<Record<string, (args: string[]) => void | Promise<void>>> = {
  '--version': () => void process.stdout.write(`${VERSION}\n`),
  '-v': () => void process.stdout.write(`${VERSION}\n`),
  '--help': () => void process.stdout.write(HELP),
  '-h': () => void process.stdout.write(HELP),
  async check(args) {
    const { json } = parseArgs({ args, options: { json: { type: 'boolean' } } }).values;
    const report = await check(process.env, process.cwd(), createRequire(import.meta.url).resolve);
    const text = json ? `${JSON.stringify(report, null, 2)}\n` : checkText(report);
    // The config module was loaded, and may have begun something that would keep this process.
    process.stdout.write(text, () => process.exit(report.ok ? 0 : 1));
  },
  serve(args) {
    const { dir, group, redis, sum } = parseArgs({ args, options: SERVE_OPTIONS }).values;
    if (redis ? dir || group : sum) return misused('--dir and --group are for a group, --redis and --sum for a fleet');
    const served = redis
      ? serveFleet(process.env, process.cwd(), sum === true)
      : serve(process.env, process.cwd(), { ...(dir && { dir }), ...(group && { group }) });
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => void served.stop().then(() => process.exit()));
    }
  },
};

const [command = '--help', ...rest] = process.argv.slice(2);
try {
  if (Object.hasOwn(COMMANDS, command)) await COMMANDS[command]!(rest);
  else misused(`there is no ${command}`);
} catch (error) {
  const { code } = error as NodeJS.ErrnoException;
  if (code?.startsWith('ERR_PARSE_ARGS')) misused(messageOf(error));
  else {
    process.stderr.write(`gunicorn-otel: ${messageOf(error)}\n`);
    process.exitCode = 1;
  }
}

function misused(why: string): void {
  process.stderr.write(`gunicorn-otel: ${why}; see gunicorn-otel --help\n`);
  process.exitCode = 2;
}

function helpOf(setting: Setting): string {
  const { variable, otelVariable, meaning, accepts, fallback } = setting;
  const twin = otelVariable ? `, then ${otelVariable}` : '';
  return `  ${variable}${twin}\n      ${meaning}\n      ${accepts}; default: ${textOf(setting, fallback) || 'not set'}`;
}
