/**
 * CPU time of a browser with all its processes, read from /proc, and how much of the machine others
 * used meanwhile.
 *
 * The wall clock of a busy machine lies, CPU time moves far less; a sample whose `others` share is
 * high is to be read by its CPU time. Where there is no /proc, both are left out.
 */

import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

const ticksPerSecond = () => {
  try {
    return Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).trim())
  } catch {
    return 100
  }
}

const readOrEmpty = (path) => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // The process has ended between the listing and the read.
  }
}

// pid -> { parent, ticks, commandLine }
const readProcesses = () => {
  const processes = new Map()
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const stat = readOrEmpty(`/proc/${entry}/stat`)
    if (stat === '') continue
    // The command name is in parentheses and may contain anything; the fields after it are plain.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const ticks = Number(fields[11]) + Number(fields[12]) + Number(fields[13]) + Number(fields[14])
    processes.set(Number(entry), { parent: Number(fields[1]), ticks })
  }
  return processes
}

const busyTicksOfMachine = () => {
  const fields = readFileSync('/proc/stat', 'utf8')
    .split('\n', 1)[0]
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number)
  const [user, nice, system, , , irq, softIrq] = fields
  return user + nice + system + irq + softIrq
}

/**
 * Starts counting for the browser whose profile is `profileDirectory`. The function it returns
 * stops and answers `{ cpuMs, others }`: milliseconds used by the browser's processes that still
 * live, and the share (0 to 1) of the machine that everybody else used.
 */
export const startCpuCount = (profileDirectory) => {
  if (!existsSync('/proc/stat')) return () => ({})
  const tickMs = 1000 / ticksPerSecond()
  const read = () => {
    const processes = readProcesses()
    const isOurs = new Map()
    const belongs = (pid) => {
      const known = isOurs.get(pid)
      if (known !== undefined) return known
      const found = processes.get(pid)
      const answer =
        found !== undefined &&
        (readOrEmpty(`/proc/${pid}/cmdline`).includes(`--user-data-dir=${profileDirectory}`) ||
          (found.parent > 1 && belongs(found.parent)))
      isOurs.set(pid, answer)
      return answer
    }
    let ours = 0
    for (const [pid, { ticks }] of processes) if (belongs(pid)) ours += ticks
    return { ours, machine: busyTicksOfMachine(), at: performance.now() }
  }
  const start = read()
  return () => {
    const end = read()
    const cpuMs = (end.ours - start.ours) * tickMs
    const machineMs = (end.machine - start.machine) * tickMs
    const capacityMs = (end.at - start.at) * availableParallelism()
    return { cpuMs, others: Math.max(0, (machineMs - cpuMs) / capacityMs) }
  }
}
