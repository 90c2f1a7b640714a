/** The workers that need a look, in words above the table; changes are announced, the rest is silence. */
import type { Status } from '../status-document.ts';
import { byId, make, setText } from './element.ts';
import { visible } from './format.ts';
import { type Mark, SYMBOLS } from './judge.ts';

// More are a number: each of them is in the table, which can be sorted by them.
const MOST_LINES = 6;
const MOST_ANNOUNCED = 3;

/** @returns what shows who needs a look, and announces what has changed in that */
export function startAttention(
  announce: (text: string) => void,
): (status: Status, marks: ReadonlyMap<string, readonly Mark[]>) => void {
  const list = byId('attention');
  let before: ReadonlyMap<string, string> | undefined;
  let shown = '';
  return (status, marks) => {
    const lines = [...marks].flatMap(([id, all]) =>
      all.map(({ verdict, why }) => ({ id: visible(id), symbol: SYMBOLS[verdict], verdict, why })),
    );
    const missing = status.expectedWorkers - status.workers.length - status.omitted.workers;
    const group =
      status.expectedWorkers > 0 && missing > 0 ? `${missing} of ${status.expectedWorkers} workers missing` : '';
    const text = JSON.stringify([group, lines]);
    if (text !== shown) {
      shown = text;
      const items = lines.slice(0, MOST_LINES).map(({ id, symbol, verdict, why }) => {
        const word = make('strong', verdict === 'stuck' ? 'bad' : 'warn', `${symbol} ${verdict}`);
        return make('li', '', make('bdi', '', id), ' ', word, ` ${why}`);
      });
      if (group) items.unshift(make('li', '', make('strong', 'bad', `▲ ${group}`)));
      if (lines.length > MOST_LINES)
        items.push(make('li', '', `and ${lines.length - MOST_LINES} more: sort by “mark”`));
      if (items.length === 0) items.push(make('li', 'good', '● every worker is well'));
      list.replaceChildren(...items);
    }
    const now = new Map<string, string>(lines.map(({ id, verdict }) => [`${id} ${verdict}`, `${id} is ${verdict}`]));
    now.set('health', group || `health ${visible(status.health)}`);
    const news = before ? changes(before, now) : [];
    before = now;
    if (news.length > MOST_ANNOUNCED) announce(`${news.length} changes; ${lines.length} workers need a look`);
    else if (news.length > 0) announce(news.join('. '));
    setText(byId('attention-count'), lines.length === 0 && !group ? '' : String(lines.length + Number(group !== '')));
  };
}

function changes(before: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): string[] {
  const news = [...now].filter(([key, text]) => before.get(key) !== text).map(([, text]) => text);
  const over = [...before.keys()].filter((key) => !now.has(key)).map((key) => `${key} no longer`);
  return [...news, ...over];
}
