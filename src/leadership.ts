/** Whether this process leads its group, which is to run its exporter; who does not lead watches the one who does. */
import { clearInterval, setInterval } from 'node:timers';
import { messageOf } from './errors.ts';
import type { ExporterThread } from './exporter-thread.ts';
import { report } from './report.ts';
import type { FileOwner } from './snapshot/directory.ts';
import { hasEnded, leaveGroup, namesakeOf } from './snapshot/group.ts';
import {
  type Holder,
  isHeld,
  type Lead,
  LeaderWatch,
  leadBehind,
  readLeader,
  releaseLead,
  takeLead,
} from './snapshot/leader.ts';
import { isForeign, isSameProcess, ownTask } from './snapshot/process-mark.ts';

// With the start of an exporter, the endpoint is back within a second or so after its leader has died.
const LOOK_MS = 500;
// A thread leaves it to its process, which it has woken: unless the process is blocked.
const PATIENT_LOOK_MS = 2000;
const NO_HANDLE = new Set(['EMFILE', 'ENFILE', 'ENOMEM']);

export interface LeadershipOptions {
  /** Of the group, absolute. */
  readonly directory: string;
  /** Of this process or thread. */
  readonly own: FileOwner;
  /** False in those that end with their leader: the workers of its cluster. */
  readonly contends: boolean;
  /** For a thread whose process is to lead: takes only what nobody has taken for a while. */
  readonly patient: boolean;
  /** Makes the group's exporter, which says when somebody else has taken the lead. */
  readonly makeExporter: (lead: Lead, onLost: () => void) => ExporterThread;
  /** Told each time this process takes the lead. */
  readonly onLead: (exporter: ExporterThread) => void;
}

/** One per member. */
export class Leadership {
  readonly #options: LeadershipOptions;
  readonly #holder: Holder;
  #lead: Lead | undefined;
  #exporter: ExporterThread | undefined;
  #look: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: LeadershipOptions) {
    const { mark, threadId } = options.own;
    const task = threadId === 0 ? undefined : ownTask();
    this.#options = options;
    this.#holder = { ...mark, threadId, ...(task && { task }) };
  }

  /** The group's exporter, in the process that leads. */
  get exporter(): ExporterThread | undefined {
    return this.#exporter;
  }

  /**
   * Whether the workers that this process forks are known by their number alone: of the primaries in a group, those of
   * one, which leads it or which it is named after.
   */
  get isFirst(): boolean {
    const namesake = namesakeOf(this.#options.directory);
    return namesake ? isSameProcess(namesake, this.#holder) : this.#lead !== undefined;
  }

  /** Takes the lead where nobody has it, and else watches who has. @throws never */
  begin(): void {
    const { directory, own } = this.#options;
    const leader = readLeader(directory);
    // One that leads because this process was blocked may be terminated any time.
    const isOwnThread = own.threadId === 0 && leader?.holder?.threadId && isSameProcess(leader.holder, own.mark);
    this.#contend(isOwnThread ? leader.number : undefined);
  }

  /** Ends the exporter, and gives the lead to others. */
  stop(): void {
    this.#stopped = true;
    clearInterval(this.#look);
    this.#exporter?.stop();
    this.#release();
  }

  /**
   * Leaves the group, the last file written; deletes it when nobody is left. Synchronous: for the exit of the process.
   *
   * @param livesOn - see leaveGroup
   */
  leave(livesOn: boolean): void {
    this.#release();
    leaveGroup(this.#options.directory, this.#options.own, this.#lead !== undefined, livesOn);
  }

  #release(): void {
    if (this.#lead) releaseLead(this.#options.directory, this.#lead);
  }

  #contend(after?: number): void {
    const { directory, contends, patient } = this.#options;
    if (!contends || this.#stopped) return;
    const watch = new LeaderWatch(directory);
    if (!patient && this.#tryToLead(after ?? watch.vacancy())) return;
    const look = () => {
      if (hasEnded(directory) || this.#tryToLead(watch.vacancy())) clearInterval(this.#look);
    };
    this.#look = setInterval(look, patient ? PATIENT_LOOK_MS : LOOK_MS).unref();
  }

  #tryToLead(after: number | undefined): boolean {
    const { directory, makeExporter, onLead } = this.#options;
    if (after === undefined) return false;
    let lead: Lead | undefined;
    try {
      lead = takeLead(directory, this.#holder, after, Date.now());
    } catch (error) {
      // It is over in a moment, and says nothing of who leads.
      if (NO_HANDLE.has((error as NodeJS.ErrnoException).code ?? '')) return false;
      // One that lives leads on, though it may not be able to touch its lock, either.
      const leader = readLeader(directory);
      if (leader?.holder && !isForeign(leader.holder) && isHeld(directory, leader)) return false;
      // Where nothing can be written nobody else can make one: the port alone decides.
      report('warn', `no lock can be made in ${directory} (${messageOf(error)}): process ${process.pid} leads without`);
      lead = leadBehind(directory, this.#holder, after, Date.now());
    }
    if (!lead) return false;
    if (lead.number > 1) report('info', `process ${process.pid} takes over the metrics of ${directory}`);
    this.#lead = lead;
    this.#exporter = makeExporter(lead, () => this.#lost());
    onLead(this.#exporter);
    return true;
  }

  #lost(): void {
    if (this.#stopped) return;
    report('info', `process ${process.pid} has handed over the metrics of ${this.#options.directory}`);
    this.#exporter?.stop();
    this.#exporter = undefined;
    this.#lead = undefined;
    this.#contend();
  }
}
