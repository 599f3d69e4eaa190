/** What a client is told of runs. */

import type { Progress } from "./attempt.ts";
import type { FlowTypes } from "./handlers.ts";

export type RunStatus = "running" | "completed" | "failed" | "cancelled";
export type StepStatus = "pending" | "running" | "completed" | "failed" | "skipped" | "cancelled";

/** Why a run, or a step, failed. */
export interface Failed {
  code: string;
  message: string;
  type?: string;
  traceback?: string;
  step_slug?: string;
  task_index?: number;
  attempt?: number;
}

export interface Started {
  runId: string;
  status: RunStatus;
  flowVersion: number;
  /** False if the idempotency key gave a run that was there. */
  created: boolean;
}

/** A run with its steps; look at `flow` and `status` to have its output typed. */
export type Run<Flows extends FlowTypes> = {
  [Slug in keyof Flows & string]:
    & RunFields
    & { flow: Slug; input: Flows[Slug]["input"] }
    & Ended<Flows[Slug]["output"]>;
}[keyof Flows & string];

type Ended<Output> =
  | { status: "completed"; output: Output }
  | { status: Exclude<RunStatus, "completed">; output: null };

interface RunFields {
  runId: string;
  flowVersion: number;
  error: Failed | null;
  priority: number;
  tags: Record<string, unknown>;
  owner: string;
  idempotencyKey: string | null;
  pausedAt: Date | null;
  createdAt: Date;
  finishedAt: Date | null;
  /** The outputs of steps were too large to be told together. */
  outputsLeftOut: boolean;
  /** In the order of the flow. */
  steps: StepOfRun[];
}

export interface StepOfRun {
  step: string;
  stepIndex: number;
  stepType: "single" | "map";
  status: StepStatus;
  skipReason: string | null;
  output: unknown;
  error: Failed | null;
  /** Null while a map does not know its items. */
  taskCount: number | null;
  /** How many tasks there are of each status. */
  tasks: Record<"queued" | "claimed" | "running" | "completed" | "failed" | "cancelled", number>;
  /** Ended attempts that did not complete. */
  attempts: number;
  /** Of a single step that runs, if its handler tells. */
  progress: Progress | null;
  deps: string[];
  startedAt: Date | null;
  finishedAt: Date | null;
}

/** How far a run is. */
export interface RunProgress {
  runId: string;
  status: RunStatus;
  pausedAt: Date | null;
  steps: StepProgress[];
}

export interface StepProgress {
  step: string;
  stepType: "single" | "map";
  status: StepStatus;
  skipReason: string | null;
  /** Null while a map does not know its items. */
  taskCount: number | null;
  tasksEnded: number | null;
  /** Ended attempts that did not complete. */
  attempts: number;
  error: Failed | null;
  progress: Progress | null;
  /** Whether a worker has the task of a single step; not told of maps. */
  isInHand: boolean;
  startedAt: Date | null;
  finishedAt: Date | null;
}
