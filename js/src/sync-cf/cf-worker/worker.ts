/**
 * The worker in front of the Durable Objects: finds out which store a request is for, asks the app
 * whether it may come in, and hands it to the object of that store.
 */

import { readSyncAddress, type SyncAddress } from '../wire/sync-url.js'
import type { DurableObjectNamespace } from './cf-types.js'

/** Any schema library that follows Standard Schema. */
export interface StandardSchema {
  readonly '~standard': {
    validate(value: unknown): SchemaResult | Promise<SchemaResult>
  }
}

type SchemaResult =
  | { readonly value: unknown; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string }[] }

export interface SyncRequestOptions {
  /** The name of the binding to the Durable Object's class. */
  readonly syncBackendBinding: string
  /** What the payload must be, before `validatePayload` is asked. */
  readonly syncPayloadSchema?: StandardSchema | undefined
  /** Throws to refuse. Called once for a connection, and for each call over HTTP. */
  readonly validatePayload?:
    | ((
        payload: unknown,
        context: { readonly storeId: string; readonly headers: ReadonlyMap<string, string> },
      ) => void | Promise<void>)
    | undefined
}

export interface WorkerOptions extends SyncRequestOptions {
  /** Answers preflight requests, for pages of other origins. */
  readonly enableCORS?: boolean | undefined
}

type Env = Record<string, unknown>

const corsHeaders = (request: Request): Record<string, string> => ({
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, POST, OPTIONS',
  'access-control-allow-headers': request.headers.get('access-control-request-headers') ?? '*',
})

/** A worker that does nothing else. */
export const makeWorker = (
  options: WorkerOptions,
): { fetch(request: Request, env: unknown, context?: unknown): Promise<Response> } => ({
  async fetch(request, env) {
    const headers = options.enableCORS === true ? corsHeaders(request) : {}
    if (request.method === 'OPTIONS' && options.enableCORS === true) {
      return new Response(null, { status: 204, headers })
    }
    const answer = await handleSyncRequest({ request, env, ...options })
    if (answer !== undefined) return answer
    const isPage = new URL(request.url).pathname === '/' && !request.headers.has('upgrade')
    return request.method === 'GET' && isPage
      ? new Response('Info: sync backend endpoint of livestore-wasm.')
      : new Response('Invalid path', { status: 400, headers })
  },
})

/** For a worker that does other things too: undefined if the request is not about syncing. */
export const handleSyncRequest = async ({
  request,
  env,
  syncBackendBinding,
  syncPayloadSchema,
  validatePayload,
}: SyncRequestOptions & {
  readonly request: Request
  readonly env: unknown
}): Promise<Response | undefined> => {
  const address = readSyncAddress(new URL(request.url).searchParams)
  if (address === undefined) return undefined
  if (address.transport === 'ws' && request.headers.get('upgrade') !== 'websocket') {
    return new Response('the transport ws expects Upgrade: websocket', { status: 426 })
  }
  try {
    const payload = await decoded(syncPayloadSchema, address)
    const { storeId } = address
    await validatePayload?.(payload, { storeId, headers: new Map(request.headers) })
  } catch (error) {
    return new Response((error as Error).message, { status: 400 })
  }
  const namespace = (env as Env)[syncBackendBinding] as DurableObjectNamespace | undefined
  if (namespace === undefined) {
    return new Response(`the worker has no binding ${syncBackendBinding}`, { status: 424 })
  }
  try {
    return await namespace.get(namespace.idFromName(address.storeId)).fetch(request)
  } catch (error) {
    console.error('the Durable Object failed', error)
    return new Response('Error', { status: 500 })
  }
}

/** @throws Error with what the schema says */
const decoded = async (
  schema: StandardSchema | undefined,
  { payload }: SyncAddress,
): Promise<unknown> => {
  if (schema === undefined) return payload
  const result = await schema['~standard'].validate(payload)
  if (result.issues === undefined) return result.value
  throw new Error(result.issues.map(({ message }) => message).join('; '))
}
