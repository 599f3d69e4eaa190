// graphile-worker: 24 jobs at a time, a local queue of 500, completions in batches, as its own performance page does.
import { load, pause, rest, seconds, serve, watch } from "./protocol.mjs";

const pg = load("pg");
const { run, makeWorkerUtils, runMigrations, Logger } = load("graphile-worker");
watch(pg);

const quiet = new Logger(() => () => {});
const followers = { first: "second", second: "third" };
const CHAINED = 1000; // as in shapes.py
const LOCAL_QUEUE = 500;
let connectionString;

function preset(localQueue) {
  return {
    worker: {
      connectionString,
      concurrentJobs: 24,
      maxPoolSize: 10,
      pollInterval: 2000,
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
      ...(localQueue ? { localQueue: { size: localQueue } } : {}),
    },
  };
}

function start(taskList, localQueue) {
  return run({ preset: preset(localQueue), taskList, logger: quiet, noHandleSignals: true });
}

async function enqueue({ flow, count, batch, delay = 0 }) {
  const utils = await makeWorkerUtils({ connectionString, logger: quiet });
  const identifier = flow === "chain" ? "first" : flow;
  const payload = flow === "long_chain" ? { left: CHAINED } : {};
  const due = delay ? { runAt: new Date(Date.now() + delay * 1000) } : {};
  const started = seconds();
  for (let done = 0; done < count; done += batch) {
    const size = Math.min(batch, count - done);
    if (size === 1) await utils.addJob(identifier, payload, due);
    else await utils.addJobs(Array.from({ length: size }, () => ({ identifier, payload, ...due })));
  }
  const spent = seconds() - started;
  await utils.release();
  return { seconds: spent };
}

async function drain({ flow, count }) {
  let left = count * ({ chain: 3, long_chain: CHAINED }[flow] ?? 1);
  const taskList = { single: async () => {}, third: async () => {} };
  for (const [name, follower] of Object.entries(followers)) {
    taskList[name] = async (_payload, helpers) => void (await helpers.addJob(follower, {}));
  }
  taskList.long_chain = async ({ left }, helpers) => {
    if (left > 1) await helpers.addJob("long_chain", { left: left - 1 });
  };
  const started = seconds();
  const runner = await start(taskList, LOCAL_QUEUE);
  await new Promise((resolve) => {
    runner.events.on("job:complete", () => {
      left -= 1;
      if (left === 0) resolve();
    });
  });
  await runner.stop(); // the event precedes the batch that completes the job in the database
  return { seconds: seconds() - started };
}

async function latency({ samples, gap }) {
  const starts = [];
  const nexts = [];
  let enqueued;
  let finished;
  let ended;
  const runner = await start({
    before: async (_payload, helpers) => {
      starts.push(performance.now() - enqueued);
      ended = performance.now();
      await helpers.addJob("after", {});
    },
    after: async () => {
      nexts.push(performance.now() - ended);
      finished();
    },
  });
  await pause(1);
  for (let sample = 0; sample < samples; sample += 1) {
    await pause(gap);
    const done = new Promise((resolve) => (finished = resolve));
    enqueued = performance.now();
    await runner.addJob("before", {});
    await done;
  }
  await runner.stop();
  return { start_ms: starts, next_ms: nexts };
}

async function idle(given) {
  const runner = await start({ single: async () => {} }, LOCAL_QUEUE);
  const spent = await rest(given);
  await runner.stop();
  return spent;
}

await serve({
  install: async ({ dsn }) => {
    await runMigrations({ connectionString: dsn, logger: quiet });
    return {};
  },
  connect: async ({ dsn }) => {
    connectionString = dsn;
    return {};
  },
  enqueue,
  drain,
  latency,
  idle,
});
