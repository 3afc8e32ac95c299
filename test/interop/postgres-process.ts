import { execFile, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const execute = promisify(execFile)
const startTimeout = 60_000

/** Resolves once a server that was started takes connections. Throws with what it said when it does not. */
export async function untilReady(
  server: ChildProcess,
  { binaries, host, port }: { readonly binaries: string; readonly host: string; readonly port: number }
): Promise<void> {
  let words = ''
  for (const stream of [server.stdout, server.stderr]) stream?.on('data', (chunk: Buffer) => (words += String(chunk)))
  const deadline = Date.now() + startTimeout
  while (Date.now() < deadline && server.exitCode === null) {
    const isReady = await execute(join(binaries, 'pg_isready'), ['-h', host, '-p', String(port)]).then(
      () => true,
      () => false
    )
    if (isReady) return
    await sleep(100)
  }
  server.kill('SIGQUIT')
  throw new Error(`PostgreSQL did not start:\n${words}`)
}

/** A fast shutdown, by the process that was started. */
export async function shutDown(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null) return
  const ended = once(server, 'exit')
  server.kill('SIGINT')
  await ended
}
