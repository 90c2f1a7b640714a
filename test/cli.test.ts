/** Holds src/cli.ts, command-line.ts and command-help.ts: how the command is asked, what it answers, and how it ends. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { COMMAND_NAMES, COMMANDS, type Command, parseCommand } from '../src/command-line.ts';
import { SETTINGS } from '../src/config.ts';
import { CLI, runCli } from './cli.ts';
import { atEnd, until } from './processes.ts';

const COLUMNS = 80;

describe('what is not understood', () => {
  const misused: [args: string[], why: RegExp][] = [
    [['chek'], /^there is no command "chek"; is check meant\?; see gunicorn-otel --help$/],
    [['constructor'], /^there is no command "constructor"; see gunicorn-otel --help$/],
    [['--hlep'], /^there is no option --hlep; see gunicorn-otel --help$/],
    [['check', '--jsn'], /^there is no option --jsn; is --json meant\?; see gunicorn-otel check --help$/],
    [['check', '-x'], /^there is no option -x; see/],
    [['check', 'extra'], /^"extra" is one word too many; see gunicorn-otel check --help$/],
    [['check', '--json', 'extra'], /^"extra" is one word too many/],
    [['check', '--json=yes'], /^--json has no value/],
    [['serve', '--dir'], /^--dir needs DIR; see gunicorn-otel serve --help$/],
    [['serve', '--group', '--redis'], /^--group needs NAME/],
    [['serve', '--sum'], /^--dir and --group are for a group, --redis and --sum for a fleet/],
    [['serve', '--redis', '--dir', '/tmp'], /^--dir and --group are for a group/],
    [['top', '127.0.0.1:9090'], /^127\.0\.0\.1:9090 is no address: http:\/\/HOST:PORT/],
    [['top', 'http://me:s3cret@127.0.0.1:9090'], /^no user or password in the address: --user/],
    [['top', '--interval', 'often'], /^--interval often is no number of seconds from 0\.5/],
    [['top', '--interval', '0.1'], /^--interval 0\.1 is no number/],
    [['top', '--sort', 'memm'], /^--sort memm is no column; is mem meant\?/],
    [['top', '--user', 'me'], /^--user needs a password: in GUNICORN_OTEL_PASSWORD, or --password-file/],
    [['top', '--user', 'me:s3cret'], /^--user is the name alone/],
    [['top', '--user', 'me', '--bearer-file', 'x'], /^--user or --bearer-file, not both/],
    [['top', '--password-file', 'x'], /^--password-file needs --user/],
    [['top', '--cert', 'x'], /^--cert and --key go together/],
    [['top', '--password', 's3cret'], /^there is no option --password;/],
    [['top', 'http://a', 'http://b'], /^"http:\/\/b" is one word too many/],
  ];
  it('ends with 2, one line on stderr, and what may be meant', { timeout: 120_000 }, async (t) => {
    for (const [args, why] of misused) {
      const { code, stdout, stderr } = await runCli(t, args);
      assert.deepEqual([code, stdout], [2, ''], `${args.join(' ')}: ${stderr}`);
      assert.match(stderr, /^gunicorn-otel: [^\n]+\n$/);
      assert.match(stderr.slice('gunicorn-otel: '.length, -1), why);
      assert.doesNotMatch(stderr, /s3cret/);
    }
  });
});

describe('the parser', () => {
  it('takes values behind a space or a sign, and flags', () => {
    const line = parseCommand('top', ['--sort=cpu', 'http://a', '--interval', '5', '--once']);
    assert.deepEqual(line, { flags: new Set(['once']), values: { sort: 'cpu', interval: '5' }, words: ['http://a'] });
    assert.deepEqual(parseCommand('top', ['-h']), { flags: new Set(['help']), values: {}, words: [] });
  });
});

describe('help', () => {
  it('has every command first, then every setting with what it accepts', async (t) => {
    const { code, stdout } = await runCli(t, ['--help']);
    assert.equal(code, 0);
    const [commands = ''] = stdout.split('Settings, ');
    for (const { usage, summary } of Object.values(COMMANDS)) {
      for (const text of [...usage, summary]) assert.ok(commands.includes(`  ${text}\n`), text);
    }
    // On the first screen of a terminal.
    assert.ok(commands.split('\n').length <= 24, commands);
    for (const { variable, otelVariable, accepts, meaning } of Object.values(SETTINGS)) {
      const twin = otelVariable ? `, then ${otelVariable}` : '';
      assert.ok(stdout.includes(`\n  ${variable}${twin}\n      ${meaning}\n      ${accepts}; default: `), variable);
    }
    for (const args of [[], ['-h']]) assert.equal((await runCli(t, args)).stdout, stdout);
  });

  it('of a command has its options and no others, in 80 columns', async (t) => {
    for (const name of COMMAND_NAMES) {
      const { code, stdout } = await runCli(t, [name, '--help']);
      assert.equal(code, 0);
      const told = [...stdout.matchAll(/^ {2}--([\w-]+)/gm)].map(([, option]) => option);
      assert.deepEqual(told, Object.keys((COMMANDS[name] as Command).options), name);
      for (const line of stdout.split('\n')) assert.ok(line.length <= COLUMNS, line);
      assert.match(stdout, /Exit codes:\n {2}0 .*\n {2}1 .*\n {2}2 /);
    }
  });

  it('is no reason to begin anything', async (t) => {
    assert.match((await runCli(t, ['serve', '--dir', '/nowhere', '--help'])).stdout, /^Usage: gunicorn-otel serve/);
  });
});

describe('--version', () => {
  it('is the version and nothing else', async (t) => {
    for (const option of ['--version', '-v']) {
      const { code, stdout, stderr } = await runCli(t, [option]);
      assert.deepEqual([code, stderr], [0, '']);
      assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
    }
  });
});

describe('a reader that goes away', () => {
  it('is no error: nothing is said, and the exit code is what it would have been', async (t) => {
    for (const [args, code] of [
      [['--help'], 0],
      [['check'], 1],
    ] as const) {
      const child = spawn(process.execPath, [CLI, ...args], {
        stdio: ['ignore', 'pipe', 'pipe'],
        // Wrong, so that check ends with 1.
        env: { PATH: process.env['PATH'] ?? '', GUNICORN_WORKERS: 'many', PROMETHEUS_METRICS_PORT: '0' },
      });
      atEnd(t, () => child.kill('SIGKILL'));
      let stderr = '';
      child.stderr.on('data', (chunk) => {
        stderr += chunk;
      });
      // Before it has written anything.
      child.stdout.destroy();
      const ended = once(child, 'close');
      await until(() => child.exitCode !== null, 'its end');
      assert.deepEqual((await ended)[0], code, args.join());
      assert.equal(stderr, '', args.join());
    }
  });
});
