// The step `words`: counts the words of the run's input.
import { run } from "./task.mjs";

await run((input) => {
  if (typeof input.run !== "string") throw new TypeError("the input is no text");
  return input.run.split(/\s+/).filter(Boolean).length;
});
