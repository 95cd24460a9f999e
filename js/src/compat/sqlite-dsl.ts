/** `SqliteDsl`: the column functions under the name that LiveStore has for its own. */

import {
  blob,
  boolean,
  column,
  datetime,
  datetimeInteger,
  integer,
  isColumnDefinition,
  json,
  real,
  text,
} from '../schema/columns.js'
import { table } from '../schema/table.js'

/** The same functions as in `State.SQLite`. */
export const SqliteDsl = {
  blob,
  boolean,
  column,
  datetime,
  datetimeInteger,
  integer,
  isColumnDefinition,
  json,
  real,
  table,
  text,
}
