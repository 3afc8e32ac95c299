import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../bin/certkeep.mjs', import.meta.url))

/** A command that has ended. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A server in a process of its own, which has said that it is ready. */
export interface ServerProcess {
  /** The address in its last words to people; empty when it has no HTTPS listener. */
  readonly url: string
  /** Everything it has said, log and talk. */
  said(): string
  /** Sends the signal and resolves when the process has ended. */
  end(signal?: 'SIGTERM' | 'SIGKILL'): Promise<Ended & { readonly milliseconds: number }>
}

/** The built program as somebody at a terminal has it: in a directory and with an environment. */
export interface Program {
  run(...argv: readonly string[]): Promise<Ended>
  /** As `run`. Throws with what it said unless it ends with 0. */
  succeed(...argv: readonly string[]): Promise<Ended>
  /** As `succeed` with `-o json`. Throws also when it prints something else. */
  json(...argv: readonly string[]): Promise<Readonly<Record<string, unknown>>>
  /** Starts a server. Rejects with all it said when it ends before it is ready. */
  serve(...argv: readonly string[]): Promise<ServerProcess>
  /** Kills the servers that are left. */
  clean(): Promise<void>
}

/** The program in `dist/`, run in a directory with these CERTKEEP_ variables and no others. */
export function programIn(directory: string, settings: Readonly<Record<string, string>>): Program {
  const servers: ServerProcess[] = []
  const start = (argv: readonly string[]) =>
    spawn(process.execPath, [main, ...argv], {
      cwd: directory,
      env: { PATH: process.env['PATH'], HOME: directory, NO_COLOR: '1', ...settings },
      stdio: ['ignore', 'pipe', 'pipe']
    })
  const run = async (...argv: readonly string[]): Promise<Ended> => {
    const child = start(argv)
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), ended(child)])
    return { code: child.exitCode, stdout, stderr }
  }
  const succeed = async (...argv: readonly string[]): Promise<Ended> => {
    const result = await run(...argv)
    if (result.code !== 0) throw new Error(`certkeep ${argv.join(' ')} ended with ${result.code}: ${result.stderr}`)
    return result
  }
  return {
    run,
    succeed,
    async json(...argv) {
      const { stdout } = await succeed(...argv, '-o', 'json')
      return JSON.parse(stdout) as Readonly<Record<string, unknown>>
    },
    async serve(...argv) {
      const server = await readyServer(start(['serve', ...argv]))
      servers.push(server)
      return server
    },
    async clean() {
      await Promise.all(servers.map(server => server.end('SIGKILL')))
    }
  }
}

type Child = ChildProcessByStdio<null, Readable, Readable>

async function ended(child: Child): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

async function readyServer(child: Child): Promise<ServerProcess> {
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk
  })
  const { promise: ready, resolve } = Promise.withResolvers<void>()
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk
    // A listener's address comes after the log's "Ready."; processes without one say no more than that.
    const [isReady, hasListener] = [stderr.includes('"message":"Ready."'), /"(?:front|console)"/.test(stderr)]
    if (isReady && (!hasListener || /^Certkeep serves .+\n/m.test(stderr))) resolve()
  })
  await Promise.race([ready, once(child, 'close')])
  if (child.exitCode !== null) throw new Error(`The server ended with ${child.exitCode}: ${stderr}`)
  return {
    url: /^Certkeep serves (\S+)$/m.exec(stderr)?.[1] ?? '',
    said: () => stderr,
    async end(signal = 'SIGTERM') {
      const begun = performance.now()
      child.kill(signal)
      await ended(child)
      return { code: child.exitCode, stdout, stderr, milliseconds: performance.now() - begun }
    }
  }
}
