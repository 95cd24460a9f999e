/** A sync backend as an app would write it: long polls and posts to `/sync/` of its own origin. */

import {
  IsOfflineError,
  type MakeSyncBackend,
  type PullPage,
  ServerAheadError,
} from 'livestore-wasm/worker'

/** What the server says to a push. */
type PushAnswer =
  | { readonly outcome: 'taken' }
  | {
      readonly outcome: 'ahead'
      readonly minimumExpectedNum: number
      readonly providedNum: number
    }

const ask = async (url: string, init: RequestInit): Promise<unknown> => {
  const response = await fetch(url, init).catch(() => undefined)
  if (response === undefined) throw new IsOfflineError()
  if (!response.ok) throw new Error(`${url} answered ${response.status}`)
  return response.json()
}

export const makeHttpBackend: MakeSyncBackend = ({ storeId, clientId }) => {
  const url = `/sync/${storeId}?client=${clientId}`
  return {
    async *pull(cursor, { live, signal }) {
      let after = cursor?.eventSequenceNumber ?? 0
      // The first answer comes at once; only then the server may wait for something new.
      for (let wait = false; ; wait = true) {
        const page = (await ask(`${url}&after=${after}&wait=${wait}`, { signal })) as PullPage
        yield page
        after += page.batch.length
        if (!live && page.pageInfo._tag === 'NoMore') return
      }
    },
    async push(batch, { signal }) {
      const init = { method: 'POST', body: JSON.stringify(batch), signal }
      const answer = (await ask(url, init)) as PushAnswer
      if (answer.outcome === 'ahead') throw new ServerAheadError(answer)
    },
  }
}
