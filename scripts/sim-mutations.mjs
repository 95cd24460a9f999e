/**
 * Does the simulator see anything? Plants one bug at a time in a copy of the engine, builds
 * `core_sim` there and runs seeds until a law breaks. A mutation that survives fails the script.
 *
 *     node scripts/sim-mutations.mjs [--only <part of a name>] [--seeds N] [--list]
 *
 * A text that is not found exactly once fails too: then the engine has changed, and the list here
 * must follow.
 */

import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { ROOT } from './lib/paths.mjs'

const CHUNK = 250

/** @type {{ name: string, file: string, find: string, replace: string }[]} */
const MUTATIONS = [
  {
    name: 'client-only events end what the backend confirms',
    file: 'core/sync/merge.cc',
    find: 'if (pending[confirmed].client_only()) continue;',
    replace: 'if (pending[confirmed].client_only()) break;',
  },
  {
    name: 'own events that upstream confirms are applied again',
    file: 'core/sync/merge.cc',
    find: 'outcome.materialize.assign(news.begin(), news.end());',
    replace: 'outcome.materialize.assign(upstream.begin(), upstream.end());',
  },
  {
    name: 'a refused event stays',
    file: 'core/sync/merge.cc',
    find: 'outcome.rebased.assign(std::next(from), state.pending.end());',
    replace: 'outcome.rebased.assign(from, state.pending.end());',
  },
  {
    name: 'a journal is taken as often as it comes',
    file: 'core/leader/leader.cc',
    find: 'if (counters_of[i] <= accepted) continue;',
    replace: '(void)accepted;',
  },
  {
    name: 'a push is admitted whatever it continues',
    file: 'core/leader/leader.cc',
    find: 'if (run.epoch != eventlog->epoch() || run.base != state->head().head()) return result;',
    replace: 'if (run.base.seq.global > state->head().seq.global) return result;',
  },
  {
    name: 'pushes that were taken stay in the queue',
    file: 'core/leader/leader.cc',
    find: 'self.pushes.clear();',
    replace: '',
  },
  {
    name: 'a state behind the log is believed at boot',
    file: 'core/leader/leader.cc',
    find: 'SamePosition(head->seq, eventlog->local_head())',
    replace: 'ComparePosition(head->seq, eventlog->local_head()) <= 0',
  },
  {
    name: 'who joins is not told what the log has of it',
    file: 'core/leader/leader.cc',
    find: 'history.accepted = LS_TRY(self.eventlog->Accepted(instance));',
    replace: 'history.accepted = 0;',
  },
  {
    name: 'who joins is not told what was refused',
    file: 'core/leader/leader.cc',
    find: 'history.refused = LS_TRY(self.eventlog->Refused(instance));',
    replace: '',
  },
  {
    name: 'a page that overlaps is taken by one event too many',
    file: 'core/leader/leader_backend.cc',
    find: 'decoded->events[old].seq.global <= known) ++old;',
    replace: 'decoded->events[old].seq.global < known) ++old;',
  },
  {
    name: 'what is confirmed is pushed again after a boot',
    file: 'core/leader/leader_backend.cc',
    find: 'uint64_t global = std::max(eventlog->upstream_head(), backend->pushed_through());',
    replace: 'uint64_t global = backend->pushed_through();',
  },
  {
    name: 'a pull that failed is not started again',
    file: 'core/sync/backend_sync.cc',
    find: 'pull_wanted_ = true;\n  pull_failures_ += 1;',
    replace: 'pull_wanted_ = false;\n  pull_failures_ += 1;',
  },
  {
    name: 'the log commits without a flush',
    file: 'core/eventlog/eventlog.cc',
    find: 'Durability::kFlushed',
    replace: 'Durability::kDerived',
  },
  {
    name: 'a flush that does nothing',
    file: 'core/sqlite/pool_vfs.cc',
    find: 'return CodeOf(self.pool.Flush(file.handle), SQLITE_IOERR_FSYNC);',
    replace: 'return SQLITE_OK;',
  },
  {
    name: 'the upstream head is not written',
    file: 'core/eventlog/eventlog.cc',
    find: 'self.Binds({Bounded(global)})',
    replace: 'self.Binds({Bounded(0)})',
  },
  {
    name: 'a second push while one is unanswered',
    file: 'core/session/client_session.cc',
    find: '  self.in_flight = count;\n',
    replace: '',
  },
  {
    name: 'a roll back leaves the oldest event',
    file: 'core/session/tail.cc',
    find: 'for (size_t index = entries_.size(); index > from; --index) {',
    replace: 'for (size_t index = entries_.size(); index > from + 1; --index) {',
  },
  {
    name: 'live queries do not hear of news',
    file: 'core/session/follow.cc',
    find: 'outcome.stale = live_queries.Refresh(touched);',
    replace: '(void)live_queries.Refresh(touched);',
  },
]

