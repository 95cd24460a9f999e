/** What GET /metrics answers: the server's counters in the text form of Prometheus. */

import type { ServerStats } from '../stats.js'

const described: Record<keyof ServerStats, readonly [type: string, help: string]> = {
  connections: ['gauge', 'WebSocket connections that are open'],
  connectionsTotal: ['counter', 'WebSocket connections since the start'],
  pushes: ['counter', 'Pushes that were answered'],
  refusedPushes: ['counter', 'Pushes that were refused'],
  pushedEvents: ['counter', 'Events of the pushes that were admitted'],
  pulls: ['counter', 'Pulls that were begun'],
  pages: ['counter', 'Pages that were sent'],
  malformedFrames: ['counter', 'Frames that could not be read'],
  unauthorized: ['counter', 'Messages with a payload that is not valid'],
  slowClients: ['counter', 'Clients that were disconnected because they did not read'],
}

export const metricsText = (stats: ServerStats, rooms: number): string => {
  const lines = Object.entries(described).flatMap(([key, [type, help]]) =>
    metric(key, type, help, stats[key as keyof ServerStats]),
  )
  return [...lines, ...metric('stores', 'gauge', 'Stores with a client', rooms), ''].join('\n')
}

const metric = (key: string, type: string, help: string, value: number): string[] => {
  const name = `livestore_sync_${key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, `${name} ${value}`]
}
