/** Holds src/leadership.ts where no lock can be made; system-side-by-side-leader has the rest, with real processes. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import test, { type TestContext } from 'node:test';
import type { ExporterThread } from '../src/exporter-thread.ts';
import { Leadership } from '../src/leadership.ts';
import { setLogLevel } from '../src/report.ts';
import { holdLead, type Lead, readLeader, takeLead } from '../src/snapshot/leader.ts';
import { ownMark, type ProcessMark } from '../src/snapshot/process-mark.ts';
import { failing } from './failing-calls.ts';
import { atEnd, freshDirectory } from './processes.ts';
import { deadMark, startSleeper } from './sleepers.ts';

setLogLevel('none');

for (const code of ['ENOSPC', 'EACCES', 'EROFS']) {
  test(`members that can make no lock (${code}) lead on beside that of a dead one; one does when it can`, async (t) => {
    const directory = freshDirectory(t);
    takeLead(directory, { ...(await deadMark(t)), threadId: 0 }, 0, 1000);
    const marks = [ownMark(), (await startSleeper(t)).mark];
    const restore = failing(t, 'openSync', code);
    const members = marks.map((mark) => contend(t, directory, mark));
    for (let look = 0; look < 3; look += 1) for (const member of members) member.look();
    for (const { leads, losses } of members) {
      assert.deepEqual([leads.length, losses()], [1, 0]);
      assert.equal(leads[0]!.startMs, 1000, 'the totals began with the group');
    }
    assert.deepEqual(readdirSync(directory), ['leader-1']);
    restore();
    for (let look = 0; look < 3; look += 1) for (const member of members) member.look();
    assert.deepEqual(
      members.map(({ losses }) => losses()),
      [0, 1],
    );
    assert.equal(readLeader(directory)!.holder!.pid, process.pid);
  });
}

test('a member that can make no lock takes the lead from nobody who lives', (t) => {
  const directory = freshDirectory(t);
  // A thread of this process, from which it would take it over.
  takeLead(directory, { ...ownMark(), threadId: 3 }, 0, 1000);
  const restore = failing(t, 'openSync', 'EROFS');
  assert.deepEqual(contend(t, directory, ownMark()).leads, []);
  restore();
  assert.equal(contend(t, directory, ownMark()).leads[0]!.number, 2);
});

// One that may lead, whose exporter looks when it is told.
function contend(t: TestContext, directory: string, mark: ProcessMark) {
  const leads: Lead[] = [];
  let losses = 0;
  let look = () => {};
  const leadership = new Leadership({
    directory,
    own: { mark, threadId: 0 },
    contends: true,
    patient: false,
    makeExporter(lead, onLost) {
      leads.push(lead);
      look = () => {
        if (holdLead(directory, lead)) return;
        losses += 1;
        onLost();
      };
      return {
        stop: () => {
          look = () => {};
        },
      } as ExporterThread;
    },
    onLead: () => {},
  });
  atEnd(t, () => leadership.stop());
  leadership.begin();
  return { leads, losses: () => losses, look: () => look() };
}
