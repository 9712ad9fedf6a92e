import { graphPass, type Pass } from "./pass.ts";

/** Removes nodes whose outputs nobody reads. Enters subgraphs. */
export function removeDead(): Pass {
  return graphPass("remove-dead", "Removes nodes whose outputs nobody reads", (draft, log) => {
    // From the back, so that a whole dead chain goes in one run.
    for (const node of [...draft.nodes()].reverse()) {
      const needed = node.outputs.some((name) => name !== "" && (draft.isOutput(name) || draft.consumers(name).length > 0));
      if (needed || !log.may("dead-node", node)) continue;
      draft.remove(node);
      log.changed("dead-node", node);
    }
  });
}
