import type { GatewayRole } from "@tessera/core/protocol/gateway-api";

/** All roles, in the order in which they grow; the auditor stands aside. */
export const ROLES = ["capture", "operator", "developer", "auditor"] as const satisfies readonly GatewayRole[];

/** What a call asks for: a role (one that grows from it will do), or any token at all. */
export type NeededRole = GatewayRole | "any";

/** Whether a caller of a role may make a call. The auditor only reads: it may nothing that the others may, and they nothing of its own. */
export function mayCall(role: GatewayRole, needed: NeededRole): boolean {
  if (needed === "any") return true;
  if (role === "auditor" || needed === "auditor") return role === needed;
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}
