import { ROOMS } from "./rooms.ts";

/** The rooms as a Markdown table. */
export function roomsTable(): string {
  const rows = Object.entries(ROOMS).map(([name, room]) => {
    const core = room.may.filter((m) => m.startsWith("core/")).map((m) => m.slice("core/".length));
    const all = Object.keys(ROOMS).filter((m) => m.startsWith("core/")).length;
    const inside = core.length === all ? ["all of core"] : core;
    const others = room.may.filter((m) => !m.startsWith("core/"));
    const may = [...inside, ...others].join(", ") || "-";
    const outside = room.outside.map((o) => `\`${o}\``).join(", ") || "-";
    return `| \`${name}\` | ${room.says} | ${may} | ${outside} |`;
  });
  return ["| room | holds | may import | packages from outside |", "|---|---|---|---|", ...rows, ""].join("\n");
}
