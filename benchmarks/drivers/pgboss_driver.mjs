// pg-boss: two loops of fetch and complete, 100 jobs each, the leanest use of its own calls.
//
// A chain's loop inserts the jobs that follow before it completes a batch. The layer is a flow() of pg-boss's own, which
// frees what waited every five seconds, or when it is asked to: it is asked whenever nothing is to be had.
import { load, rest, seconds, serve, watch } from "./protocol.mjs";

const pg = load("pg");
const { PgBoss } = load("pg-boss");
watch(pg);

const LOOPS = 2;
const BATCH = 100;
const LAYER = 1000; // as in shapes.py
const followers = { first: "second", second: "third", third: null };
const queues = { single: ["single"], chain: Object.keys(followers), layer: ["layer"] };
const stepsOf = { single: 1, chain: 3, layer: LAYER + 2 };
let boss;

async function open(connectionString) {
  const opened = new PgBoss({ connectionString, supervise: false, schedule: false, max: 4 });
  opened.on("error", (error) => process.stderr.write(`${error.stack}\n`));
  await opened.start();
  return opened;
}

function layer() {
  const names = Array.from({ length: LAYER }, (_, place) => `part_${place}`);
  const job = (ref, dependsOn) => ({ ref, name: "layer", data: {}, dependsOn });
  return [job("load", []), ...names.map((name) => job(name, ["load"])), job("collect", names)];
}

async function enqueue({ flow, count, batch, delay = 0 }) {
  const [queue] = queues[flow];
  const due = delay ? { startAfter: delay } : {};
  const started = seconds();
  if (flow === "layer") {
    for (let done = 0; done < count; done += 1) await boss.flow(layer());
    return { seconds: seconds() - started };
  }
  for (let done = 0; done < count; done += batch) {
    const size = Math.min(batch, count - done);
    if (size === 1) await boss.send(queue, {}, due);
    else await boss.insert(queue, Array.from({ length: size }, () => ({ data: {}, ...due })));
  }
  return { seconds: seconds() - started };
}

// Run a batch of a queue and return how many there were.
async function work(queue) {
  const jobs = await boss.fetch(queue, { batchSize: BATCH });
  if (jobs.length === 0) return 0;
  if (followers[queue]) await boss.insert(followers[queue], jobs.map(() => ({ data: {} })));
  await boss.complete(
    queue,
    jobs.map((job) => job.id),
  );
  return jobs.length;
}

async function drain({ flow, count }) {
  let left = count * stepsOf[flow];
  const deadline = seconds() + 300;
  const loop = async () => {
    while (left > 0) {
      let done = 0;
      for (const queue of queues[flow]) done += await work(queue);
      left -= done;
      if (seconds() > deadline) throw new Error(`${left} jobs were not found`);
      if (done === 0 && flow === "layer") await boss.resolveFlow();
    }
  };
  const started = seconds();
  await Promise.all(Array.from({ length: LOOPS }, loop));
  return { seconds: seconds() - started };
}

async function idle(given) {
  await boss.work("single", async () => {});
  return rest(given);
}

await serve({
  install: async ({ dsn }) => {
    const installing = await open(dsn);
    for (const queue of Object.values(queues).flat()) await installing.createQueue(queue);
    await installing.stop();
    return {};
  },
  connect: async ({ dsn }) => {
    boss = await open(dsn);
    return {};
  },
  enqueue,
  drain,
  idle,
});
