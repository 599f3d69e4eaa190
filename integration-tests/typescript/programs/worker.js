// The worker of the tests: says on its standard output what it does, and stops on SIGTERM.
import { createWorker, NonRetryable } from "@pgflow/edge/worker";
import process from "node:process";

const say = (text) => process.stdout.write(`${text}\n`);

/** Works until it is told to stop. */
const hold = (_, task) =>
  new Promise((_, reject) => {
    say("holding");
    task.signal.addEventListener("abort", () => {
      say("told to stop");
      reject(new Error("told to stop"));
    });
  });

const handlers = {
  letters: {
    split: ({ source }) => source.text.split(" "),
    measure: ({ word, factor }, task) => {
      if (task.index % 10 === 0 && task.attempt === 1) throw new RangeError("not at once");
      task.progress({ done: 1, total: 1 });
      return word.length * factor;
    },
    total: ({ lengths }) => lengths.reduce((sum, length) => sum + length, 0),
  },
  refusing: {
    refuse: () => {
      throw new NonRetryable("never");
    },
  },
  holding: process.env.PGFLOW_RELEASED ? { hold: () => "held" } : { hold },
};

const worker = createWorker({
  url: process.env.PGFLOW_URL,
  key: process.env.PGFLOW_KEY,
  executor: "pull",
  concurrency: Number(process.env.PGFLOW_CONCURRENCY ?? 4),
  handlers,
  onProblem: (error) => say(`problem: ${error.message}`),
});
process.once("SIGTERM", () => worker.stop({ graceSeconds: 0 }));
say("running");
try {
  await worker.run();
} catch (error) {
  say(`${error.name} ${error.code}: ${error.message}`);
  process.exit(1);
}
