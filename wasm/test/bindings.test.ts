/**
 * The boundary, against the real module in Node: the types of wasm/types/module.d.ts match, every
 * error arrives with its code, callbacks that throw leave the engine consistent, and no handle
 * stays alive.
 */

import { beforeAll, describe, expect, test } from 'vitest'
import { LiveStoreError } from '../../js/src/errors.js'
import { ClientSession, type CommitEvent } from '../../js/src/wasm/client-session.js'
import { encodePage, type PulledEvent } from '../../js/src/wasm/codec.js'
import { Leader, type LeaderOptions, leaderFileNames } from '../../js/src/wasm/leader.js'
import { loadEngine } from '../../js/src/wasm/load.js'
import type { Engine, StorageFile } from '../../js/src/wasm/module.js'
import type { Materialize, SeqNum } from '../../js/src/wasm/values.js'

const column = (name: string, type: string, more: object = {}) => ({
  name,
  type,
  nullable: false,
  primaryKey: false,
  autoIncrement: false,
  default: null,
  codec: type,
  ...more,
})

const schemaDescriptor = JSON.stringify({
  version: 1,
  tables: [
    {
      name: 'items',
      columns: [
        column('id', 'text', { primaryKey: true }),
        column('n', 'integer', { nullable: true }),
        column('x', 'real', { nullable: true }),
        column('data', 'blob', { nullable: true }),
        column('__proto__', 'text', { nullable: true }),
      ],
      indexes: [],
    },
  ],
})

/** `Put { id, n }`, `Throw {}`, `Foreign {}` (a coded error), `Nonsense {}` (SQL of no table). */
const materialize: Materialize = (event) => {
  const args = (event.args ?? JSON.parse(event.argsJson)) as { id: string; n: number | null }
  switch (event.name) {
    case 'Put':
      return [
        { sql: 'insert into items (id, n) values ($id, $n)', binds: { id: args.id, n: args.n } },
      ]
    case 'Throw':
      throw new TypeError('a bug in the app')
    case 'Foreign':
      throw new LiveStoreError('UnknownEvent', 'nobody knows "Foreign"')
    case 'Nonsense':
      return [{ sql: 'insert into nowhere values (1)', binds: [] }]
    default:
      return []
  }
}

const event = (name: string, args: unknown = {}): CommitEvent => ({
  name,
  args,
  argsJson: JSON.stringify(args),
  clientOnly: false,
  schemaHash: 1,
})
const put = (id: string, n: number | null = null): CommitEvent => event('Put', { id, n })

const codeOf = (call: () => unknown): string => {
  try {
    call()
  } catch (error) {
    return error instanceof LiveStoreError ? error.code : `not ours: ${error}`
  }
  return 'did not throw'
}

let engine: Engine
let sessions = 0
/** What every session is opened with; the name of the object is another each time. */
const sessionOptions = () => ({
  clientId: 'c',
  sessionId: 's',
  instance: `s-${++sessions}`,
  schemaDescriptor,
  materialize,
})
const openSession = (): ClientSession => ClientSession.open(engine, sessionOptions())

const openLeader = (options: Partial<LeaderOptions> = {}): Leader => {
  const leader = Leader.open(engine, {
    schemaDescriptor,
    storage: 'in-memory',
    materialize,
    ...options,
  })
  while (leader.bootStep().stage !== 'done');
  return leader
}
/** As a first hello and its welcome. */
const joinNew = (session: ClientSession, leader: Leader): void => {
  session.onLeaderChange()
  const { image, history } = leader.join(undefined, session.instance)
  session.loadImage(image as Uint8Array, history)
}

beforeAll(async () => {
  engine = await loadEngine({
    wasmUrl: new URL('../../build/wasm-release/wasm/livestore.wasm', import.meta.url),
  })
})

