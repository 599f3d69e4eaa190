import { serve } from "@pgflow/edge";

serve({
  waited: {
    vanish: ({ numbers }: { numbers: number[] }, task) => task.attempt === 1 ? Deno.exit(3) : numbers.length,
  },
  tally: {
    crash: ({ words }: { words: string[] }, task) => task.attempt === 1 ? Deno.exit(3) : [words.length],
  },
});
