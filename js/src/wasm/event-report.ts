/** What became of an event that has no effect, or no place any more, as the engine reports it. */

import type { EventReportValue } from '../../../wasm/types/module.js'
import { type ErrorCode, errorFromReply } from '../errors.js'
import { decodeEvents } from './codec.js'
import type { EventRecord } from './values.js'

export interface EventReport {
  readonly event: EventRecord
  readonly code: ErrorCode
  readonly message: string
}

export const eventReport = (value: EventReportValue): EventReport => {
  const { code, message } = errorFromReply(value)
  return { event: decodeEvents(value.event)[0] as EventRecord, code, message }
}
