/** A real terminal for the tests that need one: tmux, on a socket of its own, ended with its test. */
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { atEnd, freshDirectory, type Owner, until } from './processes.ts';

/** Why tests with tmux are skipped; false when they are not. */
export const NO_TMUX = spawnSync('tmux', ['-V']).status !== 0 && 'no tmux on the path: apt-get install tmux';

export interface Terminal {
  /** Types a line for the shell, once it asks for one: what is typed before that is shown in odd places. */
  run(command: string): Promise<void>;
  /** What is typed: tmux's names of keys, or text. */
  keys(...keys: string[]): void;
  /** What is on the screen, a line a row. @param colours - with the escape sequences of its attributes */
  screen(colours?: boolean): string[];
  /** Waits until a line matches. @returns the whole screen then */
  shows(pattern: RegExp): Promise<string[]>;
  /** Waits until no line matches. */
  hides(pattern: RegExp): Promise<string[]>;
  resize(columns: number, rows: number): void;
  /** What tmux says of the pane: `alternate_on`, `cursor_flag`, `wrap_flag`, `pane_pid`. */
  flag(name: string): string;
}

/** A terminal with a shell in it, `$ ` or `# ` its prompt. @param env - of the shell, beside PATH */
export function startTerminal(
  owner: Owner,
  { columns, rows, env = {} }: { columns: number; rows: number; env?: Record<string, string> },
): Terminal {
  const socket = join(freshDirectory(owner), 'tmux');
  const tmux = (...args: string[]) =>
    execFileSync('tmux', ['-u', '-S', socket, '-f', '/dev/null', ...args], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'] ?? '', TERM: 'xterm-256color', LANG: 'C.UTF-8' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const variables = Object.entries(env).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
  atEnd(owner, () => spawnSync('tmux', ['-S', socket, 'kill-server']));
  // `set -m`: job control, as a login has it.
  tmux('new-session', '-d', '-x', String(columns), '-y', String(rows), ...variables, 'exec sh -i');
  const screen = (colours = false) =>
    tmux('capture-pane', '-p', ...(colours ? ['-e'] : []))
      .replace(/\n$/, '')
      .split('\n');
  const shown = (what: string) => () => `${what}; there is\n${screen().join('\n')}`;
  const isAsking = () => /^[$#]$/.test(screen().join('\n').trimEnd().split('\n').at(-1)!.trimEnd());
  return {
    run: async (command) => {
      await until(isAsking, shown('the prompt of the shell'));
      tmux('send-keys', '-l', command);
      tmux('send-keys', 'Enter');
    },
    keys: (...keys) => void tmux('send-keys', ...keys),
    screen,
    shows: (pattern) =>
      until(
        () => {
          const lines = screen();
          return lines.some((line) => pattern.test(line)) && lines;
        },
        shown(`a line ${pattern}`),
      ),
    hides: (pattern) =>
      until(
        () => {
          const lines = screen();
          return !lines.some((line) => pattern.test(line)) && lines;
        },
        shown(`no line ${pattern}`),
      ),
    resize: (width, height) => void tmux('resize-window', '-x', String(width), '-y', String(height)),
    flag: (name) => tmux('display-message', '-p', `#{${name}}`).trim(),
  };
}
