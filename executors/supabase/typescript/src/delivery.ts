/** The same call until it is answered or time is up, with pauses that grow and chance in them. */

import type { Answer, Reporter, Verb } from "./reporter.ts";
import { Unavailable } from "./wire.ts";

const FIRST_PAUSE = 0.1;
const LONGEST_PAUSE = 5;
const LONGEST_CALL = 30;

/** Time was up before anybody answered. */
export class Undelivered extends Error {
  override name = "Undelivered";
}

export interface Message {
  verb: Verb;
  fields: Record<string, unknown>;
  /** JSON text, for `complete`. */
  output?: string;
}

export interface Insistence {
  /** Give up at this time of Date.now(), but not before the first answer is missed. */
  until: number;
  signal?: AbortSignal | undefined;
  /** Told once, when the first call was not answered. */
  onProblem?: (error: Error) => void;
}

/** Deliver until the time `until` (of Date.now); at least once. */
export function deliver(reporter: Reporter, message: Message, until: number): Promise<Answer> {
  return insist(() => {
    const seconds = Math.min(LONGEST_CALL, Math.max(1, (until - Date.now()) / 1000));
    return reporter.call(message.verb, message.fields, message.output, seconds);
  }, { until });
}

/** Make a call again as long as it is `Unavailable`; throws Undelivered, or the signal's reason. */
export async function insist<T>(call: () => Promise<T>, how: Insistence): Promise<T> {
  for (let longest = FIRST_PAUSE;; longest = Math.min(LONGEST_PAUSE, 2 * longest)) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      if (longest === FIRST_PAUSE) how.onProblem?.(error);
      // Full jitter: those that lost the same server must not come back together.
      const seconds = Math.max(error.retryAfter, Math.random() * longest);
      if (Date.now() + 1000 * seconds >= how.until) throw new Undelivered(error.message);
      await pause(seconds, how.signal);
    }
  }
}

/** Wait; throws the signal's reason as soon as it is aborted. */
export function pause(seconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const timer = setTimeout(over, 1000 * seconds);
    signal?.addEventListener("abort", over);
    function over() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", over);
      if (signal?.aborted) reject(signal.reason);
      else resolve();
    }
  });
}
