import { handle } from "@pgflow/edge";

const handlers = { tally: { silence: ({ words }: { words: string[] }) => [words.length] } };

// Accepts the first attempt and never starts it.
Deno.serve(async (request) => {
  const { attempt } = await request.clone().json();
  if (attempt > 1) return await handle(request, handlers);
  return Response.json({ accepted: request.headers.get("x-pgflow-attempt") }, { status: 202 });
});
