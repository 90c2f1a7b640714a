/** Holds src/top/view.ts: what keys mean. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { actionsOf, firstView, nextView, SORTABLE, type View } from '../src/top/view.ts';

function after(typed: string, view = firstView(undefined)): View {
  return actionsOf(typed).reduce(nextView, view);
}

describe('keys', () => {
  it('of one chunk are told apart, in both ways that terminals send arrows', () => {
    assert.deepEqual(actionsOf('q\u0003\u001b[C\u001bOD\u001b[5~\u001a'), [
      'quit',
      'quit',
      'right',
      'left',
      'pageUp',
      'suspend',
    ]);
    assert.deepEqual(actionsOf(''), []);
    // Of xterm in its two modes, of tmux and the console, of rxvt.
    assert.deepEqual(actionsOf('\u001b[H\u001bOH\u001b[1~\u001b[7~'), Array(4).fill('home'));
    assert.deepEqual(actionsOf('\u001b[F\u001bOF\u001b[4~\u001b[8~'), Array(4).fill('end'));
  });

  it('that mean nothing do nothing, a sequence as a whole included', () => {
    assert.deepEqual(actionsOf('x注\u001b[1;5Q\u001b'), ['other', 'other', 'other', 'other']);
    assert.deepEqual(after('x注\u001b[1;5Q\u001b'), firstView(undefined));
    // Names that every object has.
    assert.deepEqual(actionsOf('\u001b[999~'), ['other']);
  });

  it('choose the column that the table in front is sorted by, round and round', () => {
    const { workers } = SORTABLE;
    assert.equal(after('\u001b[C').sorts.workers.column, workers[1]);
    assert.equal(after('\u001b[D').sorts.workers.column, workers.at(-1));
    assert.equal(after('>'.repeat(workers.length)).sorts.workers.column, workers[0]);
    assert.equal(after('R<').sorts.routes.column, 'route');
    assert.deepEqual(after('R<').sorts.workers, firstView(undefined).sorts.workers);
  });

  it('turn the order around; another column begins in its own', () => {
    assert.equal(after('r').sorts.workers.reversed, true);
    assert.equal(after('rr').sorts.workers.reversed, false);
    assert.equal(after('r>').sorts.workers.reversed, false);
  });

  it('go through workers, routes and events', () => {
    assert.deepEqual(
      ['', '\t', '\t\t', '\t\t\t', 'R', 'e', 'ew'].map((typed) => after(typed).tab),
      ['workers', 'routes', 'events', 'workers', 'routes', 'events', 'workers'],
    );
  });

  it('scroll, never above the first row, and another table begins at its first', () => {
    assert.equal(after('jjk').offset, 1);
    assert.equal(after('jkk').offset, 0);
    assert.equal(after('\u001b[6~j').offset, 11);
    assert.equal(after('\u001b[6~\u001b[H').offset, 0);
    assert.equal(after('j\t').offset, 0);
  });

  it('pause, and show help until any key', () => {
    assert.equal(after(' ').paused, true);
    assert.equal(after('  ').paused, false);
    assert.equal(after('?').help, true);
    assert.deepEqual(after('?x'), firstView(undefined));
    // It closes the help and does nothing else.
    assert.deepEqual(after('?r'), firstView(undefined));
  });
});

describe('--sort', () => {
  it('is for the tables that have the column', () => {
    assert.deepEqual(
      Object.values(firstView('p95').sorts).map(({ column }) => column),
      ['p95', 'p95'],
    );
    assert.deepEqual(
      Object.values(firstView('cpu').sorts).map(({ column }) => column),
      ['cpu', 'req/s'],
    );
  });
});
