// pg-boss: two loops of fetch and complete, 100 jobs each, the leanest use of its own calls.
import { load, seconds, serve, watch } from "./protocol.mjs";

const pg = load("pg");
const { PgBoss } = load("pg-boss");
watch(pg);

const LOOPS = 2;
const BATCH = 100;
const chain = ["first", "second", "third"];
let boss;

async function open(connectionString) {
  const opened = new PgBoss({ connectionString, supervise: false, schedule: false, max: 4 });
  opened.on("error", (error) => process.stderr.write(`${error.stack}\n`));
  await opened.start();
  return opened;
}

async function enqueue({ flow, count, batch }) {
  const queue = flow === "chain" ? chain[0] : "single";
  const started = seconds();
  for (let done = 0; done < count; done += batch) {
    const size = Math.min(batch, count - done);
    if (size === 1) await boss.send(queue, {});
    else await boss.insert(queue, Array.from({ length: size }, () => ({ data: {} })));
  }
  return { seconds: seconds() - started };
}

async function drain({ flow, count }) {
  if (flow !== "single") throw new Error("pg-boss is measured on single jobs only");
  let left = count;
  const loop = async () => {
    while (left > 0) {
      const jobs = await boss.fetch("single", { batchSize: BATCH });
      if (jobs.length === 0) return;
      await boss.complete(
        "single",
        jobs.map((job) => job.id),
      );
      left -= jobs.length;
    }
  };
  const started = seconds();
  await Promise.all(Array.from({ length: LOOPS }, loop));
  if (left > 0) throw new Error(`${left} jobs were not found`);
  return { seconds: seconds() - started };
}

await serve({
  install: async ({ dsn }) => {
    const installing = await open(dsn);
    for (const queue of ["single", ...chain]) await installing.createQueue(queue);
    await installing.stop();
    return {};
  },
  connect: async ({ dsn }) => {
    boss = await open(dsn);
    return {};
  },
  enqueue,
  drain,
});
