// PGFLOW_URL=http://127.0.0.1:8080 PGFLOW_KEY=... node examples/pull-worker/main.js
import { work } from "./worker.js";

const stop = new AbortController();
process.once("SIGINT", () => stop.abort());
process.once("SIGTERM", () => stop.abort());

await work({
  url: process.env.PGFLOW_URL,
  key: process.env.PGFLOW_KEY,
  executor: "browser",
  signal: stop.signal,
  handlers: {
    greet: ({ run }) => `Hello, ${run.name}!`,
    shout: ({ greet }) => greet.toUpperCase(),
  },
});
