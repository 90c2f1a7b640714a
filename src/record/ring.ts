/**
 * What is under way, as a ring of links: it is entered and left at no cost. In a Set, V8 would keep what has left, with all
 * that hangs on it, until its next long collection, and move it twice: that is dearer than all else that a request costs.
 */

/** Of itself where nothing has entered, or where it has left. */
export interface Link {
  previous: Link;
  next: Link;
}

/** A ring, to be entered by what extends Link. */
export function newRing(): Link {
  const ring = {} as Link;
  ring.previous = ring.next = ring;
  return ring;
}

/** @param entering - with `previous` and `next` as they are told here: the ring's last one, and the ring */
export function enter(entering: Link): void {
  entering.previous.next = entering.next.previous = entering;
}

/** What has left holds nothing, so that nothing is kept by it. */
export function leave(leaving: Link): void {
  leaving.previous.next = leaving.next;
  leaving.next.previous = leaving.previous;
  leaving.previous = leaving.next = leaving;
}
