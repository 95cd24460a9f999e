/**
 * The slices of Cloudflare's runtime that the worker uses. An app has the whole types, from
 * `wrangler types`; these are parts of them, so that the package needs none.
 */

export interface SqlStorage {
  exec(query: string, ...binds: readonly (string | number | null)[]): SqlCursor
}

export interface SqlCursor extends Iterable<Record<string, unknown>> {
  toArray(): Record<string, unknown>[]
}

export interface CfWebSocket {
  send(text: string): void
  close(code?: number, reason?: string): void
  serializeAttachment(value: unknown): void
  deserializeAttachment(): unknown
}

export interface DurableObjectState {
  readonly storage: {
    readonly sql: SqlStorage
    transactionSync<T>(work: () => T): T
  }
  acceptWebSocket(socket: CfWebSocket): void
  getWebSockets(): CfWebSocket[]
  setWebSocketAutoResponse(pair: unknown): void
}

export interface D1Database {
  prepare(query: string): D1Statement
  batch(statements: D1Statement[]): Promise<unknown>
}

export interface D1Statement {
  bind(...values: readonly (string | number | null)[]): D1Statement
  all(): Promise<{ readonly results: Record<string, unknown>[] }>
}

/** A binding to the Durable Object's class. */
export interface DurableObjectNamespace {
  idFromName(name: string): unknown
  get(id: unknown): { fetch(request: Request): Promise<Response> }
}

/** Globals of the runtime, present only there. */
export interface CfGlobals {
  readonly WebSocketPair: new () => { readonly 0: CfWebSocket; readonly 1: CfWebSocket }
  readonly WebSocketRequestResponsePair: new (request: string, response: string) => unknown
}
