import { type Budget, COST, charge } from "./limits.ts";
import type { MessageRecord, MessageTable, NumberList } from "./table.ts";
import type { Cursor } from "./wire.ts";

/** A record while it is filled. Its keys come from tables, never from the file. */
export type Fields = Record<string, unknown>;

/** What all messages of one file share while it is read. */
export interface Reading {
  readonly cursor: Cursor;
  readonly budget: Budget;
  /** Every record and list made, to be frozen when all is read: until then a later occurrence may be merged into a record. */
  readonly made: object[];
}

/** A typed list that is being filled: `length` elements of `data` are in use. */
export interface ListBuilder {
  data: NumberList;
  length: number;
}

/** A message that is being read. */
export interface Frame {
  readonly reading: Reading;
  readonly table: MessageTable<MessageRecord>;
  readonly record: Fields;
  /** Where the message ends in the file. */
  readonly end: number;
  /** How many messages it is inside of, itself included. */
  readonly depth: number;
  /** Whether the value at the cursor is a packed block of numbers. */
  packed: boolean;
  /** Its typed lists by record key, from the first one on. */
  lists: Map<string, ListBuilder> | undefined;
}

/** The plain list of a record, made when it is first asked for. */
export function arrayFor(frame: Frame, key: string): unknown[] {
  const present = frame.record[key];
  if (present !== undefined) return present as unknown[];
  const { budget, cursor, made } = frame.reading;
  charge(budget, COST.list, cursor.pos);
  const list: unknown[] = [];
  frame.record[key] = list;
  made.push(list);
  return list;
}
