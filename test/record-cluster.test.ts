/** Holds causeOfExit of src/record/cluster.ts, the whole table; the rest of it is held with real clusters, see system-restarts. */
import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { describe, it } from 'node:test';
import { causeOfExit } from '../src/record/cluster.ts';
import { EXIT_CAUSES } from '../src/snapshot/exit-events.ts';

const REASON_OF_SIGNAL: Readonly<Record<string, string>> = {
  SIGKILL: 'kill',
  SIGABRT: 'abort',
  SIGTERM: 'term',
  SIGINT: 'quit',
  SIGQUIT: 'quit',
  SIGHUP: 'quit',
};
const GRACEFUL = ['quit', 'term'];

describe('the cause of an exit', () => {
  it('is the signal, whether the worker was asked to go or not, and a crash for every other signal', () => {
    for (const signal of Object.keys(constants.signals)) {
      for (const asked of [false, true]) {
        assert.equal(causeOfExit(null, signal, asked).reason, REASON_OF_SIGNAL[signal] ?? 'crash', signal);
      }
    }
  });

  it('is the signal that an exit code stands for, whether the worker was asked to go or not', () => {
    for (const [signal, reason] of Object.entries(REASON_OF_SIGNAL)) {
      const code = 128 + constants.signals[signal as NodeJS.Signals];
      for (const asked of [false, true]) assert.equal(causeOfExit(code, null, asked).reason, reason, `${code}`);
    }
  });

  it('is to have quit with code 0, or with any other that stands for no signal when it was asked to go', () => {
    const ofSignals = Object.keys(REASON_OF_SIGNAL).map((signal) => 128 + constants.signals[signal as NodeJS.Signals]);
    for (let code = 0; code < 256; code += 1) {
      if (ofSignals.includes(code)) continue;
      assert.equal(causeOfExit(code, null, true).reason, 'quit', `${code}`);
      assert.equal(causeOfExit(code, null, false).reason, code === 0 ? 'quit' : 'crash', `${code}`);
    }
  });

  it('is what the signal says where a code is told beside it', () => {
    assert.equal(causeOfExit(0, 'SIGKILL', true).reason, 'kill');
    assert.equal(causeOfExit(143, 'SIGSEGV', false).reason, 'crash');
  });

  it('is a crash where nothing is known, unless the worker was asked to go', () => {
    assert.equal(causeOfExit(null, null, false).reason, 'crash');
    assert.equal(causeOfExit(null, null, true).reason, 'quit');
  });

  it('is graceful when the worker quit or was terminated, and forced otherwise; one of those that are told', () => {
    const causes = [
      ...Object.keys(constants.signals).map((signal) => causeOfExit(null, signal, false)),
      ...Array.from({ length: 256 }, (_, code) => causeOfExit(code, null, false)),
    ];
    for (const cause of causes) {
      assert.equal(cause.restartType, GRACEFUL.includes(cause.reason) ? 'graceful' : 'forced');
      assert.ok(EXIT_CAUSES.includes(cause), 'the very object, which an event names by its place');
    }
    assert.deepEqual(new Set(causes), new Set(EXIT_CAUSES));
  });
});
