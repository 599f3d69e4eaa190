// Written by `pgflow typegen --lang typescript`. Do not edit: change the flow in Python, and run it again.
// deno-fmt-ignore-file
// deno-lint-ignore-file
/* eslint-disable */

/** The flows by slug: what starts a run, what it ends with, what each step takes and gives. */
export type Flows = {
  FLOW: {
    input: string;
    output: {
      shout: string;
    };
    steps: {
      greet: {
        input: {
          name: string;
        };
        output: string;
      };
      shout: {
        input: {
          greeting: string;
        };
        output: string;
      };
    };
  };
};
