import { handle } from "@pgflow/edge";

const handlers = { tally: { exceed: ({ words }: { words: string[] }) => [words.length] } };

// Never answers the first attempt: the platform ends it with 546.
Deno.serve(async (request) => {
  const { attempt } = await request.clone().json();
  while (attempt === 1);
  return await handle(request, handlers);
});
