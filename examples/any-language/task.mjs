// The task protocol (docs/reference/task-protocol.md) in plain JavaScript, for Node and Deno: nothing to install.
import { readFileSync } from "node:fs";
import process from "node:process";

const { PGFLOW_ENVELOPE, PGFLOW_ENVELOPE_FILE, PGFLOW_ATTEMPT_TOKEN, PGFLOW_INSTANCE } = process.env;
const TRY_AGAIN = [408, 425, 429, 500, 502, 503, 504];
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Run the attempt by `work(input, envelope, signal)`, report what it returns or throws, and end the process. */
export async function run(work) {
  const envelope = read();
  const { run_id, step_slug, task_index } = envelope;

  async function post(verb, fields, until) { // until it is answered
    for (;;) {
      const answer = await fetch(new URL(`v1/tasks/${verb}`, envelope.report.url), {
        method: "POST",
        headers: { Authorization: `Bearer ${PGFLOW_ATTEMPT_TOKEN}`, "Content-Type": "application/json" },
        body: JSON.stringify({ run_id, step_slug, task_index, ...fields }),
        signal: AbortSignal.timeout(30_000),
      }).catch(() => undefined);
      const body = await answer?.json().catch(() => undefined); // not from us: a proxy in between
      if (body && !TRY_AGAIN.includes(answer.status)) return { status: answer.status, body };
      if (Date.now() > until) process.exit(1); // nobody answers: the engine will find the attempt lost
      await pause(1000 * (answer?.headers.get("Retry-After") ?? 1) * (0.5 + Math.random()));
    }
  }

  const started = await post("start", { instance_id: PGFLOW_INSTANCE ?? crypto.randomUUID() },
    Date.parse(envelope.launch_deadline));
  if (started.status !== 200) process.exit(0); // not ours: another instance has it, or it is over
  const end = Date.now() + 1000 * envelope.timeout_seconds;
  const stop = new AbortController();

  let reported; // one report: who comes second waits for the answer to the first
  const report = (verb, fields) => reported ??= post(verb, fields, Math.max(end, Date.now() + 10_000));

  process.on("SIGTERM", async () => { // the pod is wanted elsewhere: hand the attempt back, that costs no try
    stop.abort();
    await report("release", { error: { code: "SHUTDOWN", message: "the pod was told to stop" } });
    process.exit(0);
  });
  if (envelope.heartbeat_timeout_seconds) beat();
  async function beat() {
    for (;;) {
      await pause(1000 * envelope.heartbeat_timeout_seconds / 3);
      const { status, body } = await post("heartbeat", {}, end);
      if (status === 200 && body.status !== "cancel") continue;
      stop.abort();
      process.exit(0); // cancelled, or not ours any more
    }
  }

  try {
    const output = await work(started.body.input, envelope, stop.signal);
    const { status, body } = await report("complete", { output });
    if (status === 413 || status === 422) { // another try would bring the same
      reported = undefined;
      await report("fail", { error: body, retryable: false });
    }
  } catch (error) {
    console.error(error);
    await report("fail", { error: { type: error?.name ?? "Error", message: String(error?.message ?? error) } });
  }
  process.exit(0); // reported, whatever it was: the exit code says nothing about the work
}

function read() {
  try {
    const envelope = JSON.parse(PGFLOW_ENVELOPE ?? readFileSync(PGFLOW_ENVELOPE_FILE ?? 0, "utf8")); // 0: stdin
    if (envelope.v === 1 && envelope.report.kind === "http") return envelope;
    console.error(`cannot use an envelope of version ${envelope.v} that reports by ${envelope.report?.kind}`);
  } catch (error) {
    console.error(`there is no envelope: ${error.message}`);
  }
  process.exit(2);
}
