/** Structured logs: one JSON object a line, or a line to read, or nothing. */

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>

/**
 * `event` in a few words; the rest in fields. Never a payload, an event's arguments or a header.
 */
export type Log = (level: 'info' | 'warn' | 'error', event: string, fields?: LogFields) => void

export type LogForm = 'json' | 'text' | 'none'

export const makeLog = (
  form: LogForm,
  write: (line: string) => void = (line) => process.stdout.write(`${line}\n`),
): Log => {
  if (form === 'none') return () => {}
  return (level, event, fields = {}) => {
    const time = new Date().toISOString()
    if (form === 'json') return write(JSON.stringify({ time, level, event, ...fields }))
    const rest = Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => ` ${name}=${value}`)
    write(`${time} ${level === 'info' ? '' : `${level}: `}${event}${rest.join('')}`)
  }
}
