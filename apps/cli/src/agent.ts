import type { Command } from 'commander'
import { registerAgentConsole } from './agent-reseal.js'
import { parsePositive } from './argument.js'
import { printData, talkOf, withTableOrJson, type WithOutput } from './output.js'

const HOLDER = 'whose key it is: the operator who approves recoveries with it'

/** `agent …`: recovery agents, for the person at the machine. */
export function registerAgent(program: Command): void {
  const agent = program.command('agent').description('recovery agents: those who can open archived keys')
  const say = (text: string): void => talkOf(agent).say(text)
  agent
    .command('add')
    .argument('<certificate>', 'the agent’s certificate, PEM or DER')
    .description('add an agent by certificate')
    .requiredOption('--name <name>', 'who it is')
    .option('--ca <name>', 'which CA')
    .option('--account <account>', HOLDER)
    .action(async (file: string, options: { readonly name: string; readonly ca?: string; readonly account?: string }) =>
      say(await (await import('./administration/agent-actions.js')).addAgent({ ...options, file }))
    )
  agent
    .command('new')
    .argument('<name>', 'who it is')
    .description('make a key and a certificate for an agent, for a trial, and add it')
    .requiredOption('--out <file>', 'the PKCS#12 file to write')
    .requiredOption('--password-file <file>', 'the file with its password; made when it does not exist')
    .option('--ca <name>', 'which CA')
    .option('--account <account>', HOLDER)
    .action(
      async (
        name: string,
        options: {
          readonly out: string
          readonly passwordFile: string
          readonly ca?: string
          readonly account?: string
        }
      ) => say(await (await import('./administration/agent-actions.js')).newAgent({ ...options, name }))
    )
  agent
    .command('assign')
    .argument('<number>', 'the agent’s number', parsePositive)
    .description('say whose key an agent’s is, where it was added without an account')
    .requiredOption('--account <account>', HOLDER)
    .action(async (id: number, { account }: { readonly account: string }) =>
      say(await (await import('./administration/agent-actions.js')).assignAgent(id, account))
    )
  withTableOrJson(agent.command('list'))
    .description('the agents of a CA')
    .option('--ca <name>', 'which CA')
    .action(async ({ ca, output }: WithOutput<{ readonly ca?: string }>) =>
      printData(await (await import('./administration/agent-actions.js')).listAgents(ca), output)
    )
  agent
    .command('retire')
    .argument('<number>', 'the agent’s number', parsePositive)
    .description('seal no more keys to an agent and let it approve nothing; refused while keys need it')
    .option('--confirm-loss <keys>', 'retire it although so many keys cannot be opened any more', parsePositive)
    .action(async (id: number, { confirmLoss = 0 }: { readonly confirmLoss?: number }) =>
      say(await (await import('./administration/agent-actions.js')).retireAgent(id, confirmLoss))
    )
  registerAgentConsole(agent)
}
