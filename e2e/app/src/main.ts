/** Boots the store that the address asks for, and hands the test its remote control. */

import type { BootStatus, Store } from 'livestore-wasm'
import { createStorePromise, nanoid, queryDb } from 'livestore-wasm'
import { makePersistedAdapter } from 'livestore-wasm/adapter-web'
import LiveStoreSharedWorker from 'livestore-wasm/shared-worker?sharedworker'
import NoSyncAccessWorker from './no-sync-access.worker.ts?worker'
import Plain1Worker from './plain-1.worker.ts?worker'
import Plain2Worker from './plain-2.worker.ts?worker'
import RefusedWorker from './refused.worker.ts?worker'
import type { AppState, BadCall, CallOutcome, RejectionData, RowData } from './remote-control.js'
import { events, makeTestedSchema } from './schema.js'
import ServedWorker from './served.worker.ts?worker'
import SyncedWorker from './synced.worker.ts?worker'
import ThrowingWorker from './throwing.worker.ts?worker'

const parameters = new URLSearchParams(location.search)
const storeId = parameters.get('storeId') ?? 'e2e'
const version = parameters.get('schema') === '2' ? 2 : 1
const workers = {
  plain: version === 1 ? Plain1Worker : Plain2Worker,
  refused: RefusedWorker,
  'no-sync-access': NoSyncAccessWorker,
  throwing: ThrowingWorker,
  synced: SyncedWorker,
  served: ServedWorker,
}
const commitsNotes = parameters.has('notes')
const ChosenWorker = workers[(parameters.get('worker') ?? 'plain') as keyof typeof workers]

/** Leader workers that this tab has started and not killed. */
const runningWorkers: Worker[] = []
const bootStatuses: BootStatus[] = []
const bootStatusTimes: number[] = []
const rejections: RejectionData[] = []
let store: Store | undefined
let notifications = 0
let added: string[] = []
let adding: Promise<void> | undefined
let keepAdding = false
/** What this page signs its notes with, from when the test has told it. */
let author: string | undefined
let noted = 0
let notesPersisted = 0
let notesTold = 0
let isTelling = false
let keepNoting = true

const { schema, todos } = makeTestedSchema({ version })
const option = parameters.get('liveStoreData')
const adapter = makePersistedAdapter({
  storage: { type: 'opfs' },
  requestPersistentStorage: parameters.has('requestPersistentStorage'),
  liveStoreData: (option ?? undefined) as 'import-if-readable' | undefined,
  sharedWorker: LiveStoreSharedWorker,
  worker: (options) => {
    const worker = new ChosenWorker(options)
    runningWorkers.push(worker)
    if (commitsNotes) {
      worker.addEventListener('message', ({ data }) => {
        if (data.type === 'leading') void window.tell({ what: 'leads' })
      })
    }
    return worker
  },
})

const failure = (thrown: unknown): { code: string; message: string } => ({
  code: thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'none',
  message: thrown instanceof Error ? thrown.message : String(thrown),
})

const boot = async (): Promise<AppState> => {
  try {
    store = await createStorePromise({
      schema,
      adapter,
      storeId,
      syncPayload: { syncUrl: parameters.get('syncUrl') },
      onBootStatus: (status) => {
        bootStatuses.push(status)
        bootStatusTimes.push(performance.timeOrigin + performance.now())
      },
      onError: ({ code, message }) => {
        const errors = [...window.app.errors(), { code, message }]
        sessionStorage.setItem('errors', JSON.stringify(errors))
      },
      onRejected: (rejected) => {
        for (const { event, code, message } of rejected) {
          rejections.push({ eventName: event.name, argsJson: event.argsJson, code, message })
        }
      },
    })
    store.subscribe(queryDb({ query: 'SELECT id FROM todos', schema: anything }), () => {
      notifications += 1
    })
    document.getElementById('state')!.textContent = 'ready'
    if (commitsNotes) void keepOnNoting()
    return { state: 'ready' }
  } catch (thrown) {
    document.getElementById('state')!.textContent = 'failed'
    return { state: 'failed', ...failure(thrown) }
  }
}

const anything = {
  '~standard': {
    version: 1,
    vendor: 'tested-app',
    validate: (value: unknown) => ({ value }),
  },
} as const

const theStore = (): Store => {
  if (store === undefined) throw new Error('there is no store')
  return store
}

const addOne = (text: string): void => {
  theStore().commit(events.todoCreated({ id: nanoid(), text }))
}

/** Long enough for other tabs to come in between, as they do between the commits of a user. */
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 4))

/**
 * Whoever asks how many notes are on disk asks in one of the two ways there are. The test is told
 * one number at a time: telling takes longer than a commit.
 */
