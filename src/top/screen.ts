/** The terminal while it is ours: another screen, raw keys; and as it was before, however this process ends or is stopped. */
import type { ReadStream, WriteStream } from 'node:tty';
import { type Line, paint } from './line.ts';

// xterm's: the alternate screen, the cursor hidden, lines not wrapped; and back.
const ENTER = '\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[2J';
const LEAVE = '\u001b[0m\u001b[?7h\u001b[?25h\u001b[?1049l';
const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface ScreenListeners {
  /** A chunk of what was typed. */
  onInput(input: string): void;
  /** It has another size, or has to be drawn again. */
  onChange(): void;
}

/** A terminal's screen. Made, it has the terminal; `close` gives it back. */
export class Screen {
  readonly #input: ReadStream;
  readonly #output: WriteStream;
  readonly #colours: boolean;
  readonly #listeners: ScreenListeners;
  #held = false;
  #closed = false;

  /** @param colours - false: bold and reversed are all there is */
  constructor(input: ReadStream, output: WriteStream, colours: boolean, listeners: ScreenListeners) {
    this.#input = input;
    this.#output = output;
    this.#colours = colours;
    this.#listeners = listeners;
    for (const signal of ENDING_SIGNALS) process.on(signal, this.#end);
    process.on('SIGTSTP', this.#stopped);
    process.on('SIGCONT', this.#resume);
    // Also of an uncaught error, before Node prints it.
    process.on('exit', this.#giveBack);
    output.on('resize', this.#listeners.onChange);
    // What is no terminal is somebody else's to read.
    if (input.isTTY) input.on('data', this.#read);
    this.#take();
  }

  get size(): { columns: number; rows: number } {
    return { columns: this.#output.columns || 80, rows: this.#output.rows || 24 };
  }

  /** Shows the lines, from the top: one write, so that nobody sees half of it. A terminal that is behind is left to catch up. */
  draw(lines: readonly Line[]): void {
    if (!this.#held || this.#output.writableNeedDrain) return;
    // Cleared before it is written: behind a full line the cursor is still on its last column.
    const rows = lines.map((line, i) => `\u001b[${i + 1};1H\u001b[2K${paint(line, this.#colours)}`);
    this.#output.write(`${rows.join('')}\u001b[J`);
  }

  close(): void {
    this.#closed = true;
    for (const signal of ENDING_SIGNALS) process.off(signal, this.#end);
    process.off('SIGTSTP', this.#stopped);
    process.off('SIGCONT', this.#resume);
    process.off('exit', this.#giveBack);
    this.#output.off('resize', this.#listeners.onChange);
    this.#input.off('data', this.#read);
    this.#giveBack();
  }

  /** Stops this process and those it runs with, npx for one, as Ctrl-Z does where the terminal reads it; all go on where they were. */
  suspend(): void {
    this.#stop(0);
  }

  readonly #stopped = (): void => this.#stop(process.pid);

  #stop(pid: number): void {
    this.#giveBack();
    process.off('SIGTSTP', this.#stopped);
    process.kill(pid, 'SIGTSTP');
    process.on('SIGTSTP', this.#stopped);
    // Without job control the signal does nothing, and nobody would send SIGCONT.
    setImmediate(this.#resume);
  }

  // Whoever had the terminal meanwhile may have left it in any way.
  readonly #resume = (): void => {
    if (this.#closed) return;
    this.#giveBack();
    this.#take();
    this.#listeners.onChange();
  };

  // What the signal would have done: whoever waits for this process is told how it ended.
  readonly #end = (signal: NodeJS.Signals): void => {
    this.close();
    process.kill(process.pid, signal);
  };

  readonly #read = (chunk: Buffer | string): void => this.#listeners.onInput(chunk.toString());

  #take(): void {
    if (this.#held) return;
    this.#held = true;
    if (this.#input.isTTY) {
      this.#input.setRawMode(true);
      this.#input.resume();
    }
    this.#output.write(ENTER);
  }

  readonly #giveBack = (): void => {
    if (!this.#held) return;
    this.#held = false;
    if (this.#input.isTTY) {
      this.#input.setRawMode(false);
      this.#input.pause();
    }
    this.#output.write(LEAVE);
  };
}
