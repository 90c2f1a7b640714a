/** Which process is which, and whether it lives: a pid alone says neither, it may be another's tomorrow. */

// Imported, it would be made an ES module of first, in every process: docs/decisions/053-asleep.md.
const { readFileSync, readlinkSync } = process.getBuiltinModule('node:fs');

/** A process, told from a later one with the same pid. */
export interface ProcessMark {
  readonly pid: number;
  readonly processStart: number;
  /** In which its pid means something; not there: that of whoever asks. */
  readonly namespace?: number;
}

/** This process's own mark. @throws never */
export function ownMark(): Required<ProcessMark> {
  const start = processStart(process.pid);
  return {
    pid: process.pid,
    processStart: typeof start === 'number' ? start : ownStartMs(),
    namespace: pidNamespace(),
  };
}

let startMs: number | undefined;

// Asked for once, and only where the system does not tell: tests of the app may put another clock in its place.
function ownStartMs(): number {
  startMs ??= Math.floor(performance.timeOrigin);
  return startMs;
}

/** The mark of another process of this pid namespace; undefined when it is gone or cannot be looked at. @throws never */
export function markOf(pid: number): Required<ProcessMark> | undefined {
  const start = processStart(pid);
  return typeof start === 'number' ? { pid, processStart: start, namespace: pidNamespace() } : undefined;
}

/** The system's thread that a worker thread runs in, told from a later one with the same id. */
export interface Task {
  readonly id: number;
  readonly start: number;
}

/** The task of the thread that asks; undefined where there are none to be seen (not Linux, /proc closed). @throws never */
export function ownTask(): Task | undefined {
  try {
    const id = Number(/\d+$/.exec(readlinkSync('/proc/thread-self'))?.[0]);
    const start = processStart(process.pid, id);
    return typeof start === 'number' ? { id, start } : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a thread is known to have ended, terminated or not, though nobody has said so. @throws never */
export function isTaskOver(mark: ProcessMark, task: Task | undefined): boolean {
  if (!task || isForeign(mark)) return false;
  const found = processStart(mark.pid, task.id);
  return found === 'gone' || (found !== undefined && found !== task.start);
}

/** A mark as one word. */
export function formatMark({ pid, processStart, namespace = pidNamespace() }: ProcessMark): string {
  return `${pid}-${processStart}-${namespace}`;
}

/** Whether two marks are of the same process. */
export function isSameProcess(a: ProcessMark, b: ProcessMark): boolean {
  return formatMark(a) === formatMark(b);
}

/** Whether it is of another pid namespace (a container on the same volume): whether it lives, its files alone tell. */
export function isForeign({ namespace }: ProcessMark): boolean {
  return namespace !== undefined && namespace !== pidNamespace();
}

/**
 * Whether a process is still there and still the same one; a zombie is dead. One that cannot be looked at is alive.
 * Where the start time cannot be read (not Linux, /proc closed), the pid alone decides.
 */
export function isAlive(mark: ProcessMark): boolean {
  if (isForeign(mark)) return true;
  const { pid, processStart: expected } = mark;
  const start = processStart(pid);
  if (start === 'gone') return false;
  if (start !== undefined) return start === expected;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

let ownNamespace: number | undefined;

/** The pid namespace of this process: a pid of another one says nothing here. 0 where there are none. @throws never */
export function pidNamespace(): number {
  ownNamespace ??= readNamespace();
  return ownNamespace;
}

function readNamespace(): number {
  try {
    return Number(/\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? 0);
  } catch {
    return 0;
  }
}

// proc(5): the state is the first field behind the parenthesised name, the start time the 20th. Undefined where it cannot
// be told (not Linux, no handle left, /proc closed): only a process that is known to be gone may be taken for dead.
function processStart(pid: number, task?: number): number | 'gone' | undefined {
  try {
    // As UTF-8 it is read without a buffer of 64 KB per look.
    const stat = readFileSync(`/proc/${pid}${task === undefined ? '' : `/task/${task}`}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? 'gone' : Number(fields[19]);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return process.platform === 'linux' && (code === 'ENOENT' || code === 'ESRCH') ? 'gone' : undefined;
  }
}
