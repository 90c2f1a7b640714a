/** What `--help` says: of all commands, and of each. */
import { COMMANDS, type Command, type CommandName } from './command-line.ts';
import { SETTINGS, type Setting } from './config.ts';
import { textOf } from './setting-row.ts';

const COLUMNS = 80;

/** How a command ends, by exit code. */
export const EXIT_CODES: readonly (readonly [code: number, meaning: string])[] = [
  [0, 'well'],
  [1, 'something is wrong, or could not be had; a line on stderr says what'],
  [2, 'the command line was not understood'],
];

/** `gunicorn-otel --help`. */
export function generalHelp(): string {
  const all = Object.entries(COMMANDS as Record<string, Command>);
  return `Usage: node --import @x/gunicorn-otel/register server.js

One Prometheus endpoint for every process of a Node service.

${all.map(([, { usage, summary }]) => `${usage.map((way) => `  ${way}\n`).join('')}      ${summary}\n`).join('')}  gunicorn-otel --help | --version | COMMAND --help

${exitCodes()}
Settings, read from the environment or from the exports of gunicorn.conf.mjs
(docs/configuration.md has more of each):

${(Object.values(SETTINGS) as Setting[]).map(settingText).join('\n')}
`;
}

/** `gunicorn-otel COMMAND --help`. */
export function commandHelp(name: CommandName): string {
  const { usage, summary, options } = COMMANDS[name] as Command;
  const titles = Object.entries(options).map(([option, { value }]) => `--${option}${value ? ` ${value}` : ''}`);
  const width = Math.max(...titles.map((title) => title.length)) + 4;
  const rows = Object.values(options).map(({ meaning }, i) => {
    const [first, ...more] = wrapped(meaning, COLUMNS - width);
    return [`  ${titles[i]!.padEnd(width - 2)}${first}`, ...more.map((line) => ' '.repeat(width) + line)].join('\n');
  });
  return `${usage.map((way, i) => `${i === 0 ? 'Usage: ' : '       '}${way}\n`).join('')}
${summary}

${rows.join('\n')}

${exitCodes()}`;
}

function exitCodes(): string {
  return `Exit codes:\n${EXIT_CODES.map(([code, meaning]) => `  ${code}  ${meaning}\n`).join('')}`;
}

function settingText(setting: Setting): string {
  const { variable, otelVariable, meaning, accepts, fallback } = setting;
  const twin = otelVariable ? `, then ${otelVariable}` : '';
  return `  ${variable}${twin}\n      ${meaning}\n      ${accepts}; default: ${textOf(setting, fallback) || 'not set'}`;
}

function wrapped(text: string, columns: number): string[] {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1)!;
    if (last !== '' && last.length + 1 + word.length > columns) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
}
