// The client of the tests: starts a run as a user, watches it and prints what it is told, a line each.
import { createClient } from "@pgflow/edge/client";
import process from "node:process";

const say = (name, value) => process.stdout.write(`${JSON.stringify([name, value])}\n`);
const client = (name) =>
  createClient({ url: process.env.PGFLOW_URL, accessToken: () => Promise.resolve(process.env[name]) });

const ada = client("ADA");
const started = await ada.startFlow("letters", { text: "one three" }, { tags: { of: "tests" } });
say("started", started);
for await (const { status, steps } of ada.watchRun(started.runId)) {
  say("progress", [status, steps.map((step) => step.status)]);
}
const run = await ada.getRun(started.runId);
say("run", run);
say("took", run.finishedAt - run.createdAt);

const refused = async (asked) => say("refused", await asked.then(() => "taken", (error) => error.code));
await refused(client("EVE").getRun(started.runId));
await refused(client("NOBODY").getRun(started.runId));
await refused(ada.startFlow("refusing", {}));
await refused(ada.startFlow("nowhere", {}));
await refused(client("EVE").watchRun(started.runId).next());

for (const input of ['a "text"', "null", null, [1, null], 1.5, true]) {
  const { runId } = await ada.startFlow("holding", input);
  const { input: stored } = await ada.getRun(runId);
  say("same", JSON.stringify(stored) === JSON.stringify(input) || [input, stored]);
}

const held = await ada.startFlow("holding", {});
const enough = new AbortController();
try {
  for await (const { status } of ada.watchRun(held.runId, { signal: enough.signal })) {
    say("held", status);
    enough.abort();
  }
} catch (error) {
  say("aborted", error === enough.signal.reason);
}
