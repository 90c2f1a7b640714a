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
  return lines(
    'Usage: node --import @x/gunicorn-otel/register server.js',
    '',
    'One Prometheus endpoint for every process of a Node service.',
    '',
    ...all.flatMap(([, { usage, summary }]) => [...usage.map((way) => `  ${way}`), `      ${summary}`]),
    '  gunicorn-otel COMMAND --help | --help | --version',
    '',
    ...exitCodes(),
    '',
    'Settings, read from the environment or from the exports of gunicorn.conf.mjs',
    '(docs/configuration.md has more of each):',
    '',
    ...(Object.values(SETTINGS) as Setting[]).map(settingText),
  );
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
  return lines(
    ...usage.map((way, i) => `${i === 0 ? 'Usage: ' : '       '}${way}`),
    '',
    summary,
    '',
    ...rows,
    '',
    ...exitCodes(),
  );
}

function lines(...all: string[]): string {
  return `${all.join('\n')}\n`;
}

function exitCodes(): string[] {
  return ['Exit codes:', ...EXIT_CODES.map(([code, meaning]) => `  ${code}  ${meaning}`)];
}

function settingText(setting: Setting): string {
  const { variable, otelVariable, meaning, accepts, fallback } = setting;
  const twin = otelVariable ? `, then ${otelVariable}` : '';
  return `  ${variable}${twin}\n      ${meaning}\n      ${accepts}; default: ${textOf(setting, fallback) || 'not set'}`;
}

function wrapped(text: string, columns: number): string[] {
  const broken: string[] = [''];
  for (const word of text.split(' ')) {
    const last = broken.at(-1)!;
    if (last !== '' && last.length + 1 + word.length > columns) broken.push(word);
    else broken[broken.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return broken;
}
