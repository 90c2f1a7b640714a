/** Looks again and again, and shows what was seen until somebody has enough. */
import type { Status } from '../status-document.ts';
import { frame, type Trouble } from './frame.ts';
import type { Look } from './look.ts';
import type { Screen, ScreenListeners } from './screen.ts';
import { actionsOf, nextView, type View } from './view.ts';

// Rates are there from the second look on.
const SECOND_LOOK_MS = 1000;

export interface LiveOptions {
  readonly first: Status;
  /** As people know it. */
  readonly url: string;
  readonly view: View;
  readonly intervalMs: number;
  readonly look: () => Promise<Look>;
  readonly open: (listeners: ScreenListeners) => Screen;
}

/** @returns when the person quits */
export function live({ first, url, view: firstView, intervalMs, look, open }: LiveOptions): Promise<void> {
  let status = first;
  let view = firstView;
  let trouble: Trouble | undefined;
  let next: NodeJS.Timeout | undefined;
  let looking = false;
  let over = false;

  return new Promise((resolve) => {
    const draw = () => {
      const { lines, offset } = frame({ status, url, trouble, nowMs: Date.now() }, view, screen.size);
      view = { ...view, offset };
      screen.draw(lines);
    };
    const again = async () => {
      // Who goes on while a look is under way is shown that one.
      if (looking) return;
      looking = true;
      const seen = await look();
      looking = false;
      if (over) return;
      if ('status' in seen) {
        status = seen.status;
        trouble = undefined;
      } else trouble = { sinceMs: trouble?.sinceMs ?? Date.now(), why: seen.trouble };
      draw();
      if (!view.paused) next = setTimeout(again, intervalMs);
    };
    const onInput = (input: string) => {
      for (const action of actionsOf(input)) {
        if (action === 'quit') return quit();
        if (action === 'suspend') screen.suspend();
        const wasPaused = view.paused;
        view = nextView(view, action);
        if (view.paused !== wasPaused) {
          clearTimeout(next);
          if (wasPaused) next = setTimeout(again);
        }
      }
      draw();
    };
    const quit = () => {
      over = true;
      clearTimeout(next);
      screen.close();
      resolve();
    };
    const screen = open({ onInput, onChange: () => draw() });
    draw();
    next = setTimeout(again, Math.min(SECOND_LOOK_MS, intervalMs));
  });
}