const option = (name) => {
  const at = process.argv.indexOf(name)
  return at < 0 ? undefined : process.argv[at + 1]
}

const copy = join(ROOT, 'build', 'mutants')
const buildFolder = join(copy, 'build')

/** Brings the copy up to date; files that are the same keep their time, so little is rebuilt. */
function refresh() {
  const list = ['ls-files', '-z', '-co', '--exclude-standard', 'core', 'CMakeLists.txt']
  const files = execFileSync('git', list, { cwd: ROOT, encoding: 'utf8' })
  for (const path of files.split('\0').filter(Boolean)) {
    if (!existsSync(join(ROOT, path))) continue
    const target = join(copy, path)
    const text = readFileSync(join(ROOT, path))
    if (existsSync(target) && readFileSync(target).equals(text)) continue
    mkdirSync(dirname(target), { recursive: true })
    cpSync(join(ROOT, path), target)
  }
  const modules = join(copy, 'node_modules')
  if (!existsSync(modules)) symlinkSync(join(ROOT, 'node_modules'), modules)
}

function build() {
  if (!existsSync(join(buildFolder, 'build.ninja'))) {
    const args = ['-S', copy, '-B', buildFolder, '-G', 'Ninja', '-DCMAKE_BUILD_TYPE=Release']
    execFileSync('cmake', args, { stdio: 'pipe' })
  }
  const args = ['--build', buildFolder, '--target', 'core_sim']
  return spawnSync('cmake', args, { encoding: 'utf8' })
}

/** The first line about a broken law, or undefined after `seeds` seeds without one. */
function firstFinding(seeds) {
  for (let start = 1; start <= seeds; start += CHUNK) {
    const args = ['--seeds', String(CHUNK), '--start', String(start)]
    args.push('--jobs', String(availableParallelism()))
    const program = join(buildFolder, 'core', 'sim', 'core_sim')
    const { status, stdout } = spawnSync(program, args, { encoding: 'utf8' })
    if (status !== 0) return stdout.split('\n').find((line) => line.startsWith('law'))
  }
  return undefined
}

const only = option('--only') ?? ''
const chosen = MUTATIONS.filter(({ name }) => name.includes(only))
if (process.argv.includes('--list')) {
  for (const { name, file } of chosen) console.log(`${file}: ${name}`)
  process.exit(0)
}
const seeds = Number(option('--seeds') ?? 3000)
refresh()
const clean = build()
if (clean.status !== 0) throw new Error(`the engine does not build:\n${clean.stdout}`)

let survived = 0
for (const { name, file, find, replace } of chosen) {
  const target = join(copy, file)
  const text = readFileSync(target, 'utf8')
  if (text.split(find).length !== 2) {
    survived += 1
    console.log(`GONE      ${name}: ${file} does not hold its text once`)
    continue
  }
  writeFileSync(
    target,
    text.replace(find, () => replace),
  )
  const { status, stdout } = build()
  const finding = status === 0 ? firstFinding(seeds) : undefined
  writeFileSync(target, text)
  if (status !== 0) {
    survived += 1
    console.log(`NO BUILD  ${name}\n${stdout.split('\n').slice(-12).join('\n')}`)
  } else if (finding === undefined) {
    survived += 1
    console.log(`SURVIVED  ${name}`)
  } else {
    console.log(`found     ${name}\n          ${finding.slice(0, 150)}`)
  }
}
console.log(`${chosen.length - survived} of ${chosen.length} mutations found`)
if (survived > 0) process.exitCode = 1
