import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Command, CommanderError } from 'commander'
import { isAppError } from '@app/core'
import { registerAgent } from './agent.js'
import { registerAudit } from './audit.js'
import { registerBootstrap } from './bootstrap.js'
import { registerCa } from './ca.js'
import { registerCert } from './cert.js'
import { registerClient } from './client.js'
import { registerCompletion } from './completion.js'
import { registerConfig } from './config.js'
import { registerDirectory } from './directory.js'
import { registerDoctor } from './doctor.js'
import { registerEnroll } from './enroll.js'
import { EXIT, exitCodeOf, type ExitCode } from './exit-code.js'
import { registerKey } from './key.js'
import { errorLine } from './output.js'
import { registerMessage } from './message.js'
import { registerContext } from './context.js'
import { registerQueue } from './queue.js'
import { registerOperator } from './operator.js'
import { registerRequest } from './request.js'
import { registerServe } from './serve.js'
import { registerTemplate } from './template.js'
import { registerWebhook } from './webhook.js'

/** The command line with all of its commands; nothing heavy is loaded before a command runs. */
export function createProgram(): Command {
  const program = new Command('certkeep')
    .description('Certificate authority and enrollment server with key archival')
    .version(version())
    .option('-q, --quiet', 'say nothing on stderr but errors')
  registerBootstrap(program)
  registerEnroll(program)
  registerRequest(program)
  registerKey(program)
  registerCert(program)
  registerServe(program)
  registerCa(program)
  registerAgent(program)
  registerDirectory(program)
  registerOperator(program)
  registerTemplate(program)
  registerQueue(program)
  registerMessage(program)
  registerContext(program)
  registerClient(program)
  registerAudit(program)
  registerWebhook(program)
  registerDoctor(program)
  registerConfig(program)
  registerCompletion(program)
  settle(program)
  return program
}

/** Commands throw instead of ending the process, and their help names the options that all have. */
function settle(command: Command): void {
  command.exitOverride().configureHelp({ showGlobalOptions: true })
  command.commands.forEach(settle)
}

/** Runs one command. Returns the exit code of a failure, undefined when the command has set its own or succeeded. */
export async function run(program: Command, argv: readonly string[]): Promise<ExitCode | undefined> {
  try {
    await program.parseAsync(argv)
    return undefined
  } catch (error) {
    // Commander has written its message or the help already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    process.stderr.write(describe(error))
    return exitCodeOf(error)
  }
}

function describe(error: unknown): string {
  if (isAppError(error)) return errorLine(error.message, error.code)
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return `${errorLine('This is a defect of the program; please report it with what follows.', 'internal')}${text}\n`
}

/** The version of the package that this file is part of, compiled or not. */
function version(): string {
  let directory = import.meta.dirname
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory)
  return (JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as { version: string }).version
}
