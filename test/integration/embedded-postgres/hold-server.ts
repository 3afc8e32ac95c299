/* Holds the server of the home given until its standard input ends, and says so in lines of JSON. */
import type * as platform from '@app/platform'

/** The launcher alone: the rest of its library has decorators, which a process without a compiler cannot run. */
const launcher = new URL('../../../libs/platform/src/embedded-postgres/launcher.ts', import.meta.url)
const { startEmbeddedPostgres } = (await import(launcher.href)) as Pick<typeof platform, 'startEmbeddedPostgres'>

const say = (line: object): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

try {
  const server = await startEmbeddedPostgres({
    home: process.argv[2] ?? '',
    report: message => {
      say({ report: message })
    }
  })
  say({ started: server.started, settings: server.settings, directory: server.directory })
  await new Promise(resolve => process.stdin.resume().once('end', resolve))
  await server.stop()
  say({ stopped: true })
} catch (error) {
  const { code, message } = error as { readonly code?: string; readonly message: string }
  say({ code, message })
}
