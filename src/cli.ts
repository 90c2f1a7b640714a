#!/usr/bin/env node
/** bin `gunicorn-otel`: the only file that prints or sets an exit code. */
import { SETTINGS } from './config.ts';
import { VERSION } from './start.ts';

const HELP = `Usage: node --import @x/gunicorn-otel/register server.js
       gunicorn-otel --help | --version

One Prometheus endpoint for every process of a Node service. Settings, read from the environment:

${Object.values(SETTINGS)
  .map(
    ({ variable, meaning, fallback, accepts }) =>
      `  ${variable}\n      ${meaning}\n      ${accepts}; default: ${fallback}`,
  )
  .join('\n')}
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
