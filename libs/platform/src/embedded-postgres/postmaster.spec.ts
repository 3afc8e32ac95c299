import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { clearStalePostmaster, isAlive, readPostmaster } from './postmaster.js'

let data: string
const children: ChildProcess[] = []

beforeEach(() => {
  data = realpathSync(mkdtempSync(join(tmpdir(), 'certkeep-data-')))
})

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(data, { recursive: true })
})

/** A process that stands for a server: it works in the data directory. */
function serverIn(directory: string): number {
  const child = spawn('sleep', ['60'], { cwd: directory, stdio: 'ignore' })
  children.push(child)
  return child.pid ?? 0
}

function writePid(pid: number, status = 'ready   ', socketDirectory = '/run/here', address = ''): void {
  const lines = [pid, data, 1_700_000_000, 5432, socketDirectory, address, '  1 2', status]
  writeFileSync(join(data, 'postmaster.pid'), `${lines.join('\n')}\n`)
}

/** The id of a process that has ended and that its parent does not fetch. */
async function zombie(): Promise<number> {
  // The shell starts a child and becomes a program that knows nothing of it.
  const parent = spawn('sh', ['-c', 'sleep 0.01 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] })
  children.push(parent)
  const pid = await new Promise<number>(resolve => {
    parent.stdout.once('data', (text: Buffer) => {
      resolve(Number(text.toString()))
    })
  })
  for (let i = 0; i < 500 && !/^[^)]*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8')); i++) await sleep(10)
  return pid
}

describe.runIf(process.platform === 'linux')('the state of a server', () => {
  it('is told by its file and its process', () => {
    expect(readPostmaster(data)).toEqual({ kind: 'absent' })
    const pid = serverIn(data)
    writePid(pid)
    expect(readPostmaster(data)).toEqual({ kind: 'ready', pid, host: '/run/here', port: 5432 })
    writePid(pid, 'stopping')
    expect(readPostmaster(data)).toEqual({ kind: 'changing', pid, status: 'stopping' })
  })

  it('names the address when there is no socket', () => {
    const pid = serverIn(data)
    writePid(pid, 'ready', '', '127.0.0.1')
    expect(readPostmaster(data)).toMatchObject({ kind: 'ready', host: '127.0.0.1' })
  })

  it('is unsettled while the file is being written', () => {
    writeFileSync(join(data, 'postmaster.pid'), '')
    expect(readPostmaster(data)).toMatchObject({ kind: 'changing', status: 'starting' })
    writeFileSync(join(data, 'postmaster.pid'), `${serverIn(data)}\n${data}\n`)
    expect(readPostmaster(data)).toMatchObject({ kind: 'changing', status: 'starting' })
  })

  it('is stale when its process is another one now', () => {
    const pid = serverIn(tmpdir())
    writePid(pid)
    expect(readPostmaster(data)).toEqual({ kind: 'stale', pid })
    expect(clearStalePostmaster(data, pid)).toBe(true)
    expect(existsSync(join(data, 'postmaster.pid'))).toBe(false)
  })

  it('is stale when its process has died and nobody has fetched it', async () => {
    const pid = await zombie()
    expect(isAlive(pid)).toBe(false)
    writePid(pid)
    expect(readPostmaster(data)).toEqual({ kind: 'stale', pid })
    expect(clearStalePostmaster(data, pid)).toBe(true)
    expect(existsSync(join(data, 'postmaster.pid'))).toBe(false)
  })

  it('is not cleared away while a process of the dead server works on', async () => {
    const dead = await zombie()
    writePid(dead)
    const orphan = serverIn(data)
    expect(clearStalePostmaster(data, dead)).toBe(false)
    expect(existsSync(join(data, 'postmaster.pid'))).toBe(true)
    process.kill(orphan, 'SIGKILL')
    for (let i = 0; i < 500 && isAlive(orphan); i++) await sleep(10)
    expect(clearStalePostmaster(data, dead)).toBe(true)
  })

  it('is left to PostgreSQL to clear when the process is gone altogether', async () => {
    const pid = serverIn(data)
    writePid(pid)
    process.kill(pid, 'SIGKILL')
    for (let i = 0; i < 500 && isAlive(pid); i++) await sleep(10)
    for (let i = 0; i < 500 && existsSync(`/proc/${pid}`); i++) await sleep(10)
    expect(readPostmaster(data)).toEqual({ kind: 'stale', pid })
    expect(clearStalePostmaster(data, pid)).toBe(true)
    expect(existsSync(join(data, 'postmaster.pid'))).toBe(true)
  })
})
