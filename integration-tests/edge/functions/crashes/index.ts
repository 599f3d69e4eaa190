import { serve } from "@pgflow/edge";

serve({
  tally: {
    crash: ({ words }: { words: string[] }, task) => task.attempt === 1 ? Deno.exit(3) : [words.length],
  },
});
