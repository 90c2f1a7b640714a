/** Answers on their way: how many at once, how much memory they hold, and how long their clients may take for them. */
import type { ServerResponse } from 'node:http';
import type { Refusal } from './refusals.ts';

/** Answers that may be waited for or taken at once. */
export const MAX_DELIVERIES = 64;
/** Bytes that those not yet taken may hold together. */
export const MAX_HELD_BYTES = 64 * 1024 * 1024;

/** How long a client may take. */
export interface Patience {
  /** Without taking anything. */
  readonly stallMs: number;
  /** For the whole. */
  readonly wholeMs: number;
}

const PATIENCE: Patience = { stallMs: 10_000, wholeMs: 60_000 };
// TLS encrypts what it is given at once, into memory of its own; and of a piece one sees that it has been taken.
const PIECE_BYTES = 256 * 1024;

/** The answers of one server. */
export class Deliveries {
  readonly #onRefused: (reason: Refusal) => void;
  readonly #patience: Patience;
  // Of a Buffer that several answers share there is one.
  readonly #held = new Map<Buffer, number>();
  #heldBytes = 0;
  #count = 0;

  constructor(onRefused: (reason: Refusal) => void, patience: Patience = PATIENCE) {
    this.#onRefused = onRefused;
    this.#patience = patience;
  }

  /** Counts an answer until its response closes. @returns false where there are too many, or nobody: it is to be refused */
  begin(response: ServerResponse): boolean {
    // Where its client has gone while it was asked who it is, nothing would end what is begun now.
    if (response.destroyed || this.#count >= MAX_DELIVERIES) return false;
    this.#count += 1;
    response.once('close', () => {
      this.#count -= 1;
    });
    return true;
  }

  /** Whether so many bytes more may be held; one answer always may. */
  hasRoomFor(bytes: Buffer): boolean {
    return this.#heldBytes === 0 || this.#held.has(bytes) || this.#heldBytes + bytes.length <= MAX_HELD_BYTES;
  }

  /** Ends the response with these bytes, as fast as they are taken. A client that takes none for too long is cut off. */
  pour(response: ServerResponse, bytes: Buffer): void {
    if (response.destroyed) return;
    this.#hold(bytes);
    const cut = () => {
      this.#onRefused('slow');
      response.destroy();
    };
    const whole = setTimeout(cut, this.#patience.wholeMs).unref();
    let stall = setTimeout(cut, this.#patience.stallMs).unref();
    response.once('close', () => {
      clearTimeout(whole);
      clearTimeout(stall);
      this.#release(bytes);
    });
    let at = 0;
    const next = () => {
      clearTimeout(stall);
      stall = setTimeout(cut, this.#patience.stallMs).unref();
      const piece = bytes.subarray(at, at + PIECE_BYTES);
      at += PIECE_BYTES;
      if (at >= bytes.length) response.end(piece);
      else if (response.write(piece)) next();
      else response.once('drain', next);
    };
    next();
  }

  #hold(bytes: Buffer): void {
    const holders = this.#held.get(bytes) ?? 0;
    if (holders === 0) this.#heldBytes += bytes.length;
    this.#held.set(bytes, holders + 1);
  }

  #release(bytes: Buffer): void {
    const holders = this.#held.get(bytes)! - 1;
    if (holders > 0) return void this.#held.set(bytes, holders);
    this.#held.delete(bytes);
    this.#heldBytes -= bytes.length;
  }
}
