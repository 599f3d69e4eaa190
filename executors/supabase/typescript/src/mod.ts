/**
 * Runs PGFlow steps in Supabase Edge Functions, Deno and Node.
 *
 *     serve({ thumbnails: { resize: async ({ image }, task) => await resize(image, task.signal) } });
 */

export type { Outcome, Progress } from "./attempt.ts";
export type { Envelope, ReportTarget } from "./envelope.ts";
export { NonRetryable, RetryAfter } from "./errors.ts";
export { handle, type Options, serve } from "./handle.ts";
export type { FlowHandlers, FlowTypes, Handler, Handlers, HandlersOf, StepTypes, Task } from "./handlers.ts";
export { sign } from "./signature.ts";
