/**
 * What a part of the bench has found, as Markdown: printed while it runs, and put into docs/benchmarks.md under the
 * part's heading, with the machine and the versions that it ran on.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';

const PAGE = fileURLToPath(new URL('../../../docs/benchmarks.md', import.meta.url));
const HEAD = `# Benchmarks

Written by \`npm run bench\`, part by part: \`npm run bench -- <part>\` measures one again and replaces its section. What each
part does is told at the top of its file in \`test/bench/\`. A target that is missed says where the time goes.
`;

/** A limit that was set before anything was measured. */
export interface Target {
  readonly what: string;
  /** At most so much. */
  readonly limit: number;
  readonly is: number;
  readonly unit: string;
  /** Said when it is missed: what takes the rest. */
  readonly because?: string;
}

/** The findings of one part; each call also prints. */
export class Report {
  readonly #lines: string[] = [];

  /** A paragraph, in Markdown. */
  say(text: string): void {
    this.#add([text, '']);
  }

  /** @param rows - cells as they are to be read; the first column is text, the others figures */
  table(head: readonly string[], rows: readonly (readonly string[])[]): void {
    const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]!.length)));
    const lineOf = (cells: readonly string[]) =>
      `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(' | ')} |`;
    const rule = widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
    this.#add([lineOf(head), lineOf(rule), ...rows.map(lineOf), '']);
  }

  target({ what, limit, is, unit, because }: Target): void {
    const met = is <= limit;
    const why = met || because === undefined ? '' : ` ${because}`;
    this.#add([`- target: ${what} ≤ ${limit} ${unit}: **${met ? 'met' : 'missed'}**, ${shortest(is)} ${unit}.${why}`]);
  }

  /** Everything since the beginning. */
  get text(): string {
    return `${this.#lines.join('\n').trimEnd()}\n`;
  }

  #add(lines: readonly string[]): void {
    // Targets are a list: what comes behind it is a new paragraph.
    if (this.#lines.at(-1)?.startsWith('- ') && !lines[0]!.startsWith('- ')) this.#lines.push('');
    this.#lines.push(...lines);
    console.log(lines.join('\n'));
  }
}

/** What is told of a section besides its text. */
export interface SectionOptions {
  /** Part of the cores' time that the machine's host took while it was measured, 0 to 1. */
  readonly stolen?: number | undefined;
  readonly page?: string;
}

/** Replaces the section of a part, or adds it behind those that are there. */
export function writeSection(
  part: string,
  title: string,
  text: string,
  { stolen, page = PAGE }: SectionOptions = {},
): void {
  const before = existsSync(page) ? readFileSync(page, 'utf8') : HEAD;
  const [head, ...sections] = before.split(/^(?=## )/m);
  const heading = `## ${title} (\`${part}\`)\n`;
  const section = `${heading}\n${machine(stolen)}\n\n${text}\n`;
  const at = sections.findIndex((each) => each.startsWith(heading.slice(0, heading.indexOf('\n'))));
  if (at === -1) sections.push(section);
  else sections[at] = section;
  writeFileSync(page, `${[head!, ...sections].map((each) => each.trimEnd()).join('\n\n')}\n`);
}

function machine(stolen: number | undefined): string {
  const gigabytes = Math.round(totalmem() / 1024 ** 3);
  const cpu = cpus()[0]?.model.trim();
  const host = stolen === undefined ? '' : `; its host took ${(stolen * 100).toFixed(0)} % of the cores' time`;
  const day = new Date().toISOString().slice(0, 10);
  return `${day}, commit ${commit()}, Node ${process.version} unless told, ${process.platform} ${process.arch}, ${cpus().length} × ${cpu}, ${gigabytes} GB${host}.`;
}

function commit(): string {
  const git = (...args: string[]) => execFileSync('git', args, { encoding: 'utf8' }).trim();
  try {
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', 'src') === '' ? '' : ' and changes');
  } catch {
    return 'unknown';
  }
}

function shortest(value: number): string {
  return value.toFixed(Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0);
}
