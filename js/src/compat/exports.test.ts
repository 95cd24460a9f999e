/**
 * The names that an app of LiveStore imports from its root, and what the small ones of them do.
 */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { coded, endTest, openStore, startTest } from '../../test/open-store.js'
import { schema, todos } from '../../test/todo-schema.js'
import * as root from '../index.js'
import { makeSchema, State } from '../index.js'

beforeEach(startTest)
afterEach(endTest)

const { SQLite } = State
const { EventSequenceNumber, LiveStoreEvent, SqliteAst } = root

const inBoth = `EventSequenceNumber Events IntentionalShutdownCause LiveStoreEvent
  LiveStoreSchemaSymbol SessionIdSymbol SqliteAst SqliteDbWrapper SqliteDsl State Store
  StoreInterrupted SystemTables clientOnly computed createStorePromise deepEqual defineEvent
  defineFacts defineMaterializer emptyDebugInfo extractStackInfoFromStackTrace
  getDefaultValuesDecoded getDefaultValuesEncoded getEventDef makeSchema materializers nanoid
  prepareBindValues provideOtel queryDb signal sql stackInfoToString synced`
const in03 = 'makeRef rawSqlEvent rawSqlMaterializer'
const in04 = `DeprecatedId StoreInternalsSymbol UNKNOWN_EVENT_SCHEMA_HASH deprecated
  exposeDebugUtils findDeprecatedFieldsWithValues getDeprecatedReason isDeprecated isLiveQueryDef
  isLiveQueryInstance isLiveStoreSchema isQueryable liveStoreVersion logDeprecationWarnings
  normalizeUnknownEventHandling resetDeprecationWarnings resolveEventDef`
const inSQLite = `table text integer real blob boolean json datetime datetimeInteger column
  isColumnDefinition clientDocument ClientDocumentTableDefSymbol TableDefInternalsSymbol
  tableIsClientDocumentTable makeState materializers defineMaterializer synced clientOnly
  defineEvent withPrimaryKey withColumnType withAutoIncrement withUnique withDefault PrimaryKeyId
  ColumnType AutoIncrement Unique Default`

describe('an app of LiveStore finds', () => {
  test.each([
    ['what 0.3 and 0.4 export', inBoth, root],
    ['what only 0.3 exports', in03, root],
    ['what only 0.4 exports', in04, root],
    ['the members of State.SQLite', inSQLite, SQLite],
    ['the members of Events', 'synced clientOnly defineEvent', root.Events],
    ['the members of State', 'SQLite QueryBuilderAstSymbol QueryBuilderTypeId', State],
  ])('%s', (_what, names, namespace) => {
    const found = namespace as Record<string, unknown>
    const missing = names.split(/\s+/).filter((name) => found[name] === undefined)
    expect(missing).toEqual([])
  })

  test('the members of EventSequenceNumber and LiveStoreEvent of 0.3 and 0.4', () => {
    const client = `Composite DEFAULT REBASE_GENERATION_DEFAULT ROOT Schema compare diff fromGlobal
      fromString isEqual isGreaterThan isGreaterThanOrEqual make max nextPair toString`
    const flat = `GlobalEventSequenceNumber ClientEventSequenceNumber EventSequenceNumber ROOT
      clientDefault globalEventSequenceNumber localEventSequenceNumber make compare diff fromString
      toString isEqual isGreaterThan isGreaterThanOrEqual max nextPair`
    expect(Object.keys(EventSequenceNumber.Client)).toEqual(
      expect.arrayContaining(client.split(/\s+/)),
    )
    expect(Object.keys(EventSequenceNumber)).toEqual(expect.arrayContaining(flat.split(/\s+/)))
    expect(Object.keys(LiveStoreEvent)).toEqual(
      expect.arrayContaining(['isEqualEncoded', 'isPartialEventDef', 'makeEventDefSchemaMemo']),
    )
  })
})

