// The conversation of protocol.py, for the drivers that run in Node.js: one JSON object a line.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

// process.argv[2] is the folder where the peers of package.json are installed
export const load = createRequire(`${process.argv[2]}/package.json`);

let calls = 0;

// Count what node-postgres sends.
export function watch(pg) {
  const query = pg.Client.prototype.query;
  pg.Client.prototype.query = function counted(...given) {
    calls += 1;
    return query.apply(this, given);
  };
}

// Wait for `settling` seconds, then for `seconds`; the answer has the calls and the processor time of the latter.
export async function rest({ settling, seconds }) {
  await pause(settling);
  const [sent, before] = [calls, process.cpuUsage()];
  await pause(seconds);
  const used = process.cpuUsage(before);
  return { calls: calls - sent, client_cpu: (used.user + used.system) / 1e6 };
}

export function pause(seconds) {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

export function seconds() {
  return performance.now() / 1000;
}

async function perform(operations, request) {
  const { do: name, ...given } = request;
  calls = 0;
  const before = process.cpuUsage();
  const answer = await operations[name](given);
  const used = process.cpuUsage(before);
  return { calls, client_cpu: (used.user + used.system) / 1e6, ...answer };
}

export async function serve(operations) {
  for await (const line of createInterface({ input: process.stdin })) {
    let answer;
    try {
      answer = await perform(operations, JSON.parse(line));
    } catch (error) {
      answer = { error: error.stack };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  process.exit(0);
}
