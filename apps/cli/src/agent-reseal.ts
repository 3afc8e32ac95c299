import { Option, type Command } from 'commander'
import { parsePositive } from './argument.js'
import { withConnectionOptions, type ConnectionOptions } from './client-options.js'
import type { ResealOptions, VerifyOptions } from './client/reseal-actions.js'
import { printData, talkOf, withTableOrJson, type WithOutput } from './output.js'

const actions = () => import('./client/reseal-actions.js')

type WithConnection<More = object> = WithOutput<ConnectionOptions & More>

/** The part of `agent …` that goes over the console: coverage, and keys that an agent hands on to a successor. */
export function registerAgentConsole(agent: Command): void {
  withTableOrJson(withConnectionOptions(agent.command('coverage')))
    .description('which archived keys the agents that are alive can open, and what is lost when')
    .action(async (options: WithConnection) => (await actions()).showCoverage(options))
  registerStarting(agent)
  registerWorking(agent)
}

function registerStarting(agent: Command): void {
  withTableOrJson(withConnectionOptions(agent.command('start-reseal')))
    .description('let an agent hand its keys on to a successor, for administrators who are neither')
    .argument('<from>', 'the number of the agent', parsePositive)
    .argument('<to>', 'the number of the successor', parsePositive)
    .requiredOption('--reason <text>', 'why, for the record')
    .action(async (from: number, to: number, { reason, ...options }: WithConnection<{ readonly reason: string }>) =>
      printData(await (await actions()).startReseal({ from, to, reason }, options), options.output)
    )
  withTableOrJson(withConnectionOptions(agent.command('list-reseals')))
    .description('who hands keys on to whom, and how far that is')
    .addOption(new Option('--state <state>', 'in this state only').choices(['open', 'completed', 'cancelled']))
    .action(async ({ state, ...options }: WithConnection<{ readonly state?: 'open' | 'completed' | 'cancelled' }>) =>
      printData(await (await actions()).listReseals(state, options), options.output)
    )
  withTableOrJson(withConnectionOptions(agent.command('cancel-reseal')))
    .description('end it; keys that have their new form keep it, the others keep the old one')
    .argument('<id>', 'the id that "agent list-reseals" tells')
    .action(async (id: string, options: WithConnection) =>
      printData(await (await actions()).cancelReseal(id, options), options.output)
    )
}

function registerWorking(agent: Command): void {
  withTableOrJson(withConnectionOptions(agent.command('reseal')))
    .description('hand on to a successor what is sealed to you: opened and encrypted anew on this machine')
    .requiredOption('--from <file>', 'your PKCS#12 file as recovery agent')
    .option('--password-file <file>', 'the file with its password')
    .requiredOption('--to <file>', 'the certificate of the successor, as the successor gave it to you')
    .option('--resume', 'go on with one that you have begun')
    .action(async (options: WithOutput<ResealOptions>, command: Command) =>
      (await actions()).handOnKeys(options, talkOf(command))
    )
  withTableOrJson(withConnectionOptions(agent.command('verify-reseal')))
    .description('open what was handed on to you and confirm it; only then does the old form of a key end')
    .requiredOption('--agent <file>', 'your PKCS#12 file as recovery agent')
    .option('--password-file <file>', 'the file with its password')
    .action(async (options: WithOutput<VerifyOptions>, command: Command) =>
      (await actions()).verifyKeys(options, talkOf(command))
    )
}