describe('EventSequenceNumber', () => {
  const { Client } = EventSequenceNumber

  test('writes and reads places', () => {
    for (const text of ['e0', 'e3', 'e3.1', 'e2r1', 'e2.1r1']) {
      expect(Client.toString(Client.fromString(text))).toBe(text)
    }
    expect(Client.fromString('e3.1r2')).toEqual({ global: 3, client: 1, rebaseGeneration: 2 })
    expect(() => Client.fromString('3')).toThrow(coded('InvalidArgument', /"3"/))
  })

  test('orders places: synced events first, client-only ones after them', () => {
    const places = ['e1', 'e1.1', 'e1.2', 'e2', 'e2r1'].map(Client.fromString)
    expect([...places].reverse().sort(Client.compare)).toEqual(places)
    const [first, second] = places as [root.EventSequenceNumber.Client.Composite, never]
    expect(Client.max(first, second)).toBe(second)
    expect(Client.isGreaterThan(second, first)).toBe(true)
    expect(Client.isGreaterThanOrEqual(first, first)).toBe(true)
    expect(Client.isEqual(first, Client.fromGlobal(1))).toBe(true)
    expect(Client.diff(Client.fromString('e3.2'), first)).toEqual({ global: 2, client: 2 })
  })

  test('a synced event has the synced event before it for its parent', () => {
    const next = (isClient: boolean) => {
      const { seqNum, parentSeqNum } = Client.nextPair({
        seqNum: Client.fromString('e2.1'),
        isClient,
      })
      return [Client.toString(seqNum), Client.toString(parentSeqNum)]
    }
    expect(next(true)).toEqual(['e2.2', 'e2.1'])
    expect(next(false)).toEqual(['e3', 'e2'])
  })

  test('schemas accept places and nothing else', () => {
    const issues = (value: unknown) => {
      const result = Client.Schema['~standard'].validate(value)
      return 'issues' in result && result.issues !== undefined
    }
    expect(issues({ global: 1, client: 0 })).toBe(false)
    expect(issues({ global: -1, client: 0 })).toBe(true)
    expect(issues('e1')).toBe(true)
  })
})

describe('LiveStoreEvent', () => {
  const event = {
    name: 'v1.TodoCreated',
    args: { id: 'a', text: 'x' },
    seqNum: 3,
    parentSeqNum: 2,
    clientId: 'c',
    sessionId: 's',
  }

  test('turns an event of the backend into one of a client', () => {
    const { seqNum, parentSeqNum } = LiveStoreEvent.Global.toClientEncoded(event)
    expect([seqNum.global, parentSeqNum.global, seqNum.client]).toEqual([3, 2, 0])
  })

  test('compares events as the log has them', () => {
    const a = LiveStoreEvent.Global.toClientEncoded({ ...event, args: { a: 1, b: undefined } })
    const b = LiveStoreEvent.Global.toClientEncoded({ ...event, args: { a: 1 } })
    expect(LiveStoreEvent.isEqualEncoded(a, b)).toBe(true)
    expect(LiveStoreEvent.isEqualEncoded(a, { ...b, args: { a: 2 } })).toBe(false)
    expect(LiveStoreEvent.isEqualEncoded(a, { ...b, clientId: 'd' })).toBe(false)
  })

  test('checks events by the schema of the app', () => {
    const checked = LiveStoreEvent.Client.makeSchemaMemo(schema)
    expect(LiveStoreEvent.Client.makeSchemaMemo(schema)).toBe(checked)
    const messages = (value: unknown) => {
      const result = checked['~standard'].validate(value)
      return 'issues' in result ? result.issues?.map(({ message }) => message).join() : undefined
    }
    expect(messages(event)).toBeUndefined()
    expect(messages({ ...event, args: {} })).toMatch(/v1\.TodoCreated/)
    expect(messages({ ...event, name: 'other' })).toMatch(/"other"/)
    expect(messages('x')).toMatch(/expected an event/)
  })
})

test('SqliteAst.hash is the hash by which LiveStore names its files', () => {
  const column = (name: string, primaryKey: boolean, given?: string) =>
    SqliteAst.column({
      name,
      type: 'text',
      primaryKey,
      nullable: false,
      autoIncrement: false,
      default:
        given === undefined
          ? { _id: 'Option', _tag: 'None' }
          : { _id: 'Option', _tag: 'Some', value: given },
    })
  const ast = SqliteAst.table('todos', [column('id', true), column('text', false, '')], [])
  expect(SqliteAst.hash(ast)).toBe(5_901_026_810)
  expect(SqliteAst.hash(SqliteAst.dbSchema([ast]))).not.toBe(SqliteAst.hash(ast))
})

