// What scim-patch makes of PATCHes and scim2-parse-filter of filters: reads cases, a JSON object a line, and writes a
// line for each.

import { createInterface } from "node:readline";
import { scimPatch } from "scim-patch";
import { filter, parse } from "scim2-parse-filter";

function answer(one) {
  try {
    if ("filter" in one) {
      return { matches: filter(parse(one.filter))(one.resource) };
    }
    return { resource: scimPatch(one.resource, one.operations, { mutateDocument: false }) };
  } catch (error) {
    return { refused: `${error.name}: ${error.message}` };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(answer(JSON.parse(line))));
}
