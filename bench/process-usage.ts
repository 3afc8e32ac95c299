import { readdirSync, readFileSync } from 'node:fs'

/** The kernel counts in hundredths of a second, whatever its own clock (proc(5), USER_HZ). */
const TICK_MS = 10

interface Stat {
  readonly parent: number
  /** Milliseconds of CPU of the process itself. */
  readonly own: number
  /** Milliseconds of CPU of its children that have ended. */
  readonly ended: number
}

/** proc(5): fields 4 and 14 to 17 of /proc/pid/stat, the name in field 2 being anything in parentheses. */
function statOf(pid: number): Stat | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined
  }
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const field = (number: number): number => Number(fields[number - 3])
  return {
    parent: field(4),
    own: (field(14) + field(15)) * TICK_MS,
    ended: (field(16) + field(17)) * TICK_MS
  }
}

/** Milliseconds of CPU that a process has used, all of its threads. Throws when there is no such process. */
export function cpuOf(pid: number): number {
  return getStat(pid).own
}

/** Milliseconds of CPU that a process and all of its children have used, those included that have ended. */
export function cpuOfFamily(pid: number): number {
  const { own, ended } = getStat(pid)
  const children = readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(name => statOf(Number(name)))
    .filter(stat => stat?.parent === pid)
  return children.reduce((sum, stat) => sum + (stat?.own ?? 0), own + ended)
}

/** The process that started another. */
export function parentOf(pid: number): number {
  return getStat(pid).parent
}

/** MiB of memory that a process has resident (proc(5), VmRSS). */
export function residentMiB(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]
  return Number(kilobytes ?? 0) / 1024
}

function getStat(pid: number): Stat {
  const stat = statOf(pid)
  if (stat === undefined) {
    throw new Error(`There is no /proc/${pid}/stat: the process has ended, or this is not Linux, which this needs.`)
  }
  return stat
}