test('the defaults of a table, as an app sees them and as they are stored', () => {
  const tableDef = SQLite.table({
    name: 't',
    columns: {
      id: SQLite.text({ primaryKey: true }),
      done: SQLite.boolean({ default: true }),
      at: SQLite.datetime({ default: () => new Date(0) }),
      note: SQLite.text({ nullable: true }),
      made: SQLite.text({ default: { sql: 'CURRENT_TIMESTAMP' } }),
    },
  })
  const note = null
  expect(root.getDefaultValuesDecoded(tableDef)).toEqual({ done: true, at: new Date(0), note })
  expect(root.getDefaultValuesEncoded(tableDef, { note: 'x' })).toEqual({
    done: 1,
    at: '1970-01-01T00:00:00.000Z',
    note: 'x',
  })
  const bare = SQLite.table({ name: 't', columns: { a: SQLite.text() } })
  expect(() => root.getDefaultValuesDecoded(bare)).toThrow(coded('InvalidArgument', /'a'.*'t'/))
})

test('bind values get their sign, and those that the statement lacks are left out', () => {
  expect(root.prepareBindValues({ id: 1, other: 2 }, 'SELECT $id')).toEqual({ $id: 1 })
  expect(root.prepareBindValues([1], 'SELECT ?')).toEqual([1])
})

test('the raw SQL event of 0.3 works where the schema lists it', async () => {
  const { rawSqlEvent, rawSqlMaterializer } = root
  const store = await openStore({
    schema: makeSchema({
      events: { rawSqlEvent },
      state: SQLite.makeState({
        tables: { todos },
        materializers: { 'livestore.RawSql': rawSqlMaterializer },
      }),
    }),
  })
  store.commit(rawSqlEvent({ sql: 'INSERT INTO todos (id) VALUES ($id)', bindValues: { id: 'a' } }))
  expect(store.query(todos.select('id'))).toEqual(['a'])
  expect(rawSqlEvent.options.clientOnly).toBe(true)
  expect(() => rawSqlEvent({} as never)).toThrow(coded('InvalidEventArgs', /sql/))
})

test('a schema tells what it knows of an event', () => {
  const known = root.resolveEventDef(schema, { event: { name: 'v1.TodoCreated' } })
  expect(known).toMatchObject({ _tag: 'known', eventDef: expect.any(Function) })
  expect(root.resolveEventDef(schema, { event: { name: 'x' } })._tag).toBe('unknown')
  expect(root.UNKNOWN_EVENT_SCHEMA_HASH).toBe(-1)
})

test('isQueryable knows builders, definitions and signals', () => {
  expect(root.isQueryable(todos)).toBe(true)
  expect(root.isQueryable(root.queryDb(todos))).toBe(true)
  expect(root.isQueryable(root.makeRef(1))).toBe(true)
  expect(root.isQueryable({ query: 'SELECT 1' })).toBe(false)
})

test('the names for tools do what their types say', () => {
  const frames = root.extractStackInfoFromStackTrace(
    'Error\n    at run (file.js:1:2)\n    at other.js:3:4',
  )
  expect(frames.frames).toEqual([
    { name: 'run', filePath: 'file.js:1:2' },
    { name: 'anonymous', filePath: 'other.js:3:4' },
  ])
  expect(root.stackInfoToString(frames)).toBe('run > anonymous')
  expect(root.emptyDebugInfo()).toEqual({
    slowQueries: [],
    queryFrameDuration: 0,
    queryFrameCount: 0,
    events: [],
  })
  expect(root.provideOtel({})('effect')).toBe('effect')
  expect(() => new root.SqliteDbWrapper()).toThrow(coded('Unsupported', /store\.query/))
  expect(new root.StoreInterrupted({ reason: 'r' })).toMatchObject({ reason: 'r', message: 'r' })
  expect(new root.IntentionalShutdownCause({ reason: 'manual' })._tag).toBe(
    'IntentionalShutdownCause',
  )
  expect(root.defineFacts({ a: 1 })).toEqual({ a: 1 })
})
