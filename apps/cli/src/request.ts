import { Command } from 'commander'
import type { AcceptCommand } from './client/accept-response.js'
import type { InspectCommand } from './client/inspect-message.js'
import type { FetchCommand, FollowCommand, SubmitCommand } from './client/request-actions.js'
import {
  collect,
  parseSeconds,
  withConnectionOptions,
  withInstallationOptions,
  withNewRequestOptions,
  type NewRequestOptions
} from './client-options.js'
import { outputOption, talkOf, type OutputFormat } from './output.js'

const KEPT = 'the number of a request, or the directory in which it was kept'

/** `request …`, and the names that users of certreq know for four of its commands. */
export function registerRequest(program: Command): void {
  const request = program.command('request').description('certificate requests')
  for (const command of [newCommand(), submitCommand(), acceptCommand()]) {
    request.addCommand(command)
  }
  request.addCommand(fetchCommand('fetch'))
  request.addCommand(followCommand('status', 'what became of a request', 'showStatus'))
  request.addCommand(
    followCommand('wait', 'wait until a request is decided', 'waitForRequest').option(
      '--timeout <seconds>',
      'how long',
      parseSeconds,
      3600
    )
  )
  request.addCommand(followCommand('cancel', 'withdraw a pending request', 'cancelRequest'))
  request.addCommand(inspectCommand())
  for (const command of [newCommand(), submitCommand(), fetchCommand('retrieve'), acceptCommand()]) {
    program.addCommand(command.description(`${command.description()} (as in "certkeep request")`))
  }
}

function newCommand(): Command {
  return withNewRequestOptions(new Command('new'))
    .description('make a key and a request, and keep both in a directory')
    .requiredOption('--out <directory>', 'the directory for the key and the request')
    .addOption(outputOption('table', 'json', 'pem', 'der'))
    .action(async (options: NewRequestOptions & { out: string; output: OutputFormat }, command: Command) => {
      const { newRequest } = await import('./client/request-actions.js')
      await newRequest(options, talkOf(command))
    })
}

function submitCommand(): Command {
  return withConnectionOptions(new Command('submit'))
    .description('submit a request')
    .argument('<request>', 'the directory in which a request was kept, or a file with one')
    .option('--wait <seconds>', 'how long to wait for the outcome', parseSeconds, 10)
    .option('--attribute <name:value>', 'a request attribute; repeatable', collect, [])
    .addOption(outputOption('table', 'json'))
    .action(async (what: string, options: SubmitCommand, command: Command) => {
      const { submitRequest } = await import('./client/request-actions.js')
      await submitRequest(what, options, talkOf(command))
    })
}

function followCommand(
  name: string,
  description: string,
  action: 'showStatus' | 'waitForRequest' | 'cancelRequest'
): Command {
  return withConnectionOptions(new Command(name))
    .description(description)
    .argument('<request>', KEPT)
    .addOption(outputOption('table', 'json'))
    .action(async (target: string, options: FollowCommand, command: Command) => {
      const actions = await import('./client/request-actions.js')
      await actions[action](target, options, talkOf(command))
    })
}

function fetchCommand(name: string): Command {
  return withConnectionOptions(new Command(name))
    .description('fetch the certificate or the full response of a request')
    .argument('<request>', KEPT)
    .option('--full-response', 'the full response, signed by the CA, instead of the certificate')
    .option('--chain', 'the certificates above it too')
    .option('--out <file>', 'write it to a new file')
    .addOption(outputOption('pem', 'der', 'p7b'))
    .action(async (target: string, options: FetchCommand, command: Command) => {
      const { fetchRequest } = await import('./client/request-actions.js')
      await fetchRequest(target, options, talkOf(command))
    })
}

function acceptCommand(): Command {
  return withInstallationOptions(withConnectionOptions(new Command('accept')))
    .description('verify the response to a kept request and install the certificate')
    .argument('<directory>', 'the directory in which the request was kept')
    .option('--response <file>', 'the full response, instead of asking the CA')
    .option('--passphrase-file <file>', 'the file with the passphrase that protects the private key here')
    .addOption(outputOption('table', 'json', 'pem', 'der'))
    .action(async (directory: string, options: AcceptCommand, command: Command) => {
      const { acceptResponse } = await import('./client/accept-response.js')
      await acceptResponse(directory, options, talkOf(command))
    })
}

function inspectCommand(): Command {
  return new Command('inspect')
    .description('tell everything about a request of any form or a full response; needs no server')
    .argument('<file>', 'DER, PEM or base64')
    .option('--exchange-key <file>', 'open the archived key with this exchange key (PEM or DER) and tell what it is')
    .option('--passphrase-file <file>', 'the file with the passphrase of the exchange key')
    .addOption(outputOption('table', 'json'))
    .action(async (file: string, options: InspectCommand) => {
      const { inspectMessage } = await import('./client/inspect-message.js')
      await inspectMessage(file, options)
    })
}
