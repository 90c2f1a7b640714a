#!/usr/bin/env node
/** bin `gunicorn-otel`: the only file that prints or sets an exit code. */
import { SETTINGS, type Setting } from './config.ts';
import { textOf } from './setting-row.ts';
import { VERSION } from './start.ts';

const HELP = `Usage: node --import @x/gunicorn-otel/register server.js
       gunicorn-otel --help | --version

One Prometheus endpoint for every process of a Node service. Settings, read from the environment:

${(Object.values(SETTINGS) as Setting[]).map(helpOf).join('\n')}
`;

const [command] = process.argv.slice(2);
if (command === '--version' || command === '-v') {
  process.stdout.write(`${VERSION}\n`);
} else if (command === undefined || command === '--help' || command === '-h') {
  process.stdout.write(HELP);
} else {
  process.stderr.write(`gunicorn-otel: there is no ${command}; see gunicorn-otel --help\n`);
  process.exitCode = 2;
}

function helpOf(setting: Setting): string {
  const { variable, otelVariable, meaning, accepts, fallback } = setting;
  const twin = otelVariable ? `, then ${otelVariable}` : '';
  return `  ${variable}${twin}\n      ${meaning}\n      ${accepts}; default: ${textOf(setting, fallback) || 'not set'}`;
}
