/** What `makeWsSync` and `makeHttpSync` are told: checked, and made into addresses and payloads. */

import { LiveStoreError } from '../../errors.js'
import type { MakeSyncBackend } from '../../sync/backend.js'
import { defaultPing, type PingTimes } from './reconnect.js'
import type { Subject } from './wire.js'

export type BackendArgs = Parameters<MakeSyncBackend>[0]

export interface CommonOptions {
  /** Of the server: `wss://…`, `https://…`, or the same without TLS. */
  readonly url: string
  /**
   * What the server authorizes by; JSON. A function is called for every connection and every
   * request, so it may return a token that is fresh. Default: the store's `syncPayload`.
   */
  readonly payload?: unknown | ((args: BackendArgs) => unknown)
  /** How to find out that the server is gone. Times in milliseconds; 10,000 each by default. */
  readonly ping?: Partial<PingTimes> | undefined
}

export interface CheckedOptions {
  readonly url: URL
  readonly ping: PingTimes
  /** @throws (as a rejection) what the app's function throws */
  readonly subject: (args: BackendArgs) => Promise<Subject>
}

/** @throws LiveStoreError `InvalidArgument` naming the option */
export const checkOptions = (
  where: string,
  options: unknown,
  ownNames: readonly string[],
): CheckedOptions => {
  const names = ['url', 'payload', 'ping', ...ownNames]
  if (typeof options !== 'object' || options === null) {
    throw new LiveStoreError('InvalidArgument', `${where} needs an object of options`)
  }
  const unknown = Object.keys(options).find((name) => !names.includes(name))
  if (unknown !== undefined) {
    const known = names.join(', ')
    throw invalid(where, unknown, `is not known; the options are ${known}`)
  }
  const { url, payload, ping } = options as Partial<CommonOptions>
  return {
    url: checkUrl(where, url),
    ping: checkPing(where, ping),
    subject: async (args) => ({
      storeId: args.storeId,
      payload:
        typeof payload === 'function'
          ? await payload(args)
          : payload === undefined
            ? args.payload
            : payload,
    }),
  }
}

export const invalid = (where: string, option: string, why: string): LiveStoreError =>
  new LiveStoreError('InvalidArgument', `${where}: the option ${option} ${why}`)

const checkUrl = (where: string, url: unknown): URL => {
  const parsed = typeof url === 'string' && URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !/^(https?|wss?):$/.test(parsed.protocol)) {
    throw invalid(where, 'url', 'must be an address that begins with ws, wss, http or https')
  }
  return parsed
}

const checkPing = (where: string, ping: unknown): PingTimes => {
  if (ping === undefined) return defaultPing
  if (typeof ping !== 'object' || ping === null) throw invalid(where, 'ping', 'must be an object')
  const { enabled = true, ...times } = { ...defaultPing, ...(ping as Partial<PingTimes>) }
  const { requestInterval, requestTimeout } = times
  if (typeof enabled !== 'boolean') throw invalid(where, 'ping.enabled', 'must be a boolean')
  for (const [name, time] of Object.entries({ requestInterval, requestTimeout })) {
    checkMs(where, `ping.${name}`, time)
  }
  return { enabled, requestInterval, requestTimeout }
}

/** @throws LiveStoreError `InvalidArgument` */
export const checkMs = (where: string, option: string, value: unknown): number => {
  if (typeof value === 'number' && value >= 1 && value < 2 ** 31) return value
  throw invalid(where, option, 'must be a number of milliseconds')
}

/**
 * The payload is encoded twice, once as the protocol says and once as a part of the query. Its keys
 * come behind those that the app's address has.
 *
 * @throws LiveStoreError `InvalidArgument` for a payload that is not JSON
 */
export const addressOf = (
  url: URL,
  transport: 'ws' | 'http',
  { storeId, payload }: Subject,
): string => {
  const address = new URL(url)
  address.protocol = url.protocol.replace(/^(http|ws)/, transport)
  address.searchParams.set('storeId', storeId)
  const json = payloadJson(payload)
  if (json !== undefined) address.searchParams.set('payload', encodeURIComponent(json))
  address.searchParams.set('transport', transport)
  return address.href
}

const payloadJson = (payload: unknown): string | undefined => {
  try {
    return JSON.stringify(payload)
  } catch (cause) {
    throw new LiveStoreError('InvalidArgument', 'the sync payload is not JSON', { cause })
  }
}
