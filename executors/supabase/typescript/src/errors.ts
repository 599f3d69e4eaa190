/** The errors that a handler throws on purpose, and what any error is reported as. */

/** Another attempt would fail in the same way: the task fails at once. */
export class NonRetryable extends Error {
  override name = "NonRetryable";
}

/** Try again, but not before this many seconds have passed. */
export class RetryAfter extends Error {
  override name = "RetryAfter";
  readonly seconds: number;

  constructor(seconds: number, message: string = `asked to be tried again after ${seconds} s`) {
    super(message);
    this.seconds = seconds;
  }
}

/** How a failed attempt is reported. */
export interface Failure {
  error: { code: string; message: string; type?: string; traceback?: string };
  retryable: boolean;
  retry_after_seconds?: number;
}

const MESSAGE_CHARS = 4096;
const TRACEBACK_CHARS = 16_384;

/** Judge what a handler threw. */
export function failureOf(thrown: unknown): Failure {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const told: Failure["error"] = {
    code: "HANDLER_ERROR",
    message: storable(error.message || error.name).slice(0, MESSAGE_CHARS),
    type: storable(error.name),
  };
  if (error.stack) told.traceback = storable(error.stack).slice(0, TRACEBACK_CHARS);
  if (error instanceof NonRetryable) return { error: { ...told, code: "NON_RETRYABLE" }, retryable: false };
  if (error instanceof RetryAfter) {
    return { error: { ...told, code: "RETRY_AFTER" }, retryable: true, retry_after_seconds: error.seconds };
  }
  return { error: told, retryable: true };
}

/** A failure that no handler threw. */
export function failure(code: string, message: string, retryable: boolean = true): Failure {
  return { error: { code, message: storable(message).slice(0, MESSAGE_CHARS) }, retryable };
}

/** Replace what PostgreSQL cannot store: NUL and lone surrogates. */
function storable(text: string): string {
  return text.replaceAll("\0", "\uFFFD").replace(/\p{Surrogate}/gu, "\uFFFD");
}