describe('the module', () => {
  test('has every export that module.d.ts names', () => {
    for (const name of [
      '_ls_input',
      '_ls_batch',
      '_ls_output',
      '_ls_output_size',
      '_ls_prepare',
      '_ls_query',
      '_ls_commit',
      '_ls_live_open',
      '_ls_live_run',
      '_ls_live_close',
    ] as const) {
      expect(engine.module[name], name).toBeTypeOf('function')
    }
    const methods = (embindClass: unknown): string[] =>
      Object.getOwnPropertyNames((embindClass as { prototype: object }).prototype)
    expect(methods(engine.module.ClientSession)).toEqual(
      expect.arrayContaining([
        'slot',
        'schemaHash',
        'loadImage',
        'nextPush',
        'onPushAccepted',
        'onPushRejected',
        'onPushFailed',
        'onNews',
        'onHistory',
        'onLeaderChange',
        'pendingAsPush',
        'receipts',
        'syncStatus',
        'image',
      ]),
    )
    expect(methods(engine.module.Leader)).toEqual(
      expect.arrayContaining([
        'slot',
        'schemaHash',
        'bootStep',
        'submit',
        'submitOrphans',
        'drain',
        'hasWork',
        'join',
        'nextRequests',
        'wakeAt',
        'onPulled',
        'onPullEnded',
        'onPullFailed',
        'onPushTaken',
        'onPushFailed',
        'onPushRefused',
        'onBackendReplaced',
        'onConnection',
        'syncStatus',
        'image',
        'settledAfter',
        'localHead',
        'counters',
      ]),
    )
  })

  test('needs no function built from text: a strict policy lets it run', async () => {
    const { readFile } = await import('node:fs/promises')
    const glue = await readFile(
      new URL('../../build/wasm-release/wasm/livestore.mjs', import.meta.url),
      'utf8',
    )
    expect(glue).not.toMatch(/new Function|\beval\(/)
  })
})

describe('values', () => {
  test('cross both ways as SQLite holds them', () => {
    const session = openSession()
    const sql = 'select ? as a, ? as b, ? as c, ? as d, ? as e, ? as f, ? as g'
    const binds = [null, 1.5, 42, 'grüße 😀\u0000!', 2n ** 62n, new Uint8Array([1, 2, 255]), true]
    expect(session.query(sql, binds)).toEqual([
      {
        a: null,
        b: 1.5,
        c: 42,
        d: 'grüße 😀\u0000!',
        e: 2n ** 62n,
        f: new Uint8Array([1, 2, 255]),
        g: 1,
      },
    ])
    const [types] = session.query(
      'select typeof(?) as a, typeof(?) as b, typeof(?) as c',
      [1, 1.5, -0],
    ) as [object]
    expect(types).toEqual({ a: 'integer', b: 'real', c: 'real' })
    session.close()
  })

  test('unpaired surrogates become U+FFFD and shift nothing', () => {
    const session = openSession()
    expect(session.query('select ? as a, ? as b', ['x\ud800y', 'next'])).toEqual([
      { a: 'x\ufffdy', b: 'next' },
    ])
    expect(session.query("select cast(x'61ff62' as text) as a, 'next' as b", [])).toEqual([
      { a: 'a\ufffdb', b: 'next' },
    ])
    session.close()
  })

  test('a byte order mark at the front of a result is text like any other', () => {
    const session = openSession()
    const binds = [`\ufeffmark ${'x'.repeat(200)}`, 'next']
    expect(session.query('select ? as a, ? as b', binds)).toEqual([{ a: binds[0], b: 'next' }])
    session.close()
  })

  test('by name, with or without the sign; a missing one is named', () => {
    const session = openSession()
    expect(session.query('select $a as a, :b as b', { a: 1, ':b': 2 })).toEqual([{ a: 1, b: 2 }])
    expect(() => session.query('select $a', {})).toThrow(/\$a/)
    expect(codeOf(() => session.query('select ?', []))).toBe('InvalidBind')
    expect(codeOf(() => session.query('select ?', [{} as never]))).toBe('InvalidBind')
    expect(codeOf(() => session.query('select ?', [2n ** 64n]))).toBe('InvalidBind')
    session.close()
  })

  test('the mathematical functions of SQL count as in any SQLite', () => {
    const session = openSession()
    const value = (sql: string): number | null => {
      const [row] = session.query(`select ${sql} as v`, []) as [{ v: number | null }]
      return row.v
    }
    const expected: Record<string, number> = {
      'acos(0.5)': 1.0471975511965979,
      'acosh(2)': 1.3169578969248166,
      'asin(0.5)': 0.5235987755982989,
      'asinh(2)': 1.4436354751788103,
      'atan(2)': 1.1071487177940904,
      'atan2(-1, 2)': -0.4636476090008061,
      'atanh(0.5)': 0.5493061443340548,
      'cos(2)': -0.4161468365471424,
      'cosh(2)': 3.7621956910836314,
      'exp(2)': 7.38905609893065,
      'ln(20)': 2.995732273553991,
      'log(1000)': 3,
      'log(2, 1024)': 10,
      'log2(1024)': 10,
      'mod(-7.5, 2)': -1.5,
      'pow(2, 0.3)': 1.2311444133449163,
      'sin(2)': 0.9092974268256817,
      'sinh(2)': 3.626860407847019,
      'tan(2)': -2.185039863261519,
      'tanh(0.5)': 0.46211715726000974,
    }
    for (const [sql, wanted] of Object.entries(expected)) {
      expect(Math.abs(Number(value(sql)) / wanted - 1), sql).toBeLessThan(1e-14)
    }
    // Exact everywhere, and other than in JavaScript.
    for (const sql of ['pow(1, 9e999)', 'pow(-1, 9e999)', 'pow(-1, -9e999)', 'pow(0, 0)']) {
      expect(value(sql), sql).toBe(1)
    }
    expect(value('pow(-8, 0.5)')).toBeNull()
    expect(value('mod(1, 0)')).toBeNull()
    expect(value('acos(2)')).toBeNull()
    expect(value('trunc(-2.5) + ceil(2.1) + floor(2.9) + sqrt(16)')).toBe(7)
    session.close()
  })

  test('a column called __proto__ is a column', () => {
    const session = openSession()
    session.commit([put('a')])
    const [row] = session.query('select id, "__proto__" from items', []) as [object]
    expect(Object.getPrototypeOf(row)).toBe(Object.prototype)
    expect(Object.keys(row)).toEqual(['id', '__proto__'])
    session.close()
  })

  test('many rows, plucked and decoded', () => {
    const session = openSession()
    session.commit(
      Array.from({ length: 3000 }, (_, i) => put(`id-${String(i).padStart(5, '0')}`, i)),
    )
    const shape = { pluck: true, decoders: [(value: unknown) => `<${value}>`] }
    const ids = session.query('select id, n from items order by id', [], shape)
    expect(ids).toHaveLength(3000)
    expect(ids[2999]).toBe('<id-02999>')
    session.close()
  })
})

describe('errors', () => {
  test('name the code and the SQL', () => {
    const session = openSession()
    expect(codeOf(() => session.query('selec 1', []))).toBe('Sql')
    expect(() => session.query('select nothing from items', [])).toThrow(/nothing/)
    expect(codeOf(() => session.query('delete from items', []))).toBe('ReadOnlyQuery')
    expect(codeOf(() => session.query('select 1; select 2', []))).toBe('Sql')
    expect(codeOf(() => session.query('attach database "x" as y', []))).toMatch(/Sql|ReadOnlyQuery/)
    expect(codeOf(() => session.query('pragma user_version = 3', []))).toMatch(/Sql|ReadOnlyQuery/)
    session.close()
  })

  test('a bad schema names table and column', () => {
    const bad = JSON.stringify({
      version: 1,
      tables: [{ name: 't', columns: [column('c', 'varchar')], indexes: [] }],
    })
    expect(() =>
      ClientSession.open(engine, { ...sessionOptions(), schemaDescriptor: bad }),
    ).toThrow(/varchar|"c"/)
  })

  test('after close every call throws Closed, and close again does nothing', () => {
    const session = openSession()
    session.close()
    session.close()
    expect(codeOf(() => session.query('select 1', []))).toBe('Closed')
    expect(codeOf(() => session.commit([put('a')]))).toBe('Closed')
    expect(codeOf(() => session.nextPush())).toBe('Closed')
  })
})

describe('a callback that throws', () => {
  test.each([
    ['Throw', 'MaterializerThrew', /a bug in the app/],
    ['Foreign', 'UnknownEvent', /Foreign/],
    ['Nonsense', 'Sql', /nowhere/],
  ])('%s becomes %s and leaves the session as it was', (name, code, message) => {
    const session = openSession()
    session.commit([put('a')])
    expect(codeOf(() => session.commit([put('b'), event(name)]))).toBe(code)
    expect(() => session.commit([event(name)])).toThrow(message)
    expect(session.query('select id from items', [], { pluck: true })).toEqual(['a'])
    expect(session.syncStatus().pendingCount).toBe(1)
    session.commit([put('c')])
    expect(session.query('select id from items order by id', [], { pluck: true })).toEqual([
      'a',
      'c',
    ])
    session.close()
  })

  test('a materializer that commits gets Nested, and the outer commit goes on', () => {
    let inner = ''
    const session: ClientSession = ClientSession.open(engine, {
      ...sessionOptions(),
      materialize: (input, reader) => {
        inner ||= codeOf(() => session.commit([put('inner')]))
        expect(reader.query('select count(*) as n from items', [])).toEqual([{ n: 0 }])
        return materialize(input, reader)
      },
    })
    session.commit([put('outer')])
    expect(inner).toBe('Nested')
    expect(session.query('select id from items', [], { pluck: true })).toEqual(['outer'])
    session.close()
  })

  test('a materializer sees the position of its event, in a commit and in a replay', () => {
    const seen: string[] = []
    const text = ({ global, client }: SeqNum): string => `${global}.${client}`
    const spy: Materialize = ({ seqNum, parentSeqNum, local, name }, reader) => {
      seen.push(`${name} ${text(parentSeqNum)}>${text(seqNum)} ${local}`)
      return materialize(
        {
          args: undefined,
          argsJson: '{"id":"x"}',
          name,
          seqNum,
          parentSeqNum,
          local,
          clientId: '',
          sessionId: '',
        },
        reader,
      )
    }
    const leader = openLeader()
    const open = (): ClientSession =>
      ClientSession.open(engine, { ...sessionOptions(), materialize: spy })
    const one = open()
    const two = open()
    one.commit([event('Other'), { ...event('Other'), clientOnly: true }])
    leader.submit(1, 1, one.nextPush() as Uint8Array)
    const [entry] = leader.drain().entries
    two.onNews((entry as { news: Uint8Array }).news)
    expect(seen).toEqual([
      'Other 0.0>1.0 true',
      'Other 1.0>1.1 true',
      'Other 0.0>1.0 false',
      'Other 1.0>1.1 false',
    ])
    for (const end of [leader, one, two]) end.close()
  })
})

describe('live queries', () => {
  test('tell what is stale, and nothing when the rows are the same', () => {
    const session = openSession()
    const live = session.openLive('select id from items where n > ?', [10])
    expect(session.runLive(live, { pluck: true })).toEqual([])
    expect(session.commit([put('a', 5)])).toEqual([])
    expect(session.runLive(live, { pluck: true })).toBeUndefined()
    expect(session.commit([put('b', 50)])).toEqual([live])
    expect(session.runLive(live, { pluck: true })).toEqual(['b'])
    session.closeLive(live)
    session.closeLive(live)
    expect(session.commit([put('c', 50)])).toEqual([])
    expect(codeOf(() => session.runLive(live))).toBe('InvalidArgument')
    session.close()
  })
})

describe('a leader', () => {
  test('takes pushes, serves history and an image, in memory', () => {
    const leader = openLeader()
    const one = openSession()
    joinNew(one, leader)
    one.commit([put('a', 1), put('b', 2)])
    expect(one.receipts()).toEqual({
      committed: 2,
      persisted: 0,
      synced: 0,
      hasBackend: false,
    })
    leader.submit(7, 1, one.nextPush() as Uint8Array)
    expect(leader.hasWork()).toBe(true)
    const { entries, ...rest } = leader.drain()
    expect(rest).toEqual({ rejoin: false, skipped: [], refused: [] })
    expect(entries).toEqual([
      { type: 'news', author: 7, news: expect.any(Uint8Array) },
      { type: 'push-result', session: 7, push: 1, outcome: 'accepted' },
    ])
    one.onPushAccepted()
    expect(one.syncStatus()).toMatchObject({
      pendingCount: 0,
      upstreamHead: { global: 2, client: 0 },
    })
    expect(one.receipts()).toMatchObject({ persisted: 2, synced: 0, hasBackend: false })

    const two = openSession()
    joinNew(two, leader)
    expect(two.query('select id from items order by id', [], { pluck: true })).toEqual(['a', 'b'])
    const three = openSession()
    const { image, history } = leader.join(three.onLeaderChange(), three.instance)
    expect(image).toBeUndefined()
    three.onHistory(history)
    expect(three.query('select n from items order by id', [], { pluck: true })).toEqual([1, 2])
    expect(leader.schemaHash).toBe(two.schemaHash)
    expect(codeOf(() => leader.join(new Uint8Array([255]), 'x'))).toBe('MalformedBytes')
    for (const end of [leader, one, two, three]) end.close()
  })

  test('takes what a session left behind, once', () => {
    const leader = openLeader()
    const session = openSession()
    joinNew(session, leader)
    expect(session.pendingAsPush()).toBeUndefined()
    session.commit([put('a')])
    const left = session.pendingAsPush() as Uint8Array
    for (let i = 0; i < 2; i++) {
      leader.submitOrphans(left)
      leader.drain()
    }
    expect(leader.localHead().global).toBe(1)
    for (const end of [leader, session]) end.close()
  })

  test('a push whose materializer throws fails alone', () => {
    let broken = false
    const leader = openLeader({
      materialize: (input, reader) => {
        if (broken) throw new Error('only here')
        return materialize(input, reader)
      },
    })
    const session = openSession()
    session.commit([put('a')])
    broken = true
    leader.submit(1, 1, session.nextPush() as Uint8Array)
    const [failed] = leader.drain().entries
    expect(failed).toMatchObject({ outcome: 'failed', failedIndex: 0, code: 'MaterializerThrew' })
    const outcome = session.onPushFailed(0, 'MaterializerThrew', 'only here')
    expect(outcome.rejected).toMatchObject([
      { event: { name: 'Put' }, counter: 1, accepted: false, code: 'MaterializerThrew' },
    ])
    expect(session.query('select id from items', [])).toEqual([])
    leader.close()
    session.close()
  })

  /** Files as the leader worker gives them, in memory, with a quota. */
  const files = (quota = { bytes: Number.POSITIVE_INFINITY }): StorageFile[] =>
    leaderFileNames(engine).map((name) => {
      let bytes = new Uint8Array(0)
      return {
        name,
        handle: {
          read(into, { at }) {
            const part = bytes.subarray(at, at + into.byteLength)
            into.set(part)
            return part.byteLength
          },
          write(from, { at }) {
            if (quota.bytes <= 0)
              throw Object.assign(new Error('full'), { name: 'QuotaExceededError' })
            if (at + from.byteLength > bytes.byteLength) {
              const grown = new Uint8Array(at + from.byteLength)
              grown.set(bytes)
              bytes = grown
            }
            bytes.set(from, at)
            return from.byteLength
          },
          truncate(size) {
            const resized = new Uint8Array(size)
            resized.set(bytes.subarray(0, size))
            bytes = resized
          },
          flush() {},
          getSize: () => bytes.byteLength,
        },
      }
    })

  test('keeps its data in the files it was given', () => {
    const storage = files()
    for (const round of [0, 1, 2]) {
      const leader = openLeader({ storage })
      expect(leader.localHead().global).toBe(round)
      const session = openSession()
      joinNew(session, leader)
      session.commit([put(`r${round}`)])
      leader.submit(1, 1, session.nextPush() as Uint8Array)
      leader.drain()
      session.close()
      leader.close()
    }
  })

  test('a full disk is StorageFull, and the push is taken when there is room again', () => {
    const quota = { bytes: Number.POSITIVE_INFINITY }
    const leader = openLeader({ storage: files(quota) })
    const session = openSession()
    session.commit([put('a')])
    leader.submit(1, 1, session.nextPush() as Uint8Array)
    quota.bytes = 0
    expect(codeOf(() => leader.drain())).toBe('StorageFull')
    quota.bytes = Number.POSITIVE_INFINITY
    expect(leader.drain().entries).toContainEqual({
      type: 'push-result',
      session: 1,
      push: 1,
      outcome: 'accepted',
    })
    leader.close()
    session.close()
  })

  test('an event whose materializer fails at a rebuild has no effect, and is reported', () => {
    const storage = files()
    const leader = openLeader({ storage })
    const session = openSession()
    joinNew(session, leader)
    session.commit([put('a'), put('b')])
    leader.submit(1, 1, session.nextPush() as Uint8Array)
    leader.drain()
    leader.close()
    const changed = JSON.parse(schemaDescriptor)
    changed.tables[0].columns.push(column('more', 'text', { nullable: true }))
    const again = openLeader({
      storage,
      schemaDescriptor: JSON.stringify(changed),
      materialize: (input, reader) => {
        if (input.argsJson.includes('"a"')) throw new Error('no longer')
        return materialize(input, reader)
      },
    })
    expect(again.drain().skipped).toMatchObject([
      { event: { name: 'Put', seqNum: { global: 1 } }, code: 'MaterializerThrew' },
    ])
    expect(again.localHead().global).toBe(2)
    again.close()
    session.close()
  })

  test('damaged bytes from a session are refused with their code', () => {
    const leader = openLeader()
    expect(codeOf(() => leader.submit(1, 1, new Uint8Array([9, 9, 9])))).toMatch(
      /MalformedBytes|ProtocolMismatch/,
    )
    leader.close()
  })
})

describe('a leader with a sync backend', () => {
  const backend = { livePull: true, jitterSeed: 1 }
  const pulled = (global: number, id: string, more: Partial<PulledEvent> = {}): PulledEvent => ({
    name: 'Put',
    argsJson: JSON.stringify({ id, n: global }),
    global,
    parentGlobal: global - 1,
    clientId: 'other',
    sessionId: 'grüße',
    metadataJson: '',
    ...more,
  })
  const ids = (session: ClientSession): unknown[] =>
    session.query('select id from items order by rowid', [], { pluck: true })

  test('asks for a pull and a push, and rebases what it has on what it pulls', () => {
    const leader = openLeader({ backend })
    const session = openSession()
    joinNew(session, leader)
    session.commit([put('mine'), put('mine too')])
    leader.submit(1, 1, session.nextPush() as Uint8Array)
    leader.drain()
    session.onPushAccepted()
    const pull = {
      kind: 'pull',
      number: 1,
      backendId: '',
      cursor: 0,
      cursorMetadata: '',
      live: true,
    }
    expect(leader.nextRequests(0)).toEqual([pull])
    leader.onPulled(1, encodePage('b1', []), true, 0)
    leader.drain()
    const [push] = leader.nextRequests(0)
    expect(push).toMatchObject({
      kind: 'push',
      number: 2,
      backendId: 'b1',
      events: [{ name: 'Put', seqNum: { global: 1 } }, { seqNum: { global: 2 } }],
    })
    leader.onPushFailed(2, 'server-ahead', 0)
    const theirs = [pulled(1, 'theirs', { metadataJson: '{"at":1}' }), pulled(2, 'theirs too')]
    leader.onPulled(1, encodePage('b1', theirs), true, 0)
    const { entries } = leader.drain()
    expect(entries).toHaveLength(1)
    session.onNews((entries[0] as { news: Uint8Array }).news)
    expect(ids(session)).toEqual(['theirs', 'theirs too', 'mine', 'mine too'])
    expect(leader.syncStatus()).toMatchObject({
      localHead: { global: 4 },
      upstreamHead: 2,
      pendingCount: 2,
      caughtUp: true,
      online: true,
      halted: false,
    })
    expect(leader.counters()).toMatchObject({ rebases: 1, eventsRebased: 2, eventsPulled: 2 })

    const [again] = leader.nextRequests(60_000)
    expect(again).toMatchObject({
      kind: 'push',
      backendId: 'b1',
      events: [{ seqNum: { global: 3 } }, {}],
    })
    leader.onPushTaken(again?.number as number)
    const echo = { clientId: 'c', sessionId: 's' }
    const mine = [3, 4].map((global) =>
      pulled(global, '', {
        ...echo,
        argsJson: JSON.stringify({ id: global === 3 ? 'mine' : 'mine too', n: null }),
      }),
    )
    leader.onPulled(1, encodePage('b1', mine), true, 0)
    for (const entry of leader.drain().entries) session.onNews((entry as { news: Uint8Array }).news)
    expect(session.receipts()).toEqual({
      committed: 2,
      persisted: 2,
      synced: 2,
      hasBackend: true,
    })
    expect(leader.counters()).toMatchObject({ rebases: 1, eventsPulled: 4 })
    for (const end of [leader, session]) end.close()
  })

  test('takes out what the backend refuses, and tells its author', () => {
    const leader = openLeader({ backend })
    const session = openSession()
    joinNew(session, leader)
    session.commit([put('good'), put('bad'), put('good too')])
    leader.submit(1, 1, session.nextPush() as Uint8Array)
    leader.drain()
    session.onPushAccepted()
    leader.onPulled(leader.nextRequests(0)[0]?.number as number, encodePage('b1', []), true, 0)
    leader.drain()
    const [push] = leader.nextRequests(0)
    leader.onPushRefused(push?.number as number, 1, 'too bad', 0)
    const { entries, refused } = leader.drain()
    expect(refused).toMatchObject([
      { event: { argsJson: '{"id":"bad","n":null}' }, code: 'BackendRefused', message: 'too bad' },
    ])
    const outcome = session.onNews((entries[0] as { news: Uint8Array }).news)
    expect(outcome.rejected).toMatchObject([
      { counter: 2, accepted: true, code: 'BackendRefused', message: 'too bad' },
    ])
    expect(ids(session)).toEqual(['good', 'good too'])
    for (const end of [leader, session]) end.close()
  })

  test('refuses pages with gaps and client-only events, and pulls again after a while', () => {
    const leader = openLeader({ backend })
    const [pull] = leader.nextRequests(0)
    const page = encodePage('', [pulled(2, 'gap')])
    expect(codeOf(() => leader.onPulled(pull?.number as number, page, true, 0))).toBe('UpstreamGap')
    expect(leader.nextRequests(0)).toEqual([{ kind: 'stop-pull', number: 1 }])
    const wakeAt = leader.wakeAt(0) as number
    expect(wakeAt).toBeGreaterThan(0)
    const [next] = leader.nextRequests(wakeAt)
    expect(next).toMatchObject({ kind: 'pull', cursor: 0 })
    const wrong = encodePage('', [pulled(1, 'x', { parentGlobal: 7 })])
    expect(codeOf(() => leader.onPulled(next?.number as number, wrong, true, wakeAt))).toBe(
      'MalformedBytes',
    )
    leader.onConnection(false)
    expect(leader.wakeAt(wakeAt)).toBeUndefined()
    leader.close()
  })

  test('begins anew with another backend, or stays with the one it knows', () => {
    for (const onBackendIdMismatch of ['reset', 'ignore'] as const) {
      const leader = openLeader({ backend, onBackendIdMismatch })
      const [pull] = leader.nextRequests(0)
      leader.onPulled(pull?.number as number, encodePage('b1', [pulled(1, 'x')]), true, 0)
      leader.drain()
      leader.onBackendReplaced('b2')
      const { rejoin } = leader.drain()
      expect(rejoin).toBe(onBackendIdMismatch === 'reset')
      expect(leader.syncStatus().halted).toBe(onBackendIdMismatch === 'ignore')
      expect(leader.localHead().global).toBe(onBackendIdMismatch === 'reset' ? 0 : 1)
      leader.close()
    }
  })

  test('knows a page of many events, names and texts', () => {
    const leader = openLeader({ backend })
    const [pull] = leader.nextRequests(0)
    const events = Array.from({ length: 500 }, (_, i) =>
      pulled(i + 1, `id ${i} ${'ü😀'.repeat(i)}`, {
        name: i % 3 === 0 ? 'Other' : 'Put',
        clientId: `client ${i % 200}`,
        sessionId: `session ${i % 7}`,
      }),
    )
    leader.onPulled(pull?.number as number, encodePage('', events), false, 0)
    leader.drain()
    const session = openSession()
    joinNew(session, leader)
    expect(ids(session)).toHaveLength(333)
    expect(ids(session).at(-1)).toBe(`id 499 ${'ü😀'.repeat(499)}`)
    for (const end of [leader, session]) end.close()
  })
})
