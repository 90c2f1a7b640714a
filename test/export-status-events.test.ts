/** Holds src/export/status-events.ts: what has happened, newest first, with its time, whoever has seen it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { statusEvents } from '../src/export/status-events.ts';
import { Exits } from '../src/record/exits.ts';
import { Signals } from '../src/record/signals.ts';
import { EXIT_CAUSES, type ExitCause } from '../src/snapshot/exit-events.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { NOW_MONOTONIC_MS, NOW_MS, sceneOf } from './scenes.ts';

describe('events', () => {
  it('are exits by their reason and what took their place, newest first, by the wall clock', () => {
    const table = new SeriesTable();
    const exits = new Exits(table);
    exits.ended(worker(1), cause('quit'), ago(9000));
    exits.succeeded(exits.ended(worker(2), cause('kill'), ago(8000)), ago(500));
    exits.ended(worker(3, 4), cause('crash'), ago(1000));
    assert.deepEqual(statusEvents(sceneOf([{ table }]), 100), [
      { atMs: NOW_MS - 500, kind: 'restart', workerId: 'worker_2_2000', what: 'kill' },
      { atMs: NOW_MS - 1000, kind: 'exit', workerId: 'worker_3.4_3000', what: 'crash' },
      { atMs: NOW_MS - 8000, kind: 'exit', workerId: 'worker_2_2000', what: 'kill' },
      { atMs: NOW_MS - 9000, kind: 'exit', workerId: 'worker_1_1000', what: 'quit' },
    ]);
  });

  it('of one moment: a restart has come of its exit, that of the signal', () => {
    const table = new SeriesTable();
    const exits = new Exits(table);
    exits.succeeded(exits.ended(worker(2), cause('term'), ago(5)), ago(5));
    assert.deepEqual(kinds(table), ['restart', 'exit']);
  });

  it('of workers whose ids come back have times as well', () => {
    const table = new SeriesTable();
    const exits = new Exits(table);
    const slot = { ...worker(5), lastingId: 'worker_1' };
    exits.succeeded(exits.ended(slot, cause('abort'), ago(2000)), ago(1500));
    assert.deepEqual(statusEvents(sceneOf([{ table }]), 100), [
      { atMs: NOW_MS - 1500, kind: 'restart', workerId: 'worker_1', what: 'abort' },
      { atMs: NOW_MS - 2000, kind: 'exit', workerId: 'worker_1', what: 'abort' },
    ]);
  });

  it('are signals that somebody has sent, not those of the system to who has children and a window', () => {
    const table = new SeriesTable();
    const signals = new Signals(table);
    signals.begin();
    for (const signal of ['CHLD', 'HUP', 'WINCH']) signals.add(signal, 'any', ago(300));
    assert.deepEqual(statusEvents(sceneOf([{ table }]), 100), [
      { atMs: NOW_MS - 300, kind: 'signal', workerId: '', what: 'HUP' },
    ]);
  });

  it('are as many as there may be, the newest', () => {
    const table = new SeriesTable();
    const exits = new Exits(table);
    for (let n = 1; n <= 90; n += 1)
      exits.succeeded(exits.ended(worker(n), cause('quit'), ago(1000 - n)), ago(900 - n));
    const events = statusEvents(sceneOf([{ table }]), 100);
    assert.equal(events.length, 100);
    assert.equal(events[0]!.workerId, 'worker_90_90000');
    assert.deepEqual(
      events.map(({ atMs }) => atMs),
      events.map(({ atMs }) => atMs).sort((a, b) => b - a),
    );
  });

  it('that a file tells wrongly are left out, and spoil no other', () => {
    const table = new SeriesTable();
    const exits = new Exits(table);
    exits.ended(worker(1), cause('quit'), ago(1));
    exits.ended(worker(2), { reason: 'kill', restartType: 'forced' }, ago(1));
    for (const at of [Number.NaN, Number.POSITIVE_INFINITY, -5, 1e300]) exits.ended(worker(3), cause('quit'), at);
    assert.deepEqual(kinds(table), ['exit']);
  });
});

function kinds(table: SeriesTable): string[] {
  return statusEvents(sceneOf([{ table }]), 100).map(({ kind }) => kind);
}

function worker(clusterId: number, threadId = 0) {
  return { clusterId, threadId, startSeconds: clusterId * 1000 };
}

function cause(reason: ExitCause['reason']): ExitCause {
  return EXIT_CAUSES.find((known) => known.reason === reason)!;
}

function ago(ms: number): number {
  return NOW_MONOTONIC_MS - ms;
}
