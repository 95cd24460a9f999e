/** What a server counts since it started: its metrics, and what tests look at. */

export interface ServerStats {
  connections: number
  connectionsTotal: number
  pushes: number
  refusedPushes: number
  /** Events of batches that were admitted, the refused by the storage included. */
  pushedEvents: number
  pulls: number
  pages: number
  malformedFrames: number
  unauthorized: number
  slowClients: number
}

export const newStats = (): ServerStats => ({
  connections: 0,
  connectionsTotal: 0,
  pushes: 0,
  refusedPushes: 0,
  pushedEvents: 0,
  pulls: 0,
  pages: 0,
  malformedFrames: 0,
  unauthorized: 0,
  slowClients: 0,
})
