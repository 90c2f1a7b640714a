#!/usr/bin/env node
/** bin `gunicorn-otel`: the only file that prints or sets an exit code. */
import { createRequire } from 'node:module';
import { check } from './check.ts';
import { checkText } from './check-text.ts';
import { SETTINGS, type Setting } from './config.ts';
import { textOf } from './setting-row.ts';
import { VERSION } from './start.ts';

const HELP = `Usage: node --import @x/gunicorn-otel/register server.js
       gunicorn-otel check [--json]     every setting, where it is from, what is wrong
       gunicorn-otel --help | --version

One Prometheus endpoint for every process of a Node service. Settings, read from the environment, or from the exports
of gunicorn.conf.mjs:

${(Object.values(SETTINGS) as Setting[]).map(helpOf).join('\n')}
`;

const [command, ...rest] = process.argv.slice(2);
if (command === '--version' || command === '-v') {
  process.stdout.write(`${VERSION}\n`);
} else if (command === undefined || command === '--help' || command === '-h') {
  process.stdout.write(HELP);
} else if (command !== 'check') {
  misused(`there is no ${command}`);
} else if (rest.some((argument) => argument !== '--json')) {
  misused(`check takes --json and nothing else`);
} else {
  const report = await check(process.env, process.cwd(), createRequire(import.meta.url).resolve);
  const text = rest.length > 0 ? `${JSON.stringify(report, null, 2)}\n` : checkText(report);
  // The config module was loaded, and may have begun something that would keep this process.
  process.stdout.write(text, () => process.exit(report.ok ? 0 : 1));
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
