import { Option, type Command } from 'commander'
import { parsePositive } from './argument.js'
import { collect, withConnectionOptions, type ConnectionOptions } from './client-options.js'
import { outputOption, talkOf, type OutputFormat } from './output.js'
import type { DecisionOptions, ExtensionOptions, ListOptions } from './queue-options.js'

function withDecisionOptions(command: Command): Command {
  return withConnectionOptions(command)
    .option('--if-match <etag>', 'only if this is still the etag that "queue show" told; for one request')
    .addOption(outputOption('table', 'json'))
}

const REASON = '--reason <text>'
const ids = (text: string, before: readonly number[] = []): readonly number[] => [...before, parsePositive(text)]

/** `queue …`: requests that wait for an officer, for officers and administrators. */
export function registerQueue(program: Command): void {
  const queue = program
    .command('queue')
    .description('requests that wait for a decision, for officers and administrators')
  registerLooking(queue)
  registerDeciding(queue)
  registerEditing(queue)
}

function registerLooking(queue: Command): void {
  withConnectionOptions(queue.command('list'))
    .description('requests by state and what else is known of them')
    .option('--state <states>', 'separated by commas, or all', 'pending')
    .option('--template <name>', 'for this template')
    .option('--requester <account>', 'of this account, as DOMAIN\\account')
    .option('--subject <words>', 'words of the subject, or beginnings of them; of pending, denied and failed requests')
    .option('--key-id <hex>', 'for this key: SHA-1 of the public key')
    .option('--submitted-from <time>', 'submitted at this time or later, ISO 8601')
    .option('--submitted-until <time>', 'submitted before this time')
    .option('--older-than <age>', 'submitted at least so long ago: 90m, 12h, 3d')
    .addOption(new Option('--order <order>', 'which comes first').choices(['newest', 'oldest']).default('newest'))
    .option('--limit <number>', 'at most so many', parsePositive, 50)
    .option('--all', 'without a limit')
    .addOption(outputOption('table', 'json'))
    .action(async (options: ListOptions) => (await import('./client/queue-actions.js')).listQueue(options))
  withConnectionOptions(queue.command('show'))
    .description('one request decoded, with its decisions, its events and what its requester had before')
    .argument('<id>', 'the number of the request', parsePositive)
    .addOption(outputOption('table', 'json'))
    .action(async (id: number, options: ConnectionOptions & { readonly output: OutputFormat }) =>
      (await import('./client/queue-actions.js')).showRequest(id, options)
    )
}

function registerDeciding(queue: Command): void {
  withDecisionOptions(queue.command('approve'))
    .description('approve requests; 3 where other officers have to approve too')
    .argument('<id...>', 'the numbers of the requests', ids)
    .option(REASON, 'why, for the record')
    .option('--dry-run', 'decide nothing: show the certificate that would be issued, and its lint findings')
    .action(async (requests: readonly number[], options: DecisionOptions, command: Command) => {
      const actions = await import('./client/queue-actions.js')
      await (options.dryRun === true
        ? actions.previewRequests(requests, options, talkOf(command))
        : actions.decideRequests('approve', requests, options, talkOf(command)))
    })
  withDecisionOptions(queue.command('deny'))
    .description('deny requests, for good')
    .argument('<id...>', 'the numbers of the requests', ids)
    .requiredOption(REASON, 'why')
    .action(async (requests: readonly number[], options: DecisionOptions, command: Command) =>
      (await import('./client/queue-actions.js')).decideRequests('deny', requests, options, talkOf(command))
    )
  withDecisionOptions(queue.command('resubmit'))
    .description('have denied or failed requests evaluated anew, for administrators')
    .argument('<id...>', 'the numbers of the requests', ids)
    .option(REASON, 'why, for the record')
    .action(async (requests: readonly number[], options: DecisionOptions, command: Command) =>
      (await import('./client/queue-actions.js')).decideRequests('resubmit', requests, options, talkOf(command))
    )
}

function registerEditing(queue: Command): void {
  withDecisionOptions(queue.command('set-attribute'))
    .description('put attributes into a pending request, which somebody else then has to approve')
    .argument('<id>', 'the number of the request', parsePositive)
    .argument('<name:value...>', 'the attributes, as ValidityPeriodUnits:30')
    .option(REASON, 'why, for the record')
    .action(async (id: number, attributes: readonly string[], options: DecisionOptions) =>
      (await import('./client/queue-actions.js')).setAttributes(id, attributes, options)
    )
  withDecisionOptions(queue.command('set-extension'))
    .description('put an extension into a pending request, which somebody else then has to approve')
    .argument('<id>', 'the number of the request', parsePositive)
    .argument('[oid]', 'the extension; left out with --san')
    .option('--value <base64>', 'the content of its OCTET STRING')
    .option('--value-file <file>', 'the file with that content, DER')
    .option('--san <name>', 'an alternative name: dns:, email:, upn:, ip:, uri: and the value; repeatable', collect, [])
    .option('--critical', 'mark it critical')
    .option('--disable', 'have the certificate lack it')
    .option(REASON, 'why, for the record')
    .action(async (id: number, oid: string | undefined, options: ExtensionOptions) =>
      (await import('./client/queue-actions.js')).setExtension(id, oid, options)
    )
}
