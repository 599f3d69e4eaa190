// A worker that needs nothing but fetch: it claims tasks over HTTP, runs them and reports. For Node, Deno, Bun and browsers.
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Work until `signal` is aborted; `handlers` has a function (input, task, signal) for each step slug. */
export async function work({ url, key, executor, handlers, workerId = `js-${Math.random()}`, signal }) {
  async function post(verb, bearer, sent) { // until it is answered; 429, 503 and a lost connection mean: try again
    for (;;) {
      const answer = await fetch(new URL(`v1/tasks/${verb}`, url), {
        method: "POST",
        headers: { Authorization: `Bearer ${bearer}`, "Content-Type": "application/json" },
        body: JSON.stringify(sent),
        signal: verb === "claim" ? signal : undefined,
      }).catch((error) => { if (error.name === "AbortError") throw error; });
      const body = await answer?.json().catch(() => undefined); // not from us: a proxy in between
      if (body && ![429, 503].includes(answer.status)) return { status: answer.status, body };
      await pause(1000 * (answer?.headers.get("Retry-After") ?? 1) * (1 + Math.random()));
    }
  }

  async function run({ run_id, step_slug, task_index, attempt_token, ...task }) {
    const stop = new AbortController();
    const report = async (verb, fields) => { // 409: the attempt is not ours any more, 200 "cancel": nobody wants it
      const { status, body } = await post(verb, attempt_token, { run_id, step_slug, task_index, ...fields });
      if (status === 409 || body.status === "cancel") stop.abort();
      return status;
    };
    const beat = setInterval(report, 10_000, "heartbeat"); // the lease is 30 s
    try {
      const output = await handlers[step_slug](task.input, task, stop.signal);
      const status = await report("complete", { output });
      if (status === 413 || status === 422) throw new Error(`the output was refused with ${status}`);
    } catch (error) {
      await report("fail", { error: { message: String(error?.message ?? error), type: error?.name ?? "Error" } });
    } finally {
      clearInterval(beat);
    }
  }

  while (!signal?.aborted) {
    const { status, body } = await post("claim", key, { executor, worker_id: workerId, wait_seconds: 30 })
      .catch(() => ({ body: { tasks: [] } })); // aborted
    if (status >= 400) throw new Error(`${body.code}: ${body.message}`); // the key is not good for this
    for (const task of body.tasks) await run(task);
  }
}
