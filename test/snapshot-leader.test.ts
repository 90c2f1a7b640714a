/** Holds src/snapshot/leader.ts: one leads at a time, whoever dies, hangs or is slow, and when. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { markEnded } from '../src/snapshot/directory.ts';
import {
  type Holder,
  holdLead,
  isHeld,
  isLeading,
  LeaderWatch,
  leadBehind,
  readLeader,
  releaseLead,
  STALE_MS,
  takeLead,
} from '../src/snapshot/leader.ts';
import { ownMark } from '../src/snapshot/process-mark.ts';
import { failing } from './failing-calls.ts';
import { freshDirectory, start } from './processes.ts';
import { deadMark, startSleeper } from './sleepers.ts';

const OWN: Holder = { ...ownMark(), threadId: 0 };
const START_MS = 1_700_000_000_000;
const CONTENDERS = 6;
const TURNS = 60;

describe('the lead', () => {
  it('is taken by the first, and nobody else while that one lives', (t) => {
    const directory = freshDirectory(t);
    assert.equal(readLeader(directory), undefined);
    assert.equal(new LeaderWatch(directory).vacancy(), 0);
    const lead = takeLead(directory, OWN, 0, START_MS)!;
    assert.deepEqual(lead, { number: 1, holder: OWN, startMs: START_MS });
    assert.deepEqual(readLeader(directory)!.holder, OWN);
    assert.equal(new LeaderWatch(directory).vacancy(), undefined);
    assert.equal(takeLead(directory, OWN, 0, START_MS), undefined);
    assert.ok(holdLead(directory, lead));
  });

  it('goes to the next when its holder is dead, with the moment the totals began', async (t) => {
    const directory = freshDirectory(t);
    takeLead(directory, { ...(await deadMark(t)), threadId: 0 }, 0, START_MS);
    assert.equal(new LeaderWatch(directory).vacancy(), 1);
    assert.deepEqual(takeLead(directory, OWN, 1, START_MS + 1), { number: 2, holder: OWN, startMs: START_MS });
    assert.deepEqual(readdirSync(directory), ['leader-2']);
  });

  it('goes to the next at once when it was given back, and its number is not taken again', (t) => {
    const directory = freshDirectory(t);
    releaseLead(directory, takeLead(directory, OWN, 0, START_MS)!);
    assert.equal(isHeld(directory, readLeader(directory)!), false);
    assert.equal(new LeaderWatch(directory).vacancy(), 1);
    assert.equal(takeLead(directory, OWN, 0, START_MS), undefined);
    assert.equal(takeLead(directory, OWN, 1, 5)!.startMs, START_MS);
  });

  it('goes to the next when its thread has ended though its process lives', (t) => {
    const directory = freshDirectory(t);
    takeLead(directory, { ...OWN, threadId: 3 }, 0, START_MS);
    assert.equal(new LeaderWatch(directory).vacancy(), undefined);
    markEnded(directory, OWN, 3);
    assert.equal(new LeaderWatch(directory).vacancy(), 1);
  });

  it('goes to the next when it is not touched for long by the clock of who watches, whatever the time of the file', async (t) => {
    const directory = freshDirectory(t);
    const { mark } = await startSleeper(t);
    const lead = takeLead(directory, { ...mark, threadId: 0 }, 0, START_MS)!;
    const watch = new LeaderWatch(directory);
    const yearAgo = Date.now() / 1000 - 365 * 86_400;
    utimesSync(join(directory, 'leader-1'), yearAgo, yearAgo);
    assert.equal(watch.vacancy(0), undefined);
    assert.equal(watch.vacancy(STALE_MS - 1), undefined);
    assert.ok(holdLead(directory, lead));
    assert.equal(watch.vacancy(STALE_MS), undefined);
    assert.equal(watch.vacancy(2 * STALE_MS - 1), undefined);
    assert.equal(watch.vacancy(2 * STALE_MS), 1);
  });

  it('of another pid namespace is judged by its touches alone', (t) => {
    const directory = freshDirectory(t);
    takeLead(directory, { pid: 1, processStart: 1, namespace: 7, threadId: 0 }, 0, START_MS);
    const watch = new LeaderWatch(directory);
    assert.equal(watch.vacancy(0), undefined);
    assert.equal(watch.vacancy(STALE_MS), 1);
  });

  it('is lost to whoever has taken it meanwhile', (t) => {
    const directory = freshDirectory(t);
    const lead = takeLead(directory, OWN, 0, START_MS)!;
    const next = takeLead(directory, { ...OWN, threadId: 1 }, 1, START_MS)!;
    assert.equal(holdLead(directory, lead), false);
    assert.ok(holdLead(directory, next));
  });

  it('without a lock is held beside that of a dead one, and made a lock of by the first who can', async (t) => {
    const directory = freshDirectory(t);
    takeLead(directory, { ...(await deadMark(t)), threadId: 0 }, 0, START_MS);
    const [lead, other] = [OWN, { ...OWN, threadId: 1 }].map((holder) => leadBehind(directory, holder, 1, Date.now()));
    assert.deepEqual(lead, { number: 2, holder: OWN, startMs: START_MS }, 'since when the totals count is known');
    const restore = failing(t, 'openSync', 'ENOSPC');
    for (let look = 0; look < 3; look += 1) assert.ok(holdLead(directory, lead!) && holdLead(directory, other!));
    assert.deepEqual(readdirSync(directory), ['leader-1']);
    restore();
    assert.ok(holdLead(directory, lead!));
    assert.equal(holdLead(directory, other!), false, 'of two that led without, one leads on');
    assert.deepEqual(readLeader(directory)!.holder, OWN);
  });

  it('whose lock was made on a full disk is of one when there is room, whoever has led behind the same number', (t) => {
    const directory = freshDirectory(t);
    const leads = [0, 1].map((threadId) => leadBehind(directory, { ...OWN, threadId }, 3, START_MS));
    writeFileSync(join(directory, 'leader-4'), '');
    const held = leads.map((lead) => holdLead(directory, lead));
    assert.deepEqual(held, [true, false]);
    assert.deepEqual(readLeader(directory)!.holder, leads[0]!.holder);
    assert.ok(holdLead(directory, leads[0]!));
  });

  it('is had though a lower number cannot be deleted', (t) => {
    const directory = freshDirectory(t);
    mkdirSync(join(directory, 'leader-3'));
    const lead = takeLead(directory, OWN, 3, START_MS)!;
    assert.equal(lead.number, 4);
    assert.ok(holdLead(directory, lead));
  });

  it('is told as lost to who only looks, and nothing is made or touched by that', (t) => {
    const directory = freshDirectory(t);
    const lead = takeLead(directory, OWN, 0, START_MS)!;
    utimesSync(join(directory, 'leader-1'), 1, 1);
    assert.ok(isLeading(directory, lead));
    assert.equal(statSync(join(directory, 'leader-1')).mtimeMs, 1000);
    rmSync(join(directory, 'leader-1'));
    assert.ok(isLeading(directory, lead));
    assert.deepEqual(readdirSync(directory), []);
    takeLead(directory, { ...OWN, threadId: 1 }, 1, START_MS);
    assert.equal(isLeading(directory, lead), false);
  });

  it('is not had by one so slow that its number was passed and deleted', (t) => {
    const directory = freshDirectory(t);
    writeFileSync(join(directory, 'leader-5'), '{}');
    assert.equal(takeLead(directory, OWN, 2, START_MS), undefined);
    assert.deepEqual(readdirSync(directory), ['leader-5']);
  });

  it('is held on when somebody deletes its file, or the whole directory', (t) => {
    const directory = freshDirectory(t);
    const lead = takeLead(directory, OWN, 0, START_MS)!;
    rmSync(join(directory, 'leader-1'));
    assert.ok(holdLead(directory, lead));
    assert.deepEqual(readLeader(directory)!.holder, OWN);
    rmSync(directory, { recursive: true });
    assert.ok(holdLead(directory, lead));
  });

  it('is left to its holder for a while when the whole directory was deleted and is there again without the lock', (t) => {
    const directory = freshDirectory(t);
    const lead = takeLead(directory, OWN, 0, START_MS)!;
    const watch = new LeaderWatch(directory);
    assert.equal(watch.vacancy(0), undefined);
    rmSync(join(directory, 'leader-1'));
    assert.equal(watch.vacancy(STALE_MS - 1), undefined);
    assert.equal(watch.vacancy(STALE_MS), 0, 'its holder lives, and does not come back');
    assert.ok(holdLead(directory, lead));
    assert.equal(watch.vacancy(STALE_MS), undefined);
  });

  it('of a dead holder is free at once when its lock was deleted, too', async (t) => {
    const directory = freshDirectory(t);
    const { mark, kill } = await startSleeper(t);
    takeLead(directory, { ...mark, threadId: 0 }, 0, START_MS);
    const watch = new LeaderWatch(directory);
    assert.equal(watch.vacancy(0), undefined);
    await kill();
    rmSync(join(directory, 'leader-1'));
    assert.equal(watch.vacancy(1), 0);
  });

  it('with a file that says nothing is held, for a while', (t) => {
    const directory = freshDirectory(t);
    for (const text of ['', '{', 'null', '[]', '{"holder":{"pid":"x"}}']) {
      writeFileSync(join(directory, 'leader-1'), text);
      const watch = new LeaderWatch(directory);
      assert.equal(watch.vacancy(0), undefined, text);
      assert.equal(watch.vacancy(STALE_MS), 1, text);
    }
  });

  it('touches its file', (t) => {
    const directory = freshDirectory(t);
    const lead = takeLead(directory, OWN, 0, START_MS)!;
    utimesSync(join(directory, 'leader-1'), 1, 1);
    holdLead(directory, lead);
    assert.ok(statSync(join(directory, 'leader-1')).mtimeMs > 1_600_000_000_000);
  });

  it('is had by one at a time while many processes contend for it, give it back and die with it', async (t) => {
    const directory = freshDirectory(t);
    const contenders = Array.from({ length: CONTENDERS }, () => contend(t, directory));
    // Some die where they stand.
    await contenders[0]!.says(/^led$/m);
    for (const doomed of contenders.slice(0, 2)) doomed.child.kill('SIGKILL');
    for (const contender of contenders.slice(2)) {
      const { code } = await contender.ended();
      assert.equal(code, 0, contender.output.stderr);
    }
    assert.ok(!existsSync(join(directory, 'violated')));
    const { number } = readLeader(directory)!;
    assert.ok(number >= (CONTENDERS - 2) * TURNS, `${number}`);
  });
});

// A process that leads TURNS times, each time asserting that no living one does beside it.
function contend(t: TestContext, directory: string) {
  const module = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
  const source = `
    import { readFileSync, renameSync, writeFileSync } from 'node:fs';
    import { setTimeout as delay } from 'node:timers/promises';
    import { LeaderWatch, releaseLead, takeLead } from ${module('../src/snapshot/leader.js')};
    import { isAlive, ownMark } from ${module('../src/snapshot/process-mark.js')};
    const directory = ${JSON.stringify(directory)};
    const inside = directory + '/inside';
    const holder = { ...ownMark(), threadId: 0 };
    const say = (mark) => {
      writeFileSync(inside + process.pid, JSON.stringify(mark));
      renameSync(inside + process.pid, inside);
    };
    const watch = new LeaderWatch(directory);
    for (let turns = 0; turns < ${TURNS}; ) {
      const after = watch.vacancy();
      const lead = after === undefined ? undefined : takeLead(directory, holder, after, 1);
      if (lead === undefined) {
        await delay(Math.random() * 3);
        continue;
      }
      try {
        const other = JSON.parse(readFileSync(inside, 'utf8'));
        if (other.pid !== 0 && isAlive(other)) {
          writeFileSync(directory + '/violated', '');
          throw new Error('two lead: ' + JSON.stringify([other, holder]));
        }
      } catch (error) {
        if (error.code !== 'ENOENT') throw error;
      }
      say(holder);
      if (turns === 0) console.log('led');
      if (turns % 10 === 0) await delay(1);
      say({ pid: 0 });
      releaseLead(directory, lead);
      turns += 1;
    }`;
  return start(t, ['--input-type=module', '--eval', source], { preload: 'none' });
}