const noteAndWatch = (count: number): void => {
  if (author === undefined) throw new Error('this page has no author yet')
  const persisted = (upTo: number) => (): void => {
    notesPersisted = Math.max(notesPersisted, upTo)
    tellPersisted()
  }
  for (let i = 0; i < count; i++) {
    const receipt = theStore().commit(events.noted({ text: `${author}-${noted++}` }))
    // Rejected with the end of the store: then nothing has been promised.
    receipt.persisted.then(persisted(noted), () => undefined)
  }
  if (noted % 3 === 0)
    theStore()
      .flush()
      .then(persisted(noted), () => undefined)
}

const tellPersisted = (): void => {
  if (author === undefined || notesTold === notesPersisted || isTelling) return
  isTelling = true
  notesTold = notesPersisted
  void window.tell({ what: 'persisted', author, count: notesTold }).finally(() => {
    isTelling = false
    tellPersisted()
  })
}

const keepOnNoting = async (): Promise<void> => {
  author = await window.tell({ what: 'arrived' })
  for (;;) {
    if (keepNoting) noteAndWatch(Math.random() < 0.1 ? 20 : 1)
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 100))
  }
}

const outcomeOf = (call: () => unknown): CallOutcome => {
  try {
    call()
    return { outcome: 'returned' }
  } catch (thrown) {
    return { outcome: 'threw', ...failure(thrown) }
  }
}

const badCalls: Record<BadCall, () => unknown> = {
  'wrong-event-args': () =>
    theStore().commit(events.todoCreated({ id: 'x', text: 7 as unknown as string })),
  'unknown-event': () => theStore().commit({ name: 'v1.Nonsense', args: {} } as never),
  'constraint-violation': () =>
    theStore().commit(
      events.todoCreated({ id: 'same', text: 'one' }),
      events.todoCreated({ id: 'same', text: 'two' }),
    ),
  'unknown-column': () => theStore().query(todos.where({ nonsense: 1 } as never)),
  'sql-error': () => theStore().query({ query: 'SELEKT 1', bindValues: [] }),
  'write-by-query': () => theStore().query({ query: 'DELETE FROM todos', bindValues: [] }),
}

window.app = {
  booted: boot(),
  bootStatuses,
  bootStatusTimes,
  rejections,
  errors: () => JSON.parse(sessionStorage.getItem('errors') ?? '[]'),
  add: (texts) => {
    theStore().commit(...texts.map((text) => events.todoCreated({ id: nanoid(), text })))
  },
  addAndFlush: async (texts) => {
    window.app.add(texts)
    await theStore().flush()
  },
  addMany: async (prefix, count) => {
    for (let i = 0; i < count; i++) {
      addOne(`${prefix}-${i}`)
      await pause()
    }
  },
  startAdding: (prefix) => {
    added = []
    keepAdding = true
    adding = (async () => {
      while (keepAdding) {
        const text = `${prefix}-${added.length}`
        addOne(text)
        added.push(text)
        await pause()
      }
    })()
  },
  addedCount: () => added.length,
  stopAdding: async () => {
    keepAdding = false
    await adding
    return added
  },
  remove: (text) => {
    for (const row of window.app.rows()) {
      if (row.text === text) theStore().commit(events.todoDeleted({ id: row.id }))
    }
  },
  note: (count) => {
    if (author === undefined) return undefined
    noteAndWatch(count)
    return { author, noted }
  },
  setNoting: (isOn) => {
    keepNoting = isOn
  },
  notes: () =>
    theStore()
      .query<{ readonly text: string }>({
        query: 'SELECT text FROM notes ORDER BY place',
        bindValues: [],
      })
      .map(({ text }) => text),
  rows: () =>
    theStore().query<RowData>({
      query: 'SELECT rowid, * FROM todos ORDER BY rowid',
      bindValues: [],
    }),
  status: () => {
    const { pendingCount, localHead, upstreamHead } = theStore().syncStatus()
    return { storageMode: theStore().storageMode, pendingCount, localHead, upstreamHead }
  },
  notifications: () => notifications,
  attempt: (call) => outcomeOf(badCalls[call]),
  attemptStore: async (id) => {
    try {
      await createStorePromise({ schema, adapter, storeId: id })
      return { outcome: 'returned' }
    } catch (thrown) {
      return { outcome: 'threw', ...failure(thrown) }
    }
  },
  workerCount: () => runningWorkers.length,
  killWorker: () => {
    for (const worker of runningWorkers.splice(0)) worker.terminate()
  },
  shutdown: () => theStore().shutdownPromise(),
}
