import { handle, RetryAfter } from "@pgflow/edge";

const handlers = {
  waited: {
    double: ({ number }: { number: number }, task: { index: number; attempt: number }) => {
      if (task.index % 4 === 0 && task.attempt === 1) throw new RetryAfter(0);
      return 2 * number;
    },
    outlast: async ({ numbers }: { numbers: number[] }) => {
      await new Promise((resolve) => setTimeout(resolve, 1500));
      return numbers.length;
    },
    add: ({ numbers, a, b }: { numbers: number[]; a: number; b: number }) =>
      numbers.concat(a, b).reduce((x, y) => x + y),
  },
};

// Whoever waits here for the slow step waits for a second.
Deno.serve(async (request) => {
  const { step_slug } = await request.clone().json();
  const headers = new Headers(request.headers);
  if (step_slug === "outlast") headers.set("prefer", "wait=1");
  return await handle(new Request(request, { headers }), handlers);
});
