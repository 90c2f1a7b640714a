/** Methods of ours in front of those that a class of Node's has inherited: they note something and pass everything on. */

/**
 * Puts a method in front.
 *
 * @param method - by its name; not listed among the class's members, like any method of a class
 */
export function shadow(prototype: object, method: (this: never, ...args: never[]) => unknown): void {
  Object.defineProperty(prototype, method.name, {
    value: method,
    writable: true,
    configurable: true,
    enumerable: false,
  });
}
