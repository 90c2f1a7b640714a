/**
 * Looking on while methods of one object are called: what Node tells by no event, and no listener could see without a
 * trace. The methods are properties of the object's own for as long as somebody looks, and do what they did.
 */

type Method = (this: unknown, ...args: unknown[]) => unknown;

/**
 * Begins to look on.
 *
 * @param calls - by method; each is told the arguments, after the method itself has returned; must not throw. A method
 *   that the object does not have stays away
 * @returns stop
 */
export function lookOn(object: object, calls: Readonly<Record<string, (args: unknown[]) => void>>): () => void {
  const ours = Object.entries(calls).filter(
    ([name]) => typeof (object as Record<string, unknown>)[name] === 'function',
  );
  const stops = ours.map(([name, call]) => lookOnOne(object as Record<string, unknown>, name, call));
  // The last one first: an object that loses its newest property stays as fast as it was.
  return () => {
    for (const stop of stops.reverse()) stop();
  };
}

function lookOnOne(object: Record<string, unknown>, name: string, call: (args: unknown[]) => void): () => void {
  const before = Object.getOwnPropertyDescriptor(object, name);
  const own = before?.value as Method | undefined;
  const value: Method = function (this: unknown, ...args) {
    const result = (own ?? (Object.getPrototypeOf(object) as Record<string, Method>)[name]!).apply(this, args);
    call(args);
    return result;
  };
  Object.defineProperty(object, name, {
    value,
    writable: true,
    configurable: true,
    enumerable: before?.enumerable ?? false,
  });
  return () => {
    // Whoever has put another one in front by now calls ours, which does what the method did.
    if (object[name] !== value) return;
    if (before) Object.defineProperty(object, name, before);
    else delete object[name];
  };
}
